/* DMARC aggregate reports as record sends them: from the rows of a day to mails that queue takes, with consent, sizes,
 * restarts. */
#include "mail/dmarc_report.h"
#include "mail/header.h"
#include "record/dmarc_rows.h"
#include "record/dmarc_send.h"

#include "base/clock.h"
#include "base/io.h"

#include <dirent.h>
#include <fcntl.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cmocka.h>

/* record, a queue and a lookup that answer. */
struct world {
    char events_dir[64];
    struct loop *loop;
    struct bus *record, *queue, *lookup;
    struct events *events;
    struct conf_source *conf;
    struct dmarc_rows rows;
    struct dmarc_send *send;
    unsigned mails;
    enum rc answer;
    struct buf got; /* "FROM -> TO subject\n" of each */
    struct buf body;
};

static struct world w;

static void on_mail(void *ctx, const struct bus_in *in)
{
    const struct bus_mail_new *m = in->msg;
    struct str list = m->recipients, to;
    struct header_field f;
    struct arena a;

    (void)ctx;
    arena_init(&a, 4096, 1 << 20);
    w.mails++;
    assert_true(get_str(&list, &to));
    assert_true(header_find(m->body, str_lit("Subject"), &f));
    if (w.answer == RC_OK)
        buf_addf(&w.got, "%.*s -> %.*s %.*s\n", STR(m->sender), STR(to), STR(header_unfold(&a, f.value, 1000)));
    buf_clear(&w.body);
    buf_add(&w.body, m->body);
    bus_reply(w.queue, in->from, in->call, BUS_mail_taken, &(struct bus_mail_taken){.rc = w.answer, .mid = 7});
    arena_done(&a);
}

/* Consents for reports about example.org at yes.example, and nothing else. */
static void on_questions(void *ctx, const struct bus_in *in)
{
    const struct bus_dns_questions *m = in->msg;
    const struct dns_question *q;
    struct dns_record yes = {.data = str_lit("v=DMARC1")};
    struct dns_answer d = {.result = DNS_NXDOMAIN};
    struct buf b = BUF(4096);
    struct arena a;
    size_t n;

    (void)ctx;
    arena_init(&a, 4096, 1 << 20);
    assert_int_equal(dns_questions_decode(&a, m->questions, &q, &n), RC_OK);
    assert_int_equal(n, 1);
    d.question = q[0];
    if (str_eq(q[0].name, str_lit("example.org._report._dmarc.yes.example"))) {
        d.result = DNS_OK;
        d.records = &yes;
        d.n = 1;
    }
    dns_answers_encode(&d, 1, &b);
    bus_reply(w.lookup, in->from, in->call, BUS_dns_answers, &(struct bus_dns_answers){.answers = buf_str(&b)});
    buf_done(&b);
    arena_done(&a);
}

static void join(struct bus *other, enum role role)
{
    int fds[2];

    assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, fds), 0);
    bus_attach(w.record, fds[0], role, 0, 1);
    bus_attach(other, fds[1], ROLE_record, 0, 1);
}

static void settings(const char *more)
{
    char lines[600];
    struct err e = ERR_NONE;

    snprintf(lines, sizeof lines, "system.hostname=gw.example.net\n%s", more);
    w.conf = conf_source_test(lines, &e);
    if (!w.conf)
        fail_msg("%s", err_text(&e));
    dmarc_rows_apply(&w.rows, conf_now(w.conf), NULL);
    w.send = dmarc_send_new(w.loop, w.record, w.conf, w.events, w.rows.file.dir);
}

static int open_world(void **state)
{
    (void)state;
    w = (struct world){.got = BUF(1 << 16), .body = BUF(1 << 22)};
    clock_test_set(1795255206000ull, 5000);
    strcpy(w.events_dir, "/tmp/postern-dmarc-XXXXXX");
    assert_non_null(mkdtemp(w.events_dir));
    w.loop = loop_new();
    w.record = bus_new(w.loop, ROLE_record, 0);
    w.queue = bus_new(w.loop, ROLE_queue, 0);
    w.lookup = bus_new(w.loop, ROLE_lookup, 0);
    bus_on(w.queue, BUS_mail_new, on_mail, NULL);
    bus_on(w.lookup, BUS_dns_questions, on_questions, NULL);
    join(w.queue, ROLE_queue);
    join(w.lookup, ROLE_lookup);
    w.events = events_test_new();
    dmarc_rows_init(&w.rows, w.events_dir);
    return 0;
}

