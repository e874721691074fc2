/*
 * K2: whatever a power cut leaves on the disk, recovery finds every acknowledged message, none that was refused for certain,
 * and none of an earlier life of a segment; and the journal gives back every entry that was synced.
 */
#include "spool/powercut_testing.h"

#include "base/clock.h"
#include "base/io.h"
#include "spool/journal.h"
#include "spool/spool_testing.h"

#include <stdio.h>

enum { ACKNOWLEDGED = 1, REFUSED, FREED };
enum { MIDS = 400, BODY = 80000, SEEDS = 3 };

struct work {
    struct fixture *f;
    struct trace *trace;
    uint64_t next_mid, waiting;
    struct {
        uint64_t segment, generation;
        bool stored;
    } where[MIDS];
};

struct one {
    struct work *w;
    uint64_t mid;
};

static void told(void *ctx, enum rc rc, const struct spool_ref *ref)
{
    struct one *o = ctx;
    struct work *w = o->w;

    w->waiting--;
    if (rc == RC_OK) {
        trace_mark(w->trace, ACKNOWLEDGED, o->mid);
        w->where[o->mid].segment = ref->segment;
        w->where[o->mid].generation = ref->generation;
        w->where[o->mid].stored = true;
    } else if (rc != RC_CLOSED) {
        trace_mark(w->trace, REFUSED, o->mid);
    }
    free(o);
}

/* The body's first octets say whose it is. */
static void send_one(struct work *w, size_t body_bytes)
{
    struct one *o = malloc(sizeof *o);
    struct spool_body *b = spool_body_new(w->f->writer);
    char *body = calloc(1, body_bytes);

    *o = (struct one){w, ++w->next_mid};
    memset(body, (int)('a' + o->mid % 26), body_bytes);
    assert_int_equal(spool_body_add(b, str_of(body, body_bytes), NULL), RC_OK);
    spool_append(w->f->writer, 0, o->mid, 0, str_lit("envelope"), b, told, o);
    w->waiting++;
    free(body);
}

static void settle_all(struct work *w)
{
    while (w->waiting)
        loop_turn(w->f->loop, true);
}

/* Every message of a closed segment is delivered: the file goes back, as queue does it. */
static void free_segment(struct work *w, uint64_t segment, uint64_t generation)
{
    for (uint64_t mid = 1; mid <= w->next_mid; mid++)
        if (w->where[mid].stored && w->where[mid].segment == segment && w->where[mid].generation == generation)
            w->where[mid].stored = false;
    trace_mark(w->trace, FREED, segment << 32 | generation); /* from here its messages may be missing */
    assert_int_equal(spool_mark_free(w->f->dir, segment, generation, NULL), RC_OK);
    trace_mark(w->trace, FREED, 1ull << 63 | segment << 32 | generation); /* from here they must be */
    spool_writer_reuse(w->f->writer, segment, false);
}

/* Some segment holds mail of two lives. */
static bool recycled(const struct work *w)
{
    for (uint64_t a = 1; a <= w->next_mid; a++)
        for (uint64_t b = a + 1; b <= w->next_mid; b++)
            if (w->where[a].segment == w->where[b].segment && w->where[a].generation != w->where[b].generation)
                return true;
    return false;
}

/* Groups of one to four messages over several segments, large bodies, recycling, and a sync that fails. */
static void run_workload(struct work *w)
{
    unsigned freed = 0;

    for (unsigned group = 0; group < 64; group++) {
        if (group == 9 || group == 58) {
            setenv("POSTERN_FAULT", group == 9 ? "test:spool.sync:1:eio" : "test:spool.append:1:short", 1);
            io_init("test");
        }
        for (unsigned i = 0; i <= group % 4; i++)
            send_one(w, i == 3 && group % 8 == 7 ? 300000 : BODY);
        settle_all(w);
        unsetenv("POSTERN_FAULT");
        io_init("test");
        for (; freed < w->f->n_closed; freed++)
            if (w->f->closed[freed].from == w->f->closed[freed].to)
                free_segment(w, w->f->closed[freed].segment, w->f->closed[freed].generation);
        loop_turn(w->f->loop, false);
    }
    assert_true(recycled(w));
}

static void empty(const char *dir)
{
    char command[256];

    for (const char *const *d = (const char *const[]){"seg", "big", "journal", NULL}; *d; d++) {
        snprintf(command, sizeof command, "rm -rf %s/%s", dir, *d);
        assert_int_equal(system(command), 0);
    }
}

