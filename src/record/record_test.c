/*
 * record as a whole: events in, files out; killed at every write and started again, no line is lost or doubled.
 */
#include "record/record.h"

#include "base/clock.h"
#include "base/io.h"
#include "record/inside.h"
#include "record/state.h"

#include <dirent.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include <cmocka.h>

static char home[64];
static struct board *board;
static struct conf_source *conf;
static uint64_t stamp_ns;
static struct buf text = {.max = 64 << 20};

static uint64_t stamp(void *ctx)
{
    (void)ctx;
    return stamp_ns;
}

static void shell(const char *format, ...)
{
    char command[400];
    va_list ap;

    va_start(ap, format);
    vsnprintf(command, sizeof command, format, ap);
    va_end(ap);
    assert_int_equal(system(command), 0);
}

static int fresh(void **state)
{
    int fd = board_create();
    char dir[100];

    (void)state;
    strcpy(home, access("/dev/shm", W_OK) == 0 ? "/dev/shm/postern-record-XXXXXX" : "/tmp/postern-record-XXXXXX");
    assert_non_null(mkdtemp(home));
    snprintf(dir, sizeof dir, "%s/events", home);
    shell("mkdir %s", dir);
    board = board_map(fd);
    close(fd);
    assert_non_null(board);
    return 0;
}

static int gone(void **state)
{
    (void)state;
    shell("rm -rf %s", home);
    return 0;
}

static struct events *process(const char *role, uint64_t (*stamp_fn)(void *ctx))
{
    char dir[100];
    struct events *ev;

    snprintf(dir, sizeof dir, "%s/events", home);
    ev = events_new(NULL, dir, role, 0, NULL, stamp_fn, NULL, NULL);
    assert_non_null(ev);
    return ev;
}