static int close_world(void **state)
{
    char command[100];

    (void)state;
    assert_true(dmarc_send_stop(w.send));
    dmarc_send_free(w.send);
    dmarc_rows_done(&w.rows);
    conf_source_free(w.conf);
    events_free(w.events);
    bus_free(w.record);
    bus_free(w.queue);
    bus_free(w.lookup);
    loop_free(w.loop);
    buf_done(&w.got);
    buf_done(&w.body);
    clock_test_set(0, 0);
    snprintf(command, sizeof command, "rm -rf %s", w.events_dir);
    return system(command);
}

static void add(const char *domain, const char *rua, const char *ip, unsigned times)
{
    char record[200];
    struct dmarc_row r = {.domain = str_c(domain), .source_ip = str_c(ip), .header_from = str_c(domain), .count = 1};
    struct buf line = BUF(8192);

    snprintf(record, sizeof record, "v=DMARC1; p=none; rua=%s", rua);
    r.record = str_c(record);
    dmarc_row_write(&r, &line);
    while (times--)
        dmarc_rows_add(&w.rows, buf_str(&line));
    buf_done(&line);
}

/* The day ends: the file is named, then rolled, as save.c does it. */
static void end_day(void)
{
    assert_int_equal(logfile_write(&w.rows.file, NULL), RC_OK);
    clock_test_advance(86400000);
    assert_true(dmarc_rows_roll_begin(&w.rows, clock_wall_ms() / 1000));
    assert_true(dmarc_rows_roll(&w.rows));
    dmarc_send_look(w.send);
}

/* Until `mails` have been offered and nothing is under way; thread pool and timers take turns, not time. */
static void run_until(unsigned mails)
{
    for (int i = 0; i < 20000; i++) {
        struct buf b = BUF(1000);
        bool idle;

        loop_turn(w.loop, false);
        clock_test_advance(1);
        dmarc_send_state(w.send, &b);
        idle = str_starts(buf_str(&b), str_lit("No DMARC"));
        buf_done(&b);
        if (w.mails >= mails && idle)
            return;
        usleep(100);
    }
    fail_msg("%u mails after all that time", w.mails);
}

static size_t files_left(void)
{
    DIR *d = opendir(w.rows.file.dir);
    struct dirent *entry;
    size_t n = 0;

    while (d && (entry = readdir(d)))
        n += entry->d_name[0] != '.';
    if (d)
        closedir(d);
    return n;
}

static void assert_got(const char *want)
{
    buf_addc(&w.got, '\0');
    assert_string_equal(w.got.p, want);
}

static void each_domain_gets_its_report(void **state)
{
    (void)state;
    settings("dmarc.report=yes\n");
    add("example.org", "mailto:r@example.org,mailto:x@yes.example,mailto:y@no.example", "192.0.2.1", 3);
    add("example.org", "mailto:r@example.org,mailto:x@yes.example,mailto:y@no.example", "192.0.2.2", 1);
    add("quiet.example", "https://quiet.example/", "192.0.2.2", 1);
    add("other.example", "mailto:d@reports.other.example!1k", "192.0.2.2", 2);
    end_day();
    run_until(3);
    assert_got(
        "dmarc-reports@gw.example.net -> r@example.org Report Domain: example.org Submitter: gw.example.net Report-ID: "
        "<example.org.1795255206.1795341605@gw.example.net>\n"
        "dmarc-reports@gw.example.net -> x@yes.example Report Domain: example.org Submitter: gw.example.net Report-ID: "
        "<example.org.1795255206.1795341605@gw.example.net>\n"
        "dmarc-reports@gw.example.net -> d@reports.other.example Report Domain: other.example Submitter: gw.example.net "
        "Report-ID: <other.example.1795255206.1795341605@gw.example.net>\n");
    assert_non_null(strstr(events_test_text(w.events).p,
                           "DMARC: no report about example.org to y@no.example: its host has not consented\n"));
    assert_non_null(strstr(events_test_text(w.events).p, "successfully sent a message to r@example.org"));
    assert_int_equal(files_left(), 1); /* rows.current */
}

static void a_report_too_large_for_its_owner_is_not_sent(void **state)
{
    (void)state;
    settings("dmarc.report=yes\ndmarc.from=d@gw.example.net\n");
    add("example.org", "mailto:r@example.org!10,mailto:s@example.org", "192.0.2.1", 1);
    end_day();
    run_until(1);
    assert_got("d@gw.example.net -> s@example.org Report Domain: example.org Submitter: gw.example.net Report-ID: "
               "<example.org.1795255206.1795341605@gw.example.net>\n");
    assert_non_null(strstr(events_test_text(w.events).p, "to r@example.org: the report is larger than its owner takes\n"));
}

