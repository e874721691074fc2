/*
 * The store: messages that arrived go to their segment files in groups, one sync a file, then into the index, then are
 * answered.
 *
 * Called by session.c. Owns the descriptors of segments, the group under way and the messages that wait. A failed write or
 * sync fails the whole group (451), closes its files for good and raises an alert; what reached the disk all the same is
 * found at the next start, and a repeat of it is a duplicate. At most one group is on its way.
 */
#include "quarantine/inside.h"

#include "base/clock.h"
#include "base/io.h"
#include "base/must.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

enum { GROUP_MESSAGES = 64, GROUP_BYTES = 16 << 20, GROUP_FILES = 16, META_ARENA_MAX = 64 << 20 };

struct part {
    struct segment_name name;
    int fd;
    uint64_t offset;
    bool fresh;
    struct buf octets;
};

struct group {
    struct quarantine *q;
    struct incoming *first;
    struct part parts[GROUP_FILES];
    size_t n;
    enum rc rc;
    struct err err;
};

/* ---- a message on its way ------------------------------------------------------------------------------------------ */

struct incoming *incoming_new(void)
{
    struct incoming *in = calloc(1, sizeof *in);

    must(in);
    in->body = BUF(SEGMENT_INLINE);
    in->big_fd = -1;
    arena_init(&in->arena, 4096, META_ARENA_MAX);
    return in;
}

void incoming_free(struct incoming *in)
{
    if (!in)
        return;
    if (in->big_fd >= 0)
        close(in->big_fd);
    buf_done(&in->body);
    arena_done(&in->arena);
    free(in);
}

static void big_name(char out[SEGMENT_PATH], const struct quarantine *q, uint64_t number)
{
    snprintf(out, SEGMENT_PATH, "%s/big/in.%llu", q->o.dir, (unsigned long long)number);
}

static enum rc spill(struct quarantine *q, struct incoming *in, struct err *e)
{
    char path[SEGMENT_PATH];

    in->big_number = ++q->next_big;
    big_name(path, q, in->big_number);
    TRY(io_create("quarantine.big", path, O_WRONLY | O_CREAT | O_TRUNC, &in->big_fd, e));
    TRY(io_write("quarantine.big", in->big_fd, buf_str(&in->body), e));
    buf_done(&in->body);
    in->body = BUF(SEGMENT_INLINE);
    return RC_OK;
}

enum rc incoming_add(struct quarantine *q, struct incoming *in, struct str octets, struct err *e)
{
    in->body_bytes += octets.n;
    if (in->big_fd < 0 && in->body_bytes > SEGMENT_INLINE)
        TRY(spill(q, in, e));
    if (in->big_fd >= 0)
        return io_write("quarantine.big", in->big_fd, octets, e);
    buf_add(&in->body, octets);
    return in->body.failed ? err_set(e, RC_NO_MEMORY, "out of memory") : RC_OK;
}

/* ---- groups --------------------------------------------------------------------------------------------------------- */

bool store_writes_to(const struct quarantine *q, uint64_t id)
{
    for (size_t i = 0; q->group && i < q->group->n; i++)
        if (q->group->parts[i].name.id == id)
            return true;
    return false;
}

static void answer(struct incoming *in)
{
    if (in->done)
        in->done(in->ctx, in);
    else
        incoming_free(in);
}

static struct part *part_for(struct group *g, struct incoming *in, struct err *e)
{
    struct quarantine *q = g->q;
    uint64_t day = enter_exit_day(q, &in->meta, in->taken_ms);
    struct open_segment *s;
    bool fresh;

    for (size_t i = 0; i < g->n; i++)
        if (g->parts[i].name.class == in->meta.class && g->parts[i].name.day == day)
            return &g->parts[i];
    if (g->n == GROUP_FILES)
        return NULL;
    s = files_for(q, in->meta.class, day, &fresh, e);
    if (!s)
        return NULL;
    s->used = ++q->clock;
    g->parts[g->n] = (struct part){s->name, s->fd, s->end, fresh, BUF(2 * GROUP_BYTES)};
    return &g->parts[g->n++];
}