/* The files of a log one behind the other, saved ones first. */
static const char *log_text(const char *name)
{
    char path[400];
    struct dirent **list;
    int n;

    snprintf(path, sizeof path, "%s/log/%s", home, name);
    n = scandir(path, &list, NULL, alphasort);
    buf_clear(&text);
    for (int i = 0; i < n; i++) {
        snprintf(path, sizeof path, "%s/log/%s/%s", home, name, list[i]->d_name);
        if (strstr(list[i]->d_name, ".@") || strstr(list[i]->d_name, ".current"))
            io_read_file(path, &text, NULL);
        free(list[i]);
    }
    if (n >= 0)
        free(list);
    buf_addc(&text, '\0');
    return text.p;
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

static const char BEGIN[] = "Sat Nov 21 10:00:06 2026 Info: Begin Logfile\n"
                            "Sat Nov 21 10:00:06 2026 Info: Version: 15.5.0-048 SN: 42A9C3D17E5B08F46D21-9B3E70C4A5D8\n"
                            "Sat Nov 21 10:00:06 2026 Info: Time offset from UTC: 0 seconds\n";

/* logs.md 3, 7, 12: each event in the logs that show it, behind the three first lines. */
static void logs_of_events(void **state)
{
    struct events *own, *queue;
    struct record *r;
    char want[2000];

    (void)state;
    clock_test_set(1795255206000ull, 5000);
    start_conf("system.serial=42A9C3D17E5B08F46D21-9B3E70C4A5D8\nlogs.dialect=modern\n");
    own = process("record", NULL);
    queue = process("queue", NULL);
    r = record_new(NULL, NULL, conf, own, board, home);
    events_flush(own);
    clock_test_advance(10);
    event(queue, message_queued, .mid = 7);
    event(queue, delivery_bounced, .dcid = 1, .mid = 7, .rid = 0, .enhanced = str_lit("5.1.1"),
          .class = str_lit("Bad destination email address"), .code = 550, .lines = str_lit("no"), .sender = str_lit("a@b"),
          .recipient = str_lit("c@d"), .reason = 1);
    event(queue, role_fault, .error = str_lit("deliver 0 died"));
    event(queue, settings_committed, .pid = 9, .user = str_lit("admin"), .comment = str_lit("new"));
    events_flush(queue);
    record_round(r, clock_mono_ns() + 1000);
    record_round(r, clock_mono_ns() + 1000);
    snprintf(
        want, sizeof want,
        "%sSat Nov 21 10:00:06 2026 Info: System is coming up.\nSat Nov 21 10:00:06 2026 Info: MID 7 queued for delivery\n"
        "Sat Nov 21 10:00:06 2026 Info: Bounced: DCID 1 MID 7 to RID 0 - 5.1.1 - Bad destination email address ('550', "
        "['no'])\n"
        "Sat Nov 21 10:00:06 2026 Critical: An application fault occurred: deliver 0 died\n",
        BEGIN);
    assert_string_equal(log_text("mail_logs"), want);
    assert_string_equal(
        log_text("bounces"),
        "Sat Nov 21 10:00:06 2026 Info: Bounced: DCID 1 MID 7 From:<a@b> To:<c@d> RID 0 - 5.1.1 - Bad destination "
        "email address ('550', ['no'])\n");
    snprintf(want, sizeof want, "%sSat Nov 21 10:00:06 2026 Critical: An application fault occurred: deliver 0 died\n",
             BEGIN);
    assert_string_equal(log_text("error_logs"), want);
    snprintf(want, sizeof want,
             "%sSat Nov 21 10:00:06 2026 Info: System is coming up.\nSat Nov 21 10:00:06 2026 Critical: An application "
             "fault occurred: deliver 0 died\n"
             "Sat Nov 21 10:00:06 2026 Info: PID 9: User admin commit changes: new\n",
             BEGIN);
    assert_string_equal(log_text("system_logs"), want);
    assert_int_equal(record_save(r, NULL), RC_OK);
    assert_int_equal(board_load(&board->events_synced_ms), 5010);
    record_free(r);
    events_free(own);
    events_free(queue);
}

/* logs.md 13: names of saved files, last line, count of files; logs.md 2: short serial number. */
static void roll_over(void **state)
{
    struct events *own, *queue;
    struct record *r;
    char path[200];

    (void)state;
    clock_test_set(1795255206000ull, 5000);
    start_conf("system.serial=42A9C3D17E5B08F46D21-9B3E70C4A5D8\nlogs.dialect=classic\n"
               "log.mail_logs.type=mail\nlog.mail_logs.max_files=2\nlog.mail_logs.rollover=1h\n");
    own = process("record", NULL);
    queue = process("queue", NULL);
    r = record_new(NULL, NULL, conf, own, board, home);
    for (uint64_t i = 1; i <= 3; i++) {
        clock_test_advance(3600000);
        event(queue, message_queued, .mid = i);
        events_flush(queue);
        record_round(r, clock_mono_ns() + 1);
        record_round(r, clock_mono_ns() + 1);
        assert_int_equal(record_save(r, NULL), RC_OK);
    }
    snprintf(path, sizeof path, "%s/log/mail_logs/mail.@20261121T100006.s", home);
    assert_int_not_equal(access(path, F_OK), 0); /* the oldest of three went */
    snprintf(path, sizeof path, "%s/log/mail_logs/mail.@20261121T110006.s", home);
    buf_clear(&text);
    assert_int_equal(io_read_file(path, &text, NULL), RC_OK);
    buf_addc(&text, '\0');
    assert_string_equal(text.p, "Sat Nov 21 11:00:06 2026 Info: Begin Logfile\n"
                                "Sat Nov 21 11:00:06 2026 Info: Version: 15.5.0-048 SN: 42A9C3D17E5B-9B3E70C\n"
                                "Sat Nov 21 11:00:06 2026 Info: Time offset from UTC: 0 seconds\n"
                                "Sat Nov 21 12:00:06 2026 Info: MID 2 queued for delivery\n"
                                "Sat Nov 21 12:00:06 2026 Info: End Logfile\n");
    snprintf(path, sizeof path, "%s/log/mail_logs/mail.current", home);
    assert_int_equal(access(path, F_OK), 0);
    record_free(r);
    events_free(own);
    events_free(queue);
}

/* cli.md 8: one log by name or number, or all; a log that nobody wrote to keeps its empty file. */
static void roll_over_asked_for(void **state)
{
    struct events *own = process("record", NULL);
    struct record *r;
    char path[200];

    (void)state;
    clock_test_set(1795255206000ull, 5000);
    start_conf("log.mail_logs.type=mail\nlog.status.type=status\nlog.cli_logs.type=cli\n");
    r = record_new(NULL, NULL, conf, own, board, home);
    assert_true(record_roll_now(r, str_lit("1")));
    assert_false(record_roll_now(r, str_lit("4")));
    assert_false(record_roll_now(r, str_lit("0")));
    assert_false(record_roll_now(r, str_lit("gui_logs")));
    assert_true(record_roll_now(r, str_lit("CLI_logs")));
    assert_int_equal(record_save(r, NULL), RC_OK);
    snprintf(path, sizeof path, "%s/log/mail_logs/mail.@20261121T100006.s", home);
    assert_int_equal(access(path, F_OK), 0);
    snprintf(path, sizeof path, "%s/log/cli_logs/cli.@20261121T100006.s", home);
    assert_int_not_equal(access(path, F_OK), 0);
    event(own, cli_note, .user = str_lit("admin"), .text = str_lit("entered 'version'"));
    events_flush(own);
    record_round(r, clock_mono_ns() + 1000);
    record_round(r, clock_mono_ns() + 1000);
    assert_true(record_roll_now(r, str_lit("All Logs")));
    assert_int_equal(record_save(r, NULL), RC_OK);
    assert_int_equal(access(path, F_OK), 0);
    record_free(r);
    events_free(own);
}

/* --- killed at each write ------------------------------------------------------------------------------------------- */

enum { MESSAGES = 12, LATE = 4 }; /* a message ends as the fourth after it begins: over saves and kills */

static const char *row_of(uint64_t mid)
{
    static char row[40];

    snprintf(row, sizeof row, "example.org row-%llu", (unsigned long long)mid);
    return row;
}

static void emit_all(void)
{
    struct events *queue = process("queue", stamp), *receive = process("receive", stamp);

    for (uint64_t mid = 1; mid <= MESSAGES; mid++) {
        struct events *ev = mid % 3 ? queue : receive;

        stamp_ns = mid * 1000000000;
        event(ev, message_ready, .mid = mid, .bytes = 10, .icid = 1, .recipients = 2);
        event(ev, dmarc_row, .mid = mid, .line = str_c(row_of(mid)));
        if (mid > LATE)
            event(ev, message_finished, .mid = mid - LATE);
        if (mid % 4 == 0)
            events_flush(ev);
    }
    events_free(queue);
    events_free(receive);
    events_free(process("queue", stamp)); /* a successor, so the first file can be deleted */
}

/* What record does between start and end: rounds that each release some events, saves, a roll-over. */
static void work(void)
{
    struct events *own;
    struct record *r;

    io_init("record");
    own = process("record", stamp);
    stamp_ns = 1;
    r = record_new(NULL, NULL, conf, own, board, home);
    for (uint64_t second = 3; second <= MESSAGES + 3; second += 3) {
        record_round(r, second * 1000000000 - 1);
        record_round(r, second * 1000000000);
        if (second == 6) {
            record_roll_now(r, STR_NONE);
            r->dmarc.end_now = true;
        }
        if (second != 9)
            record_save(r, NULL);
    }
    record_save(r, NULL);
    record_free(r);
    events_free(own);
}

/* True when the child was killed by the fault; it may never end by itself. */
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

static void check_once_each(const char *fault)
{
    uint64_t next = 1, mid, icid;
    struct str rest = str_c(log_text("mail_logs")), line;
    struct event_merge *m = event_merge_new(home);
    struct counters *c = counters_new();
    struct saved_state saved;
    char path[100];

    while (str_split(&rest, '\n', &line)) {
        size_t at = str_find_str(line, str_lit("MID "));
        struct str number = str_from(line, at + 4);

        if (at == line.n || str_find_str(line, str_lit("finished")) < line.n)
            continue;
        assert_true(str_u64(str_first(number, str_find(number, ' ')), &mid));
        if (mid != next)
            print_error("%s: MID %llu where %llu was due\n%s", fault, (unsigned long long)mid, (unsigned long long)next,
                        text.p);
        assert_int_equal(mid, next++);
    }
    assert_int_equal(next, MESSAGES + 1);
    snprintf(path, sizeof path, "%s/events/record.state", home);
    assert_int_equal(state_read(path, m, c, &saved, NULL), RC_OK);
    icid = counters_get(c, COUNTERS_LIFETIME, COUNTER_inj_rcps);
    assert_int_equal(icid, 2 * MESSAGES);
    state_done(&saved);
    event_merge_free(m);
    counters_free(c);
}

/* One whole line a message in the consolidated event log, too. */
static void check_consolidated(const char *fault)
{
    struct str rest = str_c(log_text("cef")), line;
    uint64_t next = 1;
    char want[40];

    while (str_split(&rest, '\n', &line)) {
        if (!line.n)
            continue;
        snprintf(want, sizeof want, " ESAMID=%llu ", (unsigned long long)next++);
        if (str_find_str(line, str_c(want)) == line.n || str_find_str(line, str_lit(" ESAMsgSize=10 ")) == line.n)
            print_error("%s: %s\n%s", fault, want, text.p);
        assert_true(str_find_str(line, str_c(want)) < line.n && str_find_str(line, str_lit(" ESAMsgSize=10 ")) < line.n);
    }
    assert_int_equal(next, MESSAGES - LATE + 1);
}

/* One row a message in the files of the DMARC reports, of which one ended, with its begin and end. */
static void check_rows(const char *fault)
{
    char want[60];
    uint64_t next = 1;
    bool ended = false;
    struct str rest = str_c(log_text("../events/dmarc")), line;

    while (str_split(&rest, '\n', &line)) {
        ended = ended || str_starts(line, str_lit("#end 17952"));
        if (!line.n || line.p[0] == '#')
            continue;
        snprintf(want, sizeof want, "%s", row_of(next++));
        if (!str_eq(line, str_c(want)))
            print_error("%s: %s\n%s", fault, want, text.p);
        assert_true(str_eq(line, str_c(want)));
    }
    assert_int_equal(next, MESSAGES + 1);
    assert_true(ended);
}

static void once_each_whatever_dies(void **state)
{
    static const char *const points[] = {"log.write",     "record.state", "record.sync",  "log.roll",
                                         "log.roll.sync", "log.roll.dir", "event.forget", "event.open"};
    static const char *const actions[] = {"kill-before", "kill-after", "short", "enospc"};
    unsigned kills = 0;
    char fault[100];

    (void)state;
    clock_test_set(1795255206000ull, 0);
    start_conf("log.mail_logs.type=mail\nlog.status.type=status\nlog.cef.type=consolidated_event\n"
               "dmarc.report=yes\n");
    gone(NULL);
    for (size_t p = 0; p < sizeof points / sizeof *points; p++)
        for (size_t a = 0; a < sizeof actions / sizeof *actions; a++) {
            bool killed = true;

            for (unsigned n = 1; killed && n < 100; n++) {
                fresh(NULL);
                emit_all();
                snprintf(fault, sizeof fault, "record:%s:%u:%s", points[p], n, actions[a]);
                killed = child(fault);
                kills += killed;
                if (a >= 2)
                    check_once_each(fault); /* an error is got over without a restart */
                assert_false(child(NULL));
                check_once_each(fault);
                check_consolidated(fault);
                check_rows(fault);
                gone(NULL);
                if (a >= 2)
                    break; /* errors do not kill: once is enough */
            }
        }
    print_message("killed %u times\n", kills);
    assert_true(kills > 20);
    fresh(NULL);
}

/* A figure to watch: 14 events of a message from the files to mail_logs. */
static void speed(void **state)
{
    struct events *own, *queue;
    struct record *r;
    struct timespec a, b;
    enum { N = 20000 };

    (void)state;
    start_conf("");
    clock_test_set(1795255206000ull, 1);
    own = process("record", NULL);
    queue = process("queue", NULL);
    r = record_new(NULL, NULL, conf, own, board, home);
    clock_gettime(CLOCK_MONOTONIC, &a);
    for (uint64_t mid = 1; mid <= N; mid++) {
        struct str to = str_lit("bob@example.net"), rids = str_of("\0", 1);

        event(queue, connection_incoming, .icid = mid, .interface = str_lit("Data 1"), .local_ip = str_lit("192.0.2.10"),
              .peer_ip = str_lit("203.0.113.25"), .ptr = str_lit("mail.example.org"), .verified = 1);
        event(queue, connection_verdict, .icid = mid, .group = str_lit("UNKNOWNLIST"), .match = str_lit("sbrs[-1.0:10.0]"),
              .sbrs = str_lit("4.1"));
        event(queue, message_start, .mid = mid, .icid = mid);
        event(queue, message_sender, .mid = mid, .icid = mid, .sender = to);
        event(queue, message_recipient, .mid = mid, .icid = mid, .recipient = to);
        event(queue, message_id, .mid = mid, .message_id = str_lit("<q1@mail.example.org>"));
        event(queue, message_subject, .mid = mid, .subject = str_lit("Minutes of Monday"));
        event(queue, message_ready, .mid = mid, .bytes = 2048, .sender = to, .icid = mid, .recipients = 1);
        event(queue, message_policy, .mid = mid, .policy = str_lit("DEFAULT"));
        event(queue, connection_closed, .icid = mid);
        event(queue, message_queued, .mid = mid);
        event(queue, delivery_start, .dcid = 1, .mid = mid, .rids = rids);
        event(queue, delivery_done, .dcid = 1, .mid = mid, .rids = rids);
        event(queue, delivery_response, .mid = mid, .rids = rids, .response = str_lit("2.0.0 Ok: queued as 4Xk2"));
        event(queue, message_finished, .mid = mid);
        if (mid % 20 == 0)
            events_flush(queue);
    }
    clock_gettime(CLOCK_MONOTONIC, &b);
    print_message("emit: %.2f us a message of 15 events\n",
                  ((double)(b.tv_sec - a.tv_sec) * 1e9 + (double)(b.tv_nsec - a.tv_nsec)) / N / 1e3);
    clock_gettime(CLOCK_MONOTONIC, &a);
    record_round(r, 1ull << 60);
    while (record_round(r, 1ull << 60))
        ;
    clock_gettime(CLOCK_MONOTONIC, &b);
    print_message("record: %.2f us a message of 15 lines\n",
                  ((double)(b.tv_sec - a.tv_sec) * 1e9 + (double)(b.tv_nsec - a.tv_nsec)) / N / 1e3);
    assert_int_equal(record_save(r, NULL), RC_OK);
    record_free(r);
    events_free(own);
    events_free(queue);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(logs_of_events, fresh, gone),
        cmocka_unit_test_setup_teardown(roll_over, fresh, gone),
        cmocka_unit_test_setup_teardown(roll_over_asked_for, fresh, gone),
        cmocka_unit_test_setup_teardown(once_each_whatever_dies, fresh, gone),
        cmocka_unit_test_setup_teardown(speed, fresh, gone),
    };
    int failed;

    setenv("TZ", "UTC", 1);
    tzset();
    failed = cmocka_run_group_tests(tests, NULL, NULL);
    buf_done(&text);
    conf_source_free(conf);
    return failed;
}
