/*
 * Alerts: who gets which, the mail, repeats held back, attempts, the fixed lines of logs.md 9, displayalerts.
 */
#include "record/alert_mail.h"
#include "record/alerts.h"

#include "base/clock.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <time.h>

#include <cmocka.h>

/* record and a queue that answers what it is told. */
struct world {
    struct loop *loop;
    struct bus *record, *queue;
    struct bus_peer *to_queue, *to_record;
    struct events *events;
    struct conf_source *conf;
    struct renderer *renderer;
    struct alerts *alerts;
    enum rc answer;
    bool silent;
    unsigned mails;
    struct buf last; /* recipients and body of the last mail */
};

static struct world w;

static void on_mail(void *ctx, const struct bus_in *in)
{
    const struct bus_mail_new *m = in->msg;
    struct str list = m->recipients, to;

    (void)ctx;
    w.mails++;
    buf_clear(&w.last);
    assert_int_equal(m->sender.n, 0);
    while (get_str(&list, &to))
        buf_addf(&w.last, "%.*s\n", STR(to));
    buf_add(&w.last, m->body);
    if (!w.silent)
        bus_reply(w.queue, in->from, in->call, BUS_mail_taken, &(struct bus_mail_taken){.rc = w.answer, .mid = 7});
}

static void join(void)
{
    int fds[2];

    assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, fds), 0);
    w.to_queue = bus_attach(w.record, fds[0], ROLE_queue, 0, 1);
    w.to_record = bus_attach(w.queue, fds[1], ROLE_record, 0, 1);
}

static int open_world(void **state)
{
    struct err e = ERR_NONE;

    (void)state;
    w = (struct world){.last = BUF(1 << 16)};
    clock_test_set(1795255206000ull, 5000);
    w.loop = loop_new();
    w.record = bus_new(w.loop, ROLE_record, 0);
    w.queue = bus_new(w.loop, ROLE_queue, 0);
    bus_on(w.queue, BUS_mail_new, on_mail, NULL);
    w.events = events_test_new();
    w.conf = conf_source_test("system.hostname=mx.example.org\nsystem.serial=42A9C3D17E5B08F46D21-9B3E70C4A5D8\n"
                              "alert[ops@example.org].severity=information\n"
                              "alert[disks@example.org].classes=Hardware\n"
                              "alert[boss@example.org].severity=critical\n",
                              &e);
    assert_non_null(w.conf);
    w.renderer = renderer_new(DIALECT_MODERN, 0);
    w.alerts = alerts_new(w.loop, w.record, w.events);
    return 0;
}

static int close_world(void **state)
{
    (void)state;
    alerts_free(w.alerts);
    renderer_free(w.renderer);
    conf_source_free(w.conf);
    events_free(w.events);
    bus_free(w.record);
    bus_free(w.queue);
    loop_free(w.loop);
    buf_done(&w.last);
    clock_test_set(0, 0);
    return 0;
}

static void turns(void)
{
    for (int i = 0; i < 40; i++)
        loop_turn(w.loop, false);
}

#define TAKE(name, ...) take(EVENT_##name, &(struct event_##name){__VA_ARGS__})

static void take(enum event_type type, const void *fields)
{
    struct event_record rec;

    event_record_set(&rec, type, clock_wall_ms(), fields);
    alerts_take(w.alerts, conf_now(w.conf), w.renderer, &rec, clock_mono_ms());
    turns();
}

static const char *last_mail(void)
{
    buf_addc(&w.last, '\0');
    w.last.n--;
    return w.last.p;
}

/* logs.md 9: class, severity, recipient and subject of each mail, and the mail itself. */
static void mail_to_those_who_asked(void **state)
{
    (void)state;
    join();
    TAKE(work_queue_paused, .reason = str_lit("antispam"), .messages = 98);
    assert_int_equal(w.mails, 1); /* a warning of class System: neither disks nor boss */
    assert_non_null(strstr(last_mail(),
                           "ops@example.org\nFrom: \"Mail System\" <alert@mx.example.org>\r\nTo: <ops@example.org>\r\n"
                           "Subject: Warning <System> mx.example.org: work queue paused, 98 msgs, antispam\r\n"));
    assert_non_null(strstr(last_mail(), "\r\nAuto-Submitted: auto-generated\r\n\r\nThe Warning message is:\r\n\r\n"
                                        "work queue paused, 98 msgs, antispam\r\n\r\nVersion: 15.5.0-048\r\n"
                                        "Serial Number: 42A9C3D17E5B08F46D21-9B3E70C4A5D8\r\n"
                                        "Timestamp: 21 Nov 2026 10:00:06 +0000\r\n"));
    assert_string_equal(
        events_test_text(w.events).p,
        "Internal SMTP system attempting to send a message to ops@example.org with subject 'Warning <System> "
        "mx.example.org: "
        "work queue paused, 98 msgs, antispam' (attempt #0).\n"
        "Internal SMTP system successfully sent a message to ops@example.org with subject 'Warning <System> mx.example.org: "
        "work queue paused, 98 msgs, antispam'.\n"
        "A System/Warning alert was sent to ops@example.org with subject \"Warning <System> mx.example.org: work queue "
        "paused, "
        "98 msgs, antispam\".\n");
    TAKE(disk_ok, .free_kb = 5);
    assert_int_equal(w.mails, 2);
    TAKE(disk_low, .free_kb = 5);
    assert_int_equal(w.mails, 5);
    TAKE(message_queued, .mid = 5);
    assert_int_equal(w.mails, 5);
    assert_non_null(strstr(events_test_text(w.events).p,
                           "A Hardware/Critical alert was sent to boss@example.org with subject \"Critical <Hardware> "
                           "mx.example.org: Receiving stopped: only 5 KB free on the spool disk\".\n"));
}

