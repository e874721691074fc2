/*
 * The tracking store: every order of the same events ends in the same answers, whatever is repeated, missing or cut.
 */
#include "store/tracking_inside.h"
#include "store/tracking_testing.h"

#include "base/io.h"

#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cmocka.h>

static char dir[64];
static struct world w;
static struct buf want = {.max = 64 << 20}, got = {.max = 64 << 20};
static struct err e;

static void shell(const char *format, const char *arg)
{
    char command[200];

    snprintf(command, sizeof command, format, arg);
    assert_int_equal(system(command), 0);
}

static int fresh(void **state)
{
    (void)state;
    strcpy(dir, access("/dev/shm", W_OK) == 0 ? "/dev/shm/postern-track-XXXXXX" : "/tmp/postern-track-XXXXXX");
    assert_non_null(mkdtemp(dir));
    world_init(&w);
    return 0;
}

static int gone(void **state)
{
    (void)state;
    world_done(&w);
    shell("rm -rf %s", dir);
    return 0;
}

static void empty(void)
{
    shell("rm -rf %s/*", dir);
}

static struct tracking *store(uint64_t rows)
{
    struct tracking_options o = {.partition_rows = rows, .rejected = true};
    struct tracking *t = NULL;

    if (tracking_open(dir, &o, &t, &e) != RC_OK)
        fail_msg("%s", e.text);
    return t;
}

/* Events [from, to) of the world as one batch. */
static enum rc give(struct tracking *t, size_t from, size_t to)
{
    if (from >= to)
        return RC_OK;
    TRY(tracking_begin(t, str_lit("SER1"), str_lit("gw1"), 1, &e));
    for (size_t i = from; i < to; i++)
        if (tracking_add(t, w.events[i].number, &w.events[i].rec, &e) != RC_OK)
            break;
    return tracking_commit(t, w.events[from].number, w.events[to - 1].number, &e);
}

static void give_all(struct tracking *t, size_t step)
{
    for (size_t i = 0; i < w.n; i += step)
        assert_int_equal(give(t, i, i + step < w.n ? i + step : w.n), RC_OK);
}

static void some_mail(unsigned n)
{
    for (unsigned i = 0; i < n; i++) {
        world_message(&w, i);
        if (i % 20 == 0)
            world_reject(&w, i);
    }
}

static void same(void)
{
    want.n &&want.n == got.n &&memcmp(want.p, got.p, got.n) == 0
        ? (void)0
        : assert_string_equal(got.p ? got.p : "", want.p ? want.p : "");
    assert_true(want.n > 0);
}

static void dump_into(struct tracking *t, struct buf *b)
{
    dump(t, b);
    buf_addc(b, 0);
}

/* ST-16: what was imported is found, each step of it is there. */
static void a_message_and_its_steps(void **state)
{
    struct tracking *t = store(0);
    static const char expected[] =
        "SER1 gw1 kind 0 mid 101 at 1795305600012 bytes 1000 flags b Delivered <Sender0@example0.net>1 '' to "
        "<user0@corp.test> <boss0@corp.test>\n";

    (void)state;
    world_message(&w, 0);
    give_all(t, 1000);
    dump_into(t, &got);
    assert_true(str_starts(buf_str(&got), str_of(expected, sizeof expected - 1)));
    assert_non_null(strstr(got.p, "New SMTP ICID 51 interface  () address 192.0.2.0"));
    assert_non_null(strstr(got.p, "SMTP Auth: (ICID 51) succeeded for user: auth0"));
    assert_non_null(strstr(got.p, "MID 101 ICID 51 RID 1 To: <boss0@corp.test>"));
    assert_non_null(strstr(got.p, "New SMTP DCID 11 interface 10.0.0.1 address 203.0.113.9 port 25"));
    assert_non_null(strstr(got.p, "MID 101 RID [0] Response '2.0.0 Ok: queued as 0'"));
    assert_non_null(strstr(got.p, "Message finished MID 101 done"));
    tracking_close(t);
}