static bool put(struct group *g, struct incoming *in)
{
    struct record_head h = {.id = in->id,
                            .class = (uint32_t)in->meta.class,
                            .body_bytes = in->body_bytes,
                            .taken_ms = in->taken_ms,
                            .big = in->big_fd >= 0};
    struct part *p = part_for(g, in, &in->err);
    size_t before;

    if (!p)
        return false;
    before = p->octets.n;
    in->segment = p->name;
    in->offset = p->offset + before;
    record_put(&h, in->text, buf_str(&in->body), &p->octets);
    in->bytes = record_bytes(&h) + (h.big ? in->body_bytes : 0);
    return !p->octets.failed;
}

static enum rc settle_big(struct quarantine *q, struct incoming *in, struct err *e)
{
    char from[SEGMENT_PATH], to[SEGMENT_PATH], dir[SEGMENT_PATH];

    big_name(from, q, in->big_number);
    segment_big_path(to, q->o.dir, in->id);
    snprintf(dir, sizeof dir, "%s/big", q->o.dir);
    TRY(io_sync("quarantine.big", in->big_fd, e));
    TRY(io_rename("quarantine.big", from, to, e));
    return io_sync_dir("quarantine.big", dir, e);
}

static enum rc write_part(struct quarantine *q, struct part *p, struct err *e)
{
    struct iovec iov = {p->octets.p, p->octets.n};
    char dir[SEGMENT_PATH];

    TRY(io_pwritev("quarantine.append", p->fd, &iov, 1, p->offset, e));
    TRY(io_sync("quarantine.append", p->fd, e));
    if (!p->fresh)
        return RC_OK;
    snprintf(dir, sizeof dir, "%s/data", q->o.dir);
    return io_sync_dir("quarantine.append", dir, e);
}

/* In the pool. */
static void group_write(void *ctx)
{
    struct group *g = ctx;

    for (struct incoming *in = g->first; in && g->rc == RC_OK; in = in->next)
        if (in->big_fd >= 0)
            g->rc = settle_big(g->q, in, &g->err);
    for (size_t i = 0; i < g->n && g->rc == RC_OK; i++)
        g->rc = write_part(g->q, &g->parts[i], &g->err);
}

static void index_group(struct group *g)
{
    struct quarantine *q = g->q;

    sql_begin(&q->sql, false);
    for (size_t i = 0; i < g->n; i++) {
        const struct part *p = &g->parts[i];

        sql_run(&q->sql, Q_segment_add, "iii", p->name.id, p->name.class, p->name.day);
        sql_run(&q->sql, Q_segment_mark, "ii", p->name.id, p->offset + p->octets.n);
    }
    for (struct incoming *in = g->first; in; in = in->next)
        enter_message(q, in->id, &in->meta, in->digest, &in->segment, in->offset, in->bytes, in->big_fd >= 0, in->taken_ms);
    g->rc = sql_commit(&q->sql, &g->err);
    io_passed("quarantine.index");
}

uint64_t quarantine_number(const struct quarantine *q, struct str serial, uint64_t mid, uint64_t id)
{
    const struct conf *c = quarantine_conf(q);

    return str_eqi(serial, c->system.serial.n ? c->system.serial : str_lit("unknown")) ? mid : id;
}

/* From a gateway: a message of this appliance now, under a number of its own (logs.md 8). */
static void say_received(struct quarantine *q, const struct incoming *in)
{
    const struct cpq_meta *m = &in->meta;
    struct events *ev = q->o.events;

    event(ev, message_start, .mid = in->id, .icid = in->icid, .uid = m->uid);
    event(ev, message_sender, .mid = in->id, .icid = in->icid, .sender = m->envelope.sender);
    for (size_t i = 0; i < m->envelope.n_recipients; i++)
        event(ev, message_recipient, .mid = in->id, .icid = in->icid, .rid = i,
              .recipient = m->envelope.recipients[i].address);
    if (m->message_id.n)
        event(ev, message_id, .mid = in->id, .message_id = m->message_id);
    event(ev, message_subject, .mid = in->id, .subject = m->subject);
    event(ev, held_ready, .mid = in->id, .bytes = in->body_bytes, .sender = m->envelope.sender, .host = m->host,
          .old_mid = m->mid);
}

