/*
 * Exports of record: killed at every write point and started again, each event is in exactly one segment under one number,
 * and is counted once; when the tail cannot be proved the epoch rises.
 */
#include "base/clock.h"
#include "base/io.h"
#include "record/inside.h"
#include "store/event_json.h"

#include <dirent.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cmocka.h>

enum { MESSAGES = 12 };
static const uint64_t NOW = 1795255206000ull;

static char home[64];
static struct conf_source *conf;
static uint64_t stamp_ns;

static uint64_t stamp(void *ctx)
{
    (void)ctx;
    return stamp_ns;
}

static int gone(void **state)
{
    char command[100];

    (void)state;
    snprintf(command, sizeof command, "rm -rf %s", home);
    return system(command);
}

static int fresh(void **state)
{
    char dir[100];

    (void)state;
    strcpy(home, access("/dev/shm", W_OK) == 0 ? "/dev/shm/postern-exports-XXXXXX" : "/tmp/postern-exports-XXXXXX");
    assert_non_null(mkdtemp(home));
    snprintf(dir, sizeof dir, "%s/events", home);
    return mkdir(dir, 0750);
}

static void start_conf(const char *lines)
{
    struct err e = ERR_NONE;

    conf_source_free(conf);
    conf = conf_source_test(lines, &e);
    if (!conf)
        print_error("%s\n", err_text(&e));
    assert_non_null(conf);
}

static struct events *process(const char *role)
{
    char dir[100];
    struct events *ev;

    snprintf(dir, sizeof dir, "%s/events", home);
    ev = events_new(NULL, dir, role, 0, NULL, stamp, NULL, NULL);
    assert_non_null(ev);
    return ev;
}

static void emit_all(void)
{
    struct events *queue = process("queue");

    for (uint64_t mid = 1; mid <= MESSAGES; mid++) {
        stamp_ns = mid * 1000000000;
        event(queue, message_ready, .mid = mid, .bytes = 10, .icid = 1, .recipients = 2, .sender = str_lit("a@b"));
        events_flush(queue);
    }
    events_free(queue);
    events_free(process("queue"));
}

/* Rounds that each release some events; saves, cuts; a quarter of an hour passes. */
static void work(void)
{
    struct events *own;
    struct record *r;

    io_init("record");
    own = process("record");
    stamp_ns = 1;
    r = record_new(NULL, NULL, conf, own, NULL, home);
    for (uint64_t second = 3; second <= MESSAGES + 3; second += 3) {
        record_round(r, second * 1000000000 - 1);
        record_round(r, second * 1000000000);
        if (second == 6 || second == 12)
            exports_cut(&r->exports);
        if (second == 9)
            clock_test_advance(SLOT_MS);
        clock_test_advance(2000);
        figures_now(&r->figures);
        record_save(r, NULL);
    }
    record_save(r, NULL);
    record_free(r);
    events_free(own);
}

static bool child(const char *fault)
{
    pid_t pid;
    int status;

    fflush(NULL);
    pid = fork();
    if (pid == 0) {
        if (fault)
            setenv("POSTERN_FAULT", fault, 1);
        work();
        _exit(0);
    }
    waitpid(pid, &status, 0);
    assert_true(WIFSIGNALED(status) ? WTERMSIG(status) == SIGKILL : WEXITSTATUS(status) == 0);
    return WIFSIGNALED(status);
}

struct found {
    uint64_t seqs, epochs, epoch, number, mid;
};

static void read_segment(const char *path, struct found *f)
{
    struct segment_reader *in;
    struct event_record ev;
    struct arena a;
    struct str line;
    uint64_t number;

    assert_int_equal(segment_open(path, &in, NULL), RC_OK);
    assert_int_equal(segment_head(in)->first, f->number + 1);
    arena_init(&a, 4096, 1 << 20);
    while (segment_read(in, &line, NULL) == RC_OK) {
        assert_int_equal(event_json_read(&a, line, &number, &ev, NULL), RC_OK);
        f->number = number;
        if (ev.type == EVENT_message_ready)
            assert_int_equal(event_as(&ev, message_ready)->mid, ++f->mid);
        arena_reset(&a);
    }
    arena_done(&a);
    segment_close(in);
}