/* Shuffled batches, in any sizes, twice, over several partitions: the same content. */
static void any_order_is_the_same(void **state)
{
    struct tracking *t = store(0);

    (void)state;
    some_mail(120);
    give_all(t, 100000);
    dump_into(t, &want);
    tracking_close(t);
    for (unsigned seed = 1; seed <= 6; seed++) {
        size_t step = seed % 3 == 0 ? 7 : seed % 3 == 1 ? 53 : 411, n = (w.n + step - 1) / step, *order;

        empty();
        t = store(seed % 2 ? 0 : 40);
        order = calloc(n, sizeof *order);
        for (size_t i = 0; i < n; i++)
            order[i] = i;
        srand(seed);
        for (size_t i = n; i > 1; i--) {
            size_t k = (size_t)rand() % i, o = order[i - 1];

            order[i - 1] = order[k];
            order[k] = o;
        }
        for (size_t i = 0; i < n; i++)
            for (unsigned again = 0; again <= (i % 5 == 0); again++)
                assert_int_equal(give(t, order[i] * step, order[i] * step + step < w.n ? order[i] * step + step : w.n),
                                 RC_OK);
        free(order);
        assert_true(tracking_covered(t, str_lit("SER1"), 1, 1, w.n));
        dump_into(t, &got);
        same();
        tracking_close(t);
    }
}

/* A message that its manager holds: by what it was held, in whichever order its events come. */
static void held_on_the_manager(void **state)
{
    static const char *const words[] = {"Quarantined by Policy", "Quarantined by Anti-Virus",
                                        "Quarantined by Outbreak Filters"};

    (void)state;
    for (unsigned kind = 0; kind < 3; kind++) {
        say(&w, message_start, .mid = kind + 1, .icid = 9, .uid = textf(&w, "%u-00112233445566", kind + 1));
        say(&w, hold_enqueued, .mid = kind + 1, .quarantine = str_lit("Held"), .reason = str_lit("test"), .kind = kind);
        say(&w, message_queued, .mid = kind + 1);
        say(&w, hold_done, .dcid = 5, .mid = kind + 1, .rids = str_of("\0", 1));
        say(&w, message_finished, .mid = kind + 1);
    }
    for (unsigned backwards = 0; backwards < 2; backwards++) {
        struct tracking *t = store(0);

        for (size_t i = 0; i < w.n; i++) {
            size_t at = backwards ? w.n - 1 - i : i;

            assert_int_equal(give(t, at, at + 1), RC_OK);
        }
        dump_into(t, &got);
        for (unsigned kind = 0; kind < 3; kind++)
            assert_non_null(strstr(got.p, words[kind]));
        assert_null(strstr(got.p, "Queued for Delivery"));
        tracking_close(t);
        empty();
    }
}

/* Import twice: not one octet of a database changes in meaning; counts stay. */
static void twice_is_once(void **state)
{
    struct tracking *t = store(0);
    uint64_t rows;

    (void)state;
    some_mail(60);
    give_all(t, 500);
    rows = tracking_messages(t);
    dump_into(t, &want);
    give_all(t, 333);
    assert_int_equal(tracking_messages(t), rows);
    dump_into(t, &got);
    same();
    tracking_close(t);
}

/* A hole is a hole: what is missing is not covered; when it comes, nothing tells that it came late. */
static void holes_fill(void **state)
{
    struct tracking *t = store(0);

    (void)state;
    some_mail(60);
    give_all(t, 100000);
    dump_into(t, &want);
    tracking_close(t);
    empty();
    t = store(0);
    assert_int_equal(give(t, 0, 200), RC_OK);
    assert_int_equal(give(t, 321, w.n), RC_OK);
    assert_false(tracking_covered(t, str_lit("SER1"), 1, 1, w.n));
    assert_true(tracking_covered(t, str_lit("SER1"), 1, 1, 200));
    assert_false(tracking_covered(t, str_lit("SER1"), 1, 200, 201));
    tracking_close(t);
    t = store(0); /* and over a restart */
    assert_int_equal(give(t, 190, 330), RC_OK);
    assert_true(tracking_covered(t, str_lit("SER1"), 1, 1, w.n));
    dump_into(t, &got);
    same();
    tracking_close(t);
}