/* What was sent before the end is not sent again after it, what was not is. */
static void a_restart_goes_on_where_it_was(void **state)
{
    char path[700];
    int fd;
    DIR *d;
    struct dirent *entry;

    (void)state;
    settings("dmarc.report=no\n");
    w.rows.keep = w.rows.open = true;
    assert_int_equal(logfile_open(&w.rows.file, NULL, NULL), RC_OK);
    dmarc_rows_apply(&w.rows, conf_now(w.conf), NULL);
    w.rows.keep = true;
    add("a.example", "mailto:r@a.example", "192.0.2.1", 1);
    add("b.example", "mailto:r@b.example", "192.0.2.1", 1);
    assert_int_equal(logfile_write(&w.rows.file, NULL), RC_OK);
    clock_test_advance(86400000);
    assert_true(dmarc_rows_roll_begin(&w.rows, clock_wall_ms() / 1000));
    assert_true(dmarc_rows_roll(&w.rows));
    d = opendir(w.rows.file.dir);
    while ((entry = readdir(d)))
        if (strstr(entry->d_name, ".s"))
            snprintf(path, sizeof path, "%s/%s.done", w.rows.file.dir, entry->d_name);
    closedir(d);
    assert_int_equal(io_create("test", path, O_WRONLY | O_CREAT, &fd, NULL), RC_OK);
    assert_int_equal(write(fd, "a.example\n", 10), 10);
    close(fd);
    assert_true(dmarc_send_stop(w.send));
    dmarc_send_free(w.send);
    conf_source_free(w.conf);
    settings("dmarc.report=yes\n");
    dmarc_send_look(w.send);
    run_until(1);
    assert_int_equal(w.mails, 1);
    assert_non_null(strstr(w.got.p, "-> r@b.example "));
    assert_int_equal(files_left(), 1);
}

static void a_queue_that_is_full_is_asked_again(void **state)
{
    (void)state;
    settings("dmarc.report=yes\n");
    add("example.org", "mailto:r@example.org", "192.0.2.1", 1);
    w.answer = RC_QUEUE_FULL;
    end_day();
    for (int i = 0; i < 20000 && !w.mails; i++) {
        loop_turn(w.loop, false);
        usleep(100);
    }
    assert_int_equal(w.mails, 1);
    w.answer = RC_OK;
    for (int i = 0; i < 40; i++) /* the answer arrives */
        loop_turn(w.loop, false);
    assert_int_equal(w.mails, 1);
    clock_test_advance(61000);
    run_until(2);
    assert_int_equal(w.mails, 2);
    assert_non_null(strstr(w.got.p, "-> r@example.org "));
}

static void nothing_is_kept_while_reports_are_off(void **state)
{
    (void)state;
    settings("");
    add("example.org", "mailto:r@example.org", "192.0.2.1", 1);
    assert_int_equal(w.rows.file.out.n, 0);
    assert_false(dmarc_rows_due(&w.rows, UINT64_MAX));
    dmarc_send_look(w.send);
    assert_int_equal(files_left(), 0);
}

/* The local hour of the setting ends a day; lines that are none are not kept. */
static void a_day_ends_at_the_hour_of_the_setting(void **state)
{
    (void)state;
    setenv("TZ", "UTC", 1);
    settings("dmarc.report=yes\ndmarc.hour=3\n");
    assert_int_equal(w.rows.due_s, 1795255206 - 36006 + 27 * 3600);
    dmarc_rows_add(&w.rows, str_lit("two\nlines"));
    dmarc_rows_add(&w.rows, STR_NONE);
    assert_int_equal(w.rows.file.out.n, 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(each_domain_gets_its_report, open_world, close_world),
        cmocka_unit_test_setup_teardown(a_report_too_large_for_its_owner_is_not_sent, open_world, close_world),
        cmocka_unit_test_setup_teardown(a_restart_goes_on_where_it_was, open_world, close_world),
        cmocka_unit_test_setup_teardown(a_queue_that_is_full_is_asked_again, open_world, close_world),
        cmocka_unit_test_setup_teardown(nothing_is_kept_while_reports_are_off, open_world, close_world),
        cmocka_unit_test_setup_teardown(a_day_ends_at_the_hour_of_the_setting, open_world, close_world),
    };

    return cmocka_run_group_tests_name("record: DMARC reports", tests, NULL, NULL);
}