/* Segments of all epochs, in order; numbers go on within an epoch. */
static struct found look(const char *fault)
{
    struct export_index *x;
    struct found f = {0};
    struct buf list = BUF(1 << 20);
    char dir[100], path[SEGMENT_PATH];
    struct str rest, line;
    struct arena a;

    snprintf(dir, sizeof dir, "%s/exports", home);
    assert_int_equal(export_index_open(dir, &x, NULL), RC_OK);
    assert_int_equal(export_index_list(x, SEGMENT_TRACKING, 0, 0, &list, NULL), RC_OK);
    arena_init(&a, 4096, 1 << 20);
    rest = buf_str(&list);
    while (rest.n && str_split(&rest, '\n', &line) && line.n) {
        uint64_t epoch, seq;
        struct str number = str_from(line, str_find_str(line, str_lit("\"epoch\":")) + 8);

        assert_true(str_u64(str_first(number, str_find(number, ',')), &epoch));
        number = str_from(line, str_find_str(line, str_lit("\"seq\":")) + 6);
        assert_true(str_u64(str_first(number, str_find(number, ',')), &seq));
        if (epoch != f.epoch) {
            f.epochs++;
            f.epoch = epoch;
            f.number = f.seqs = 0;
        }
        if (seq != f.seqs + 1)
            print_error("%s\n%.*s\n", fault, STR(buf_str(&list)));
        assert_int_equal(seq, ++f.seqs);
        segment_path(path, dir, SEGMENT_TRACKING, epoch, seq, false);
        read_segment(path, &f);
    }
    arena_done(&a);
    buf_done(&list);
    export_index_close(x);
    return f;
}

static void sum_messages(void *ctx, const struct figure *f)
{
    for (size_t i = 0; i < f->n; i++)
        if (f->parts[i].counter == FIGURE_incoming_messages)
            *(uint64_t *)ctx += f->parts[i].amount;
}

static uint64_t counted(void)
{
    struct report_query q = {.report = REPORT_mail_system_capacity, .to_ms = NOW * 2};
    struct reporting *db;
    uint64_t n = 0;
    char dir[100];

    snprintf(dir, sizeof dir, "%s/record", home);
    assert_int_equal(reporting_open(dir, &db, NULL), RC_OK);
    assert_int_equal(reporting_query(db, &q, sum_messages, &n, NULL), RC_OK);
    reporting_close(db);
    return n;
}

/* Reporting segments: one for each quarter that ended, contiguous. */
static void check_quarters(void)
{
    struct export_index *x;
    struct segment_header h = {0};
    uint64_t seq = 0, last = 0, epoch;
    char dir[100];

    snprintf(dir, sizeof dir, "%s/exports", home);
    assert_int_equal(export_index_open(dir, &x, NULL), RC_OK);
    epoch = export_index_epoch(x);
    for (; export_index_next(x, SEGMENT_REPORTING, epoch, seq, &h); seq = h.seq, last = h.last) {
        assert_int_equal(h.seq, seq + 1);
        assert_int_equal(h.first, last + 1);
    }
    assert_true(seq >= 1 && last >= 1);
    export_index_close(x);
}

static void check(const char *fault)
{
    struct found f = look(fault);

    check_quarters();
    if (f.mid != MESSAGES || f.epochs != 1 || counted() != MESSAGES)
        print_error("%s: %llu messages, %llu epochs, %llu counted\n", fault, (unsigned long long)f.mid,
                    (unsigned long long)f.epochs, (unsigned long long)counted());
    assert_int_equal(f.mid, MESSAGES);
    assert_int_equal(f.epochs, 1);
    assert_int_equal(counted(), MESSAGES);
}