/* Killed at each point of a commit, also between the files of one batch: given again, the content is the same. */
static void killed_in_a_commit(void **state)
{
    static const char *const points[] = {"tracking.commit", "tracking.catalog"};
    struct tracking *t = store(0);
    char fault[80];
    int hits = 0;

    (void)state;
    some_mail(90);
    give_all(t, 100000);
    dump_into(t, &want);
    tracking_close(t);
    for (unsigned point = 0; point < 2; point++)
        for (unsigned n = 1; n < 12; n++)
            for (unsigned after = 0; after < 2; after++) {
                int status;
                pid_t pid;

                empty();
                pid = fork();
                if (!pid) {
                    snprintf(fault, sizeof fault, "test:%s:%u:%s", points[point], n, after ? "kill-after" : "kill-before");
                    setenv("POSTERN_FAULT", fault, 1);
                    io_init("test");
                    t = store(25);
                    for (size_t i = 0; i < w.n; i += 600)
                        give(t, i, i + 600 < w.n ? i + 600 : w.n);
                    _exit(0);
                }
                assert_int_equal(waitpid(pid, &status, 0), pid);
                hits += WIFSIGNALED(status);
                t = store(25);
                give_all(t, 450); /* other borders than before */
                dump_into(t, &got);
                same();
                tracking_close(t);
            }
    assert_true(hits >= 12);
}

/* Messages of several gateways with the same numbers are different messages; an epoch begins anew. */
static void gateways_and_epochs(void **state)
{
    struct tracking *t = store(0);
    struct tracking_query q;
    struct tracking_hits hits;
    struct arena a;

    (void)state;
    world_message(&w, 1);
    for (unsigned gateway = 0; gateway < 3; gateway++) {
        char serial[8] = {'G', (char)('1' + gateway)};

        assert_int_equal(tracking_begin(t, str_c(serial), str_c(serial), 7, &e), RC_OK);
        for (size_t i = 0; i < w.n; i++)
            assert_int_equal(tracking_add(t, w.events[i].number, &w.events[i].rec, &e), RC_OK);
        assert_int_equal(tracking_commit(t, 1, w.n, &e), RC_OK);
    }
    assert_int_equal(tracking_messages(t), 3);
    assert_false(tracking_covered(t, str_lit("G1"), 8, 1, 1));
    arena_init(&a, 4096, 16 << 20);
    tracking_query_init(&q, 100);
    assert_int_equal(tracking_query_word(&q, &a, str_lit("101"), &e), RC_OK);
    assert_int_equal(tracking_search(t, &q, &a, &hits, &e), RC_OK);
    assert_int_equal(hits.n, 3);
    assert_int_equal(tracking_query_word(&q, &a, str_lit("host=G2"), &e), RC_OK);
    assert_int_equal(tracking_search(t, &q, &a, &hits, &e), RC_OK);
    assert_int_equal(hits.n, 1);
    assert_true(str_eq(hits.items[0].serial, str_lit("G2")));
    arena_done(&a);
    tracking_close(t);
}

/* The oldest partitions go whole when the store is larger than allowed. */
static void quota_drops_the_oldest(void **state)
{
    struct tracking *t = store(30);
    struct tracking_options small = {.max_bytes = 600 << 10, .partition_rows = 30};
    uint64_t rows, first, last;

    (void)state;
    some_mail(200);
    give_all(t, 500);
    rows = tracking_messages(t);
    assert_true(tracking_bytes(t) > small.max_bytes);
    tracking_options_set(t, &small);
    world_message(&w, 1);
    assert_int_equal(give(t, w.n - 5, w.n), RC_OK);
    assert_true(tracking_bytes(t) <= small.max_bytes);
    assert_true(tracking_messages(t) < rows && tracking_messages(t) > 0);
    tracking_span(t, STR_NONE, &first, &last);
    assert_true(first > w.events[0].rec.wall_ms && last >= first);
    tracking_close(t);
}