static void say_stored(struct quarantine *q, const struct incoming *in)
{
    const struct conf *c = quarantine_conf(q);

    uint64_t mid = quarantine_number(q, in->meta.serial, in->meta.mid, in->id);

    if (in->icid)
        say_received(q, in);
    if (in->meta.class == CPQ_SPAM)
        event(q->o.events, spam_quarantined, .mid = mid, .recipients = in->meta.envelope.n_recipients);
    for (size_t i = 0; in->meta.class == CPQ_PVO && i < in->meta.n_holds; i++)
        event(q->o.events, quarantined, .mid = mid, .quarantine = enter_quarantine(c, in->meta.holds[i].quarantine)->name,
              .reason = in->meta.holds[i].reason, .kind = in->meta.holds[i].kind);
    if (in->meta.migration.run)
        run_say(q, &in->meta);
}

static void close_parts(struct group *g)
{
    for (size_t i = 0; i < g->n; i++) {
        struct open_segment *s = files_find(g->q, g->parts[i].name.id);

        if (s && g->rc != RC_OK)
            files_close(s);
        if (g->rc != RC_OK) /* what a failed sync left on the disk is unknown: nothing more goes there */
            sql_run(&g->q->sql, Q_segment_close, "ii", g->parts[i].name.id, (uint64_t)1);
        buf_done(&g->parts[i].octets);
    }
}

static void group_done(void *ctx)
{
    struct group *g = ctx;
    struct quarantine *q = g->q;
    struct incoming *first = g->first, *next;

    io_pass("quarantine.index");
    if (g->rc == RC_OK)
        index_group(g);
    if (g->rc != RC_OK)
        event(q->o.events, quarantine_write_failed, .why = str_c(err_text(&g->err)));
    q->group = NULL;
    close_parts(g);
    for (struct incoming *in = first; in; in = next) {
        next = in->next;
        in->rc = g->rc;
        in->err = g->err;
        if (in->rc == RC_OK) {
            say_stored(q, in);
            rescan_arrived(q, in);
        }
        answer(in);
    }
    free(g);
    expire_gauges(q);
    if (q->stopping && store_idle(q) && q->stopped) {
        void (*stopped)(void *) = q->stopped;

        q->stopped = NULL;
        stopped(q->stopped_ctx);
    }
}

static struct incoming *take_waiting(struct quarantine *q)
{
    struct incoming *in = q->waiting;

    if (!in)
        return NULL;
    q->waiting = in->next;
    if (!q->waiting)
        q->waiting_end = &q->waiting;
    in->next = NULL;
    return in;
}

static void group_start(void *ctx)
{
    struct quarantine *q = ctx;
    struct incoming **end, *in;
    struct group *g;
    uint64_t bytes = 0;

    if (q->group || !q->waiting)
        return;
    g = calloc(1, sizeof *g);
    must(g);
    g->q = q;
    q->group = g;
    end = &g->first;
    for (unsigned n = 0; n < GROUP_MESSAGES && bytes < GROUP_BYTES && (in = take_waiting(q)); n++) {
        in->taken_ms = clock_wall_ms();
        if (!put(g, in)) {
            in->rc = in->err.rc ? in->err.rc : RC_UNAVAILABLE;
            answer(in);
            continue;
        }
        bytes += in->text.n + in->body.n;
        *end = in;
        end = &in->next;
    }
    for (size_t i = 0; i < g->n; i++) {
        struct open_segment *s = files_find(q, g->parts[i].name.id);

        s->end = (g->parts[i].offset + g->parts[i].octets.n + SEGMENT_PAGE - 1) / SEGMENT_PAGE * SEGMENT_PAGE;
    }
    if (g->first) {
        loop_work(q->o.loop, group_write, group_done, g);
        return;
    }
    q->group = NULL;
    close_parts(g);
    free(g);
}