/* ST-33, F3: no event is lost, doubled or renumbered, whatever write a kill or a full disk comes at. */
static void once_each_whatever_dies(void **state)
{
    static const char *const points[] = {"exports.create", "exports.begin", "exports.write", "exports.finish",
                                         "exports.header", "exports.sync",  "exports.name",  "exports.dir",
                                         "exports.stale",  "record.state"};
    static const char *const actions[] = {"kill-before", "kill-after", "short", "enospc"};
    unsigned kills = 0;
    char fault[100];

    (void)state;
    start_conf("system.serial=42A9C3D17E5B08F46D21-9B3E70C4A5D8\nlog.mail_logs.type=mail\n");
    gone(NULL);
    for (size_t p = 0; p < sizeof points / sizeof *points; p++)
        for (size_t a = 0; a < sizeof actions / sizeof *actions; a++) {
            bool killed = true;

            for (unsigned n = 1; killed && n < 100; n++) {
                fresh(NULL);
                clock_test_set(NOW, 5000);
                emit_all();
                snprintf(fault, sizeof fault, "record:%s:%u:%s", points[p], n, actions[a]);
                killed = child(fault);
                kills += killed;
                clock_test_advance(1000);
                assert_false(child(NULL));
                clock_test_advance(1000);
                assert_false(child(NULL)); /* closes what the one before left open */
                check(fault);
                gone(NULL);
                if (a >= 2)
                    break;
            }
        }
    assert_true(kills > 30);
    fresh(NULL); /* for the teardown */
}

/* F3: the state says more than the file holds: numbers that a manager may have seen are not given again. */
static void epoch_rises(void **state)
{
    char command[200];
    struct found f;

    (void)state;
    start_conf("system.serial=42A9C3D17E5B08F46D21-9B3E70C4A5D8\nlog.mail_logs.type=mail\n");
    clock_test_set(NOW, 5000);
    emit_all();
    assert_false(child(NULL));
    snprintf(command, sizeof command, "for f in %s/exports/tracking/*.open; do truncate -s 520 $f; done", home);
    assert_int_equal(system(command), 0);
    assert_false(child(NULL));
    f = look("");
    assert_int_equal(f.epochs, 2);
    snprintf(command, sizeof command, "rm %s/events/record.state", home);
    assert_int_equal(system(command), 0);
    assert_false(child(NULL));
    assert_false(child(NULL));
    f = look("");
    assert_int_equal(f.epochs, 3);
}

/* central.md 5: a stretch with the service off is closed by a marker record; nothing of it is exported. */
static void switched_off(void **state)
{
    static const char on[] = "system.serial=S\nlog.mail_logs.type=mail\n",
                      off[] = "system.serial=S\nlog.mail_logs.type=mail\ntracking.enabled=no\n";
    struct exports x;
    struct event_record ev;
    struct buf part = BUF(1 << 20);
    uint64_t from;
    int fds[16];
    size_t n = 0;

    (void)state;
    clock_test_set(NOW, 5000);
    start_conf(on);
    exports_init(&x, home, NULL, conf_now(conf), STR_NONE);
    event_record_set(&ev, EVENT_message_queued, NOW, &(struct event_message_queued){.mid = 1});
    assert_int_equal(exports_take(&x, &ev), 1);
    start_conf(off);
    exports_apply(&x, conf_now(conf));
    from = x.off_since_ms;
    assert_int_equal(from, NOW);
    assert_int_equal(exports_take(&x, &ev), 0);
    assert_true(exports_due(&x)); /* what was before is closed */
    assert_int_equal(exports_write(&x, true, NULL), RC_OK);
    exports_save(&x, &part, fds, &n);
    while (n)
        close(fds[--n]);
    exports_stored(&x);
    assert_true(exports_saved(&x));
    clock_test_advance(3600000);
    assert_false(exports_due(&x)); /* and nothing after it */
    start_conf(on);
    exports_apply(&x, conf_now(conf));
    assert_int_equal(exports_take(&x, &ev), 3); /* 2 is the marker */
    assert_true(
        str_find_str(buf_str(&x.open.lines), str_lit("{\"n\":2,\"t\":1795258806000,\"ev\":\"recording_paused\",\"from_ms\":"
                                                     "1795255206000,\"to_ms\":1795258806000}")) < x.open.lines.n);
    exports_done(&x);
    buf_done(&part);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(once_each_whatever_dies, fresh, gone),
        cmocka_unit_test_setup_teardown(epoch_rises, fresh, gone),
        cmocka_unit_test_setup_teardown(switched_off, fresh, gone),
    };
    int failed = cmocka_run_group_tests(tests, NULL, NULL);

    conf_source_free(conf);
    return failed;
}