/* A batch that is given up has not happened. */
static void given_up(void **state)
{
    struct tracking *t = store(0);

    (void)state;
    some_mail(30);
    assert_int_equal(give(t, 0, 100), RC_OK);
    dump_into(t, &want);
    assert_int_equal(tracking_begin(t, str_lit("SER1"), STR_NONE, 1, &e), RC_OK);
    for (size_t i = 100; i < 300; i++)
        assert_int_equal(tracking_add(t, w.events[i].number, &w.events[i].rec, &e), RC_OK);
    tracking_abandon(t);
    dump_into(t, &got);
    same();
    assert_false(tracking_covered(t, str_lit("SER1"), 1, 101, 101));
    give_all(t, 77);
    dump_into(t, &want);
    tracking_close(t);
    empty();
    t = store(0);
    give_all(t, 100000);
    dump_into(t, &got);
    same();
    tracking_close(t);
}

/* A disk that is full: a batch that does not fit has not happened and is taken when there is room again. */
static void disk_full(void **state)
{
    struct rlimit was, small;
    struct tracking *t = store(0);
    unsigned refused = 0;

    (void)state;
    some_mail(120);
    give_all(t, 100000);
    dump_into(t, &want);
    tracking_close(t);
    empty();
    signal(SIGXFSZ, SIG_IGN);
    assert_int_equal(getrlimit(RLIMIT_FSIZE, &was), 0);
    t = store(0);
    small = was;
    for (rlim_t most = 100 << 10; most < 400 << 10; most += 100 << 10) {
        small.rlim_cur = most;
        assert_int_equal(setrlimit(RLIMIT_FSIZE, &small), 0);
        for (size_t i = 0; i < w.n; i += 200) {
            enum rc rc = give(t, i, i + 200 < w.n ? i + 200 : w.n);

            if (rc != RC_OK && rc != RC_NO_SPACE && rc != RC_IO)
                fail_msg("rc %d: %s", rc, e.text);
            refused += rc != RC_OK;
        }
    }
    assert_int_equal(setrlimit(RLIMIT_FSIZE, &was), 0);
    assert_true(refused > 0);
    give_all(t, 333);
    dump_into(t, &got);
    same();
    tracking_close(t);
}

/* A partition whose file is damaged is set aside: what comes is tracked, in a new one. */
static void damaged_partition(void **state)
{
    struct tracking *t = store(0);
    uint64_t rows;
    size_t n;

    (void)state;
    some_mail(60);
    n = w.n;
    give_all(t, 500);
    tracking_close(t);
    shell("for f in %s/2*.db; do head -c 30000 /dev/urandom | dd of=$f conv=notrunc bs=1 seek=100 2>/dev/null; done", dir);
    t = store(0);
    some_mail(20);
    for (size_t i = n; i < w.n; i += 50) /* the first may be refused */
        if (give(t, i, i + 50 < w.n ? i + 50 : w.n) != RC_OK)
            assert_int_equal(give(t, i, i + 50 < w.n ? i + 50 : w.n), RC_OK);
    rows = tracking_messages(t);
    assert_true(rows >= 20 && rows < 40);
    shell("ls %s/*.damaged >/dev/null", dir);
    tracking_close(t);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(a_message_and_its_steps, fresh, gone),
        cmocka_unit_test_setup_teardown(any_order_is_the_same, fresh, gone),
        cmocka_unit_test_setup_teardown(held_on_the_manager, fresh, gone),
        cmocka_unit_test_setup_teardown(twice_is_once, fresh, gone),
        cmocka_unit_test_setup_teardown(holes_fill, fresh, gone),
        cmocka_unit_test_setup_teardown(killed_in_a_commit, fresh, gone),
        cmocka_unit_test_setup_teardown(gateways_and_epochs, fresh, gone),
        cmocka_unit_test_setup_teardown(quota_drops_the_oldest, fresh, gone),
        cmocka_unit_test_setup_teardown(given_up, fresh, gone),
        cmocka_unit_test_setup_teardown(disk_full, fresh, gone),
        cmocka_unit_test_setup_teardown(damaged_partition, fresh, gone),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