/* --- recovery and what it must find ---------------------------------------------------------------------------------- */

struct seen {
    const char *dir;
    unsigned char found[MIDS];
    struct spool_reader *reader;
    bool damaged;
};

static void found(void *ctx, const struct spool_head *head, struct str envelope)
{
    struct seen *s = ctx;
    char body[BODY];
    uint32_t crc = 0;

    assert_true(head->mid > 0 && head->mid < MIDS && str_eq(envelope, str_lit("envelope")));
    for (uint64_t at = 0; at < head->body_bytes;) {
        size_t n = head->body_bytes - at < sizeof body ? (size_t)(head->body_bytes - at) : sizeof body;

        s->damaged |= spool_read_body(s->reader, head, at, body, n, &crc, NULL) != RC_OK;
        s->damaged |= body[0] != (char)('a' + head->mid % 26);
        at += n;
    }
    s->damaged |= crc != head->body_crc;
    s->found[head->mid]++;
}

static void recover(struct seen *s)
{
    struct arena a;
    struct spool_voids voids;
    const uint64_t *ids;
    size_t n;

    arena_init(&a, 4096, 1 << 20);
    s->reader = spool_reader_new(s->dir);
    assert_int_equal(spool_read_voids(s->dir, &a, &voids, NULL), RC_OK);
    assert_int_equal(spool_list(s->dir, &a, &ids, &n, NULL), RC_OK);
    for (size_t i = 0; i < n; i++) {
        struct spool_found out;

        assert_int_equal(spool_scan(s->dir, ids[i], 0, 0, &voids, found, s, &out, NULL), RC_OK);
        assert_false(out.corrupt);
    }
    spool_reader_free(s->reader);
    arena_done(&a);
}

static void check(const struct trace *t, size_t steps, const struct seen *s, const uint64_t *segment_of)
{
    bool may_miss[MIDS] = {false}, must_miss[MIDS] = {false}, acknowledged[MIDS] = {false};

    for (size_t i = 0; i < steps; i++) {
        uint64_t what, id;

        if (!trace_is_mark(t, i, &what, &id))
            continue;
        if (what == ACKNOWLEDGED)
            acknowledged[id] = true;
        if (what == REFUSED)
            must_miss[id] = true;
        for (uint64_t mid = 1; what == FREED && mid < MIDS; mid++)
            if (segment_of[mid] == (id & ~(1ull << 63))) {
                may_miss[mid] = true;
                must_miss[mid] |= id >> 63;
            }
    }
    assert_false(s->damaged);
    for (uint64_t mid = 1; mid < MIDS; mid++) {
        if ((acknowledged[mid] && !may_miss[mid] && !s->found[mid]) || (must_miss[mid] && s->found[mid]) ||
            s->found[mid] > 1)
            print_error("MID %u after %zu steps: found %u\n", (unsigned)mid, steps, s->found[mid]);
        assert_true(s->found[mid] <= 1);
        assert_false(acknowledged[mid] && !may_miss[mid] && !s->found[mid]);
        assert_false(must_miss[mid] && s->found[mid]);
    }
}

/* In memory where there is such a place: hundreds of images. */
static void make_image_dir(char out[64])
{
    snprintf(out, 64, "%s/powercut-XXXXXX", access("/dev/shm", W_OK) == 0 ? "/dev/shm" : "/tmp");
    assert_non_null(mkdtemp(out));
}

static void what_was_acknowledged_survives_every_power_cut(void **state)
{
    struct fixture *f = *state;
    struct work w = {.f = f};
    uint64_t segment_of[MIDS] = {0};
    char image[64];
    unsigned images = 0;

    make_image_dir(image);
    fixture_close(f);
    empty(f->dir); /* files of before are not in the trace */
    w.trace = trace_begin(f->dir);
    f->options.segment_bytes = 2 << 20;
    trace_segment_bytes(w.trace, f->options.segment_bytes);
    fixture_open(f);
    run_workload(&w);
    fixture_close(f);
    fixture_open(f);
    trace_end(w.trace);
    for (uint64_t mid = 1; mid < MIDS; mid++)
        segment_of[mid] = w.where[mid].segment << 32 | w.where[mid].generation;
    for (size_t steps = 1; steps <= trace_length(w.trace); steps++)
        for (unsigned mode = 0; mode < 2 + SEEDS; mode++) {
            struct seen s = {.dir = image};

            if ((steps * 7 + mode) % 13) /* a part of them: enough in the time there is */
                continue;
            trace_image(w.trace, steps, mode, image);
            recover(&s);
            check(w.trace, steps, &s, segment_of);
            empty(image);
            images++;
        }
    print_message("%u images of %zu steps\n", images, trace_length(w.trace));
    trace_free(w.trace);
    assert_int_equal(rmdir(image), 0);
}