/* ---- in --------------------------------------------------------------------------------------------------------------- */

static bool same_key(const struct incoming *a, const struct incoming *b)
{
    return a->meta.class == b->meta.class && a->meta.mid == b->meta.mid && str_eq(a->meta.serial, b->meta.serial);
}

static bool under_way(const struct quarantine *q, const struct incoming *in)
{
    for (const struct incoming *o = q->group ? q->group->first : NULL; o; o = o->next)
        if (same_key(o, in))
            return true;
    for (const struct incoming *o = q->waiting; o; o = o->next)
        if (same_key(o, in))
            return true;
    return false;
}

static bool id_free(struct quarantine *q, uint64_t id)
{
    for (const struct incoming *o = q->group ? q->group->first : NULL; o; o = o->next)
        if (o->id == id)
            return false;
    for (const struct incoming *o = q->waiting; o; o = o->next)
        if (o->id == id)
            return false;
    return !sql_number(&q->sql, Q_message_has, 0, "i", id);
}

/* On the machine it came from a message keeps its number; what comes from elsewhere, or again under a used one, gets a new.
 */
static uint64_t choose_id(struct quarantine *q, const struct incoming *in)
{
    const struct conf *c = quarantine_conf(q);
    uint64_t id = in->meta.mid;

    if (str_eqi(in->meta.serial, c->system.serial.n ? c->system.serial : str_lit("unknown")) && id && id_free(q, id))
        return id;
    do
        id = board_next(q->o.board, NUMBER_MID);
    while (!id_free(q, id));
    return id;
}

static enum rc judge(struct quarantine *q, struct incoming *in)
{
    bool left = false;
    enum rc rc = enter_key(q, &in->meta, in->digest, &in->id, &left);

    if (rc == RC_EXISTS) {
        in->duplicate = true;
        return RC_OK;
    }
    if (under_way(q, in))
        return err_set(&in->err, RC_UNAVAILABLE, "the same message is being stored");
    if (rc == RC_CONFLICT)
        event(q->o.events, quarantine_numbers_restarted, .serial = in->meta.serial, .mid = in->meta.mid);
    if (!expire_make_room(q, in->meta.class, in->body_bytes + in->text.n))
        return err_set(&in->err, RC_NO_SPACE, "the quarantine is full");
    in->id = choose_id(q, in);
    return RC_OK;
}

void store_add(struct quarantine *q, struct incoming *in)
{
    in->rc = q->stopping ? err_set(&in->err, RC_SHUTTING_DOWN, "shutting down") : judge(q, in);
    if (in->rc != RC_OK || in->duplicate) {
        answer(in);
        return;
    }
    in->next = NULL;
    *q->waiting_end = in;
    q->waiting_end = &in->next;
    loop_again(q->o.loop);
}

bool store_idle(const struct quarantine *q)
{
    return !q->group && !q->waiting;
}

/* ---- beginning and end ---- */

enum rc hold_store_open(struct quarantine *q, struct err *e)
{
    q->waiting_end = &q->waiting;
    for (size_t i = 0; i < OPEN_SEGMENTS; i++)
        q->segments[i].fd = -1;
    TRY(files_make_dirs(q, e));
    TRY(files_open_index(q, e));
    sql_begin(&q->sql, false);
    enter_quarantines(q, quarantine_conf(q));
    TRY(sql_commit(&q->sql, e));
    TRY(catch_up(q, e));
    loop_at_end(q->o.loop, PHASE_STORE, group_start, q);
    return RC_OK;
}

void hold_store_close(struct quarantine *q)
{
    loop_at_end_cancel(q->o.loop, PHASE_STORE, group_start, q);
    for (struct incoming *in; (in = take_waiting(q));)
        incoming_free(in);
    for (size_t i = 0; i < OPEN_SEGMENTS; i++)
        files_close(&q->segments[i]);
    sql_close(&q->sql);
}