/* Settings alerts.first_wait_ms (5 min) and most_wait_ms (1 h): 5, 10, 20, 40, 60 minutes; another key is another alert. */
static void repeats_are_held_back(void **state)
{
    (void)state;
    join();
    TAKE(role_fault, .error = str_lit("deliver 0 died"));
    assert_int_equal(w.mails, 2);
    TAKE(role_fault, .error = str_lit("deliver 0 died"));
    clock_test_advance(299000);
    TAKE(role_fault, .error = str_lit("deliver 0 died"));
    assert_int_equal(w.mails, 2);
    TAKE(role_fault, .error = str_lit("scan 1 died"));
    assert_int_equal(w.mails, 4);
    clock_test_advance(1000);
    TAKE(role_fault, .error = str_lit("deliver 0 died"));
    assert_int_equal(w.mails, 6);
    assert_non_null(strstr(last_mail(), "\r\nLast message occurred 2 times between 21 Nov 2026 10:00:06 +0000 and "
                                        "21 Nov 2026 10:05:05 +0000.\r\n"));
    clock_test_advance(599000);
    TAKE(role_fault, .error = str_lit("deliver 0 died"));
    assert_int_equal(w.mails, 6);
    clock_test_advance(1000);
    TAKE(role_fault, .error = str_lit("deliver 0 died"));
    assert_int_equal(w.mails, 8);
    clock_test_advance(3 * 3600000); /* quiet for more than twice the longest wait: new */
    TAKE(role_fault, .error = str_lit("deliver 0 died"));
    assert_int_equal(w.mails, 10);
    assert_null(strstr(last_mail(), "Last message occurred"));
    clock_test_advance(300000);
    TAKE(role_fault, .error = str_lit("deliver 0 died"));
    assert_int_equal(w.mails, 12);
}

/* The alert is about queue itself: it waits for it. */
static void waits_for_queue(void **state)
{
    (void)state;
    TAKE(role_fault, .error = str_lit("queue 0 died"));
    assert_int_equal(w.mails, 0);
    assert_non_null(strstr(events_test_text(w.events).p, "(attempt #0)"));
    join();
    clock_test_advance(1000);
    turns();
    w.answer = RC_QUEUE_FULL;
    clock_test_advance(1000);
    turns();
    w.answer = RC_OK;
    clock_test_advance(60000);
    turns();
    assert_non_null(strstr(events_test_text(w.events).p, "(attempt #1)"));
    assert_non_null(strstr(events_test_text(w.events).p, "A System/Critical alert was sent to ops@example.org"));
    assert_non_null(strstr(events_test_text(w.events).p, "A System/Critical alert was sent to boss@example.org"));
}

static void gives_up(void **state)
{
    (void)state;
    join();
    w.answer = RC_INVALID; /* no repeat makes a bad address good */
    TAKE(disk_ok, .free_kb = 1);
    assert_int_equal(w.mails, 1);
    assert_non_null(strstr(events_test_text(w.events).p,
                           "Internal SMTP giving up on message to ops@example.org with subject 'Information <Hardware> "
                           "mx.example.org: Receiving resumed: 1 KB free on the spool disk': Unrecoverable error.\n"));
    w.answer = RC_IO;
    TAKE(spool_write_resumed);
    for (int i = 0; i < 20; i++) {
        clock_test_advance(60000);
        turns();
    }
    assert_int_equal(w.mails, 1 + ALERT_ATTEMPTS);
    w.silent = true; /* ends while a call is under way */
    TAKE(disk_low, .free_kb = 5);
}

static void shown_newest_first(void **state)
{
    struct buf text = BUF(1 << 20), json = BUF(1 << 20);

    (void)state;
    alerts_show(w.alerts, 10, &text, &json);
    assert_true(str_eq(buf_str(&text), str_lit("No alerts.\n")) && str_eq(buf_str(&json), str_lit("[]")));
    for (uint64_t i = 0; i < ALERTS_SHOWN + 5; i++) {
        TAKE(work_queue_long, .messages = i);
        clock_test_advance(1000);
    }
    buf_clear(&text);
    buf_clear(&json);
    alerts_show(w.alerts, 2, &text, &json);
    assert_true(str_eq(
        buf_str(&text),
        str_lit(
            "Date and Time Stamp         Severity     Class              Description\n"
            "21 Nov 2026 10:08:30 +0000  Warning      System             work queue is long, 504 msgs wait to be scanned\n"
            "21 Nov 2026 10:08:29 +0000  Warning      System             work queue is long, 503 msgs wait to be "
            "scanned\n")));
    assert_true(
        str_starts(buf_str(&json), str_lit("[{\"time\":1795255710000,\"severity\":\"Warning\",\"class\":\"System\",\"text\":"
                                           "\"work queue is long, 504 msgs wait to be scanned\"},{")));
    buf_clear(&text);
    alerts_show(w.alerts, UINT64_MAX, &text, &json);
    buf_done(&text);
    buf_done(&json);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(mail_to_those_who_asked, open_world, close_world),
        cmocka_unit_test_setup_teardown(repeats_are_held_back, open_world, close_world),
        cmocka_unit_test_setup_teardown(waits_for_queue, open_world, close_world),
        cmocka_unit_test_setup_teardown(gives_up, open_world, close_world),
        cmocka_unit_test_setup_teardown(shown_newest_first, open_world, close_world),
    };

    setenv("TZ", "UTC", 1);
    tzset();
    return cmocka_run_group_tests(tests, NULL, NULL);
}