/* --- the journal: numbers counted up in four slots, each checkpoint part names one
 * -----------------------------------------------------------------
 */

enum { SYNCED = 9, VALUES = 300, SLOTS = 4 };

struct counter {
    struct trace *trace;
    struct loop *loop;
    uint64_t value, part, slots[SLOTS];
    unsigned waiting;
};

struct ask {
    struct counter *c;
    uint64_t value;
};

static void put_value(struct journal *j, uint64_t value)
{
    journal_add(j, value, str_lit("an entry of ordinary size"));
}

static bool checkpoint(void *ctx, struct journal *j, bool first)
{
    struct counter *c = ctx;

    c->part = first ? 0 : c->part + 1;
    put_value(j, c->slots[c->part]);
    return c->part + 1 < SLOTS;
}

static void value_synced(void *ctx, enum rc rc)
{
    struct ask *a = ctx;

    a->c->waiting--;
    if (rc == RC_OK)
        trace_mark(a->c->trace, SYNCED, a->value);
    free(a);
}

static void restored(void *ctx, uint64_t kind, struct str octets)
{
    (void)octets;
    ((struct counter *)ctx)->slots[kind % SLOTS] = kind;
}

static void count_up(struct counter *c, const struct journal_options *o)
{
    bool torn;
    struct journal *j = journal_open(c->loop, o, restored, &torn, NULL);

    for (uint64_t i = 0; i < VALUES / 2; i++) {
        c->value++;
        c->slots[c->value % SLOTS] = c->value;
        put_value(j, c->value);
        if (i % 12 == 4 || i % 12 == 9)
            fault(i % 12 == 4 ? "test:journal.sync:1:eio" : "test:journal.write:1:short");
        if (i % 7 == 0) {
            struct ask *a = malloc(sizeof *a);

            *a = (struct ask){c, c->value};
            c->waiting++;
            journal_sync(j, value_synced, a);
        }
        do
            loop_turn(c->loop, c->waiting > 0);
        while (c->waiting && i % 21 == 0);
        if (i % 12 == 7 || i % 12 == 9) {
            fault(NULL);
            clock_test_advance(1001); /* the next try is due */
        }
        clock_test_advance(30);
    }
    fault(NULL);
    clock_test_advance(1001);
    while (c->waiting)
        loop_turn(c->loop, true);
    journal_close(j);
}

static void what_the_journal_synced_survives_every_power_cut(void **state)
{
    struct fixture *f = *state;
    char image[64];
    struct counter c = {.loop = f->loop};
    struct journal_options o = {.dir = f->dir, .rotate_bytes = 2000, .checkpoint = checkpoint, .ctx = &c};

    make_image_dir(image);
    fixture_close(f);
    clock_test_set(1000000, 1000000);
    c.trace = trace_begin(f->dir);
    count_up(&c, &o);
    count_up(&c, &o);
    trace_end(c.trace);
    for (size_t steps = 1; steps <= trace_length(c.trace); steps++) {
        struct counter back = {.loop = f->loop};
        struct journal_options io = {.dir = image, .rotate_bytes = 1 << 20, .ctx = &back};
        uint64_t synced = 0, what, id;
        bool torn;

        trace_image(c.trace, steps, (unsigned)(steps % 5), image);
        journal_close(journal_open(f->loop, &io, restored, &torn, NULL));
        for (size_t i = 0; i < steps; i++)
            if (trace_is_mark(c.trace, i, &what, &id) && id > synced)
                synced = id;
        for (uint64_t slot = 0; slot < SLOTS; slot++)
            assert_in_range(back.slots[slot], synced < SLOTS ? 0 : synced - (synced - slot) % SLOTS, c.value);
        empty(image);
    }
    print_message("%zu steps of the journal\n", trace_length(c.trace));
    trace_free(c.trace);
    assert_int_equal(rmdir(image), 0);
    fixture_open(f);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        SPOOL_TEST(what_was_acknowledged_survives_every_power_cut),
        SPOOL_TEST(what_the_journal_synced_survives_every_power_cut), /* stops the clock: last */
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
