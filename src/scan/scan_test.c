/* The worker believes nothing of what it is told about its windows. */
#include "scan/scan.h"

#include "mail/envelope.h"

#include <fcntl.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <unistd.h>

#include <cmocka.h>

enum { BYTES = 65536 };

struct fix {
    struct loop *loop;
    struct bus *queue, *bus;
    struct bus_peer *worker;
    struct events *events;
    struct conf_source *conf;
    struct scan *scan;
    char *window;
    int fd;
    unsigned verdicts;
    uint64_t mid, action;
};

static void on_verdict(void *ctx, const struct bus_in *in)
{
    struct fix *f = ctx;
    const struct bus_scan_verdict *v = in->msg;

    f->verdicts++;
    f->mid = v->mid;
    f->action = v->action;
}

static void pump(struct fix *f)
{
    for (int i = 0; i < 10; i++)
        loop_turn(f->loop, false);
}

static int start(void **state)
{
    struct fix *f = calloc(1, sizeof *f);
    int fds[2];

    f->loop = loop_new();
    f->queue = bus_new(f->loop, ROLE_queue, 0);
    f->bus = bus_new(f->loop, ROLE_scan, 0);
    assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, fds), 0);
    f->worker = bus_attach(f->queue, fds[0], ROLE_scan, 0, 1);
    bus_attach(f->bus, fds[1], ROLE_queue, 0, 1);
    bus_on(f->queue, BUS_scan_verdict, on_verdict, f);
    f->events = events_test_new();
    f->conf = conf_source_test("", NULL);
    f->scan = scan_new(&(struct scan_options){f->loop, f->bus, f->conf, f->events, NULL, NULL});
    f->fd = memfd_create("window", MFD_CLOEXEC | MFD_ALLOW_SEALING);
    assert_int_equal(ftruncate(f->fd, BYTES), 0);
    f->window = mmap(NULL, BYTES, PROT_READ | PROT_WRITE, MAP_SHARED, f->fd, 0);
    *state = f;
    return 0;
}

static int end(void **state)
{
    struct fix *f = *state;

    bus_free(f->queue);
    bus_free(f->bus);
    scan_free(f->scan);
    events_free(f->events);
    conf_source_free(f->conf);
    loop_free(f->loop);
    munmap(f->window, BYTES);
    close(f->fd);
    free(f);
    return 0;
}

static void give_window(struct fix *f, uint64_t bytes)
{
    bus_send_fd(f->queue, f->worker, BUS_scan_window, &(struct bus_scan_window){.window = 1, .bytes = bytes}, f->fd);
    pump(f);
}

static uint64_t put_envelope(struct fix *f, bool outgoing)
{
    struct recipient r = {.address = str_lit("bob@example.net")};
    struct envelope env = {.outgoing = outgoing, .recipients = &r, .n_recipients = 1};
    struct buf b = BUF(BYTES);
    uint64_t n;

    envelope_encode(&env, &b);
    memcpy(f->window, b.p, b.n);
    n = b.n;
    buf_done(&b);
    return n;
}

static void a_message_passes(void **state)
{
    struct fix *f = *state;
    uint64_t n = put_envelope(f, true);

    fcntl(f->fd, F_ADD_SEALS, F_SEAL_SHRINK);
    give_window(f, BYTES);
    bus_send(f->queue, f->worker, BUS_scan_work,
             &(struct bus_scan_work){.mid = 5, .window = 1, .envelope_bytes = n, .body_bytes = 100});
    pump(f);
    assert_int_equal(f->verdicts, 1);
    assert_int_equal(f->mid, 5);
    assert_int_equal(f->action, 0);
    assert_true(
        str_find_str(events_test_text(f->events),
                     str_lit("MID 5 matched all recipients for per-recipient policy DEFAULT in the outbound table")) <
        events_test_text(f->events).n);
}

static void parts_outside_the_window_are_refused(void **state)
{
    static const struct bus_scan_work wrong[] = {
        {.mid = 1, .window = 1, .offset = BYTES + 1},
        {.mid = 2, .window = 1, .envelope_bytes = BYTES + 1},
        {.mid = 3, .window = 1, .envelope_bytes = 10, .body_bytes = BYTES},
        {.mid = 4, .window = 1, .offset = UINT64_MAX, .envelope_bytes = 2},
        {.mid = 5, .window = 1, .envelope_bytes = UINT64_MAX, .body_bytes = 2},
        {.mid = 6, .window = 0, .envelope_bytes = 10},
        {.mid = 7, .window = UINT64_MAX, .envelope_bytes = 10},
    };
    struct fix *f = *state;

    fcntl(f->fd, F_ADD_SEALS, F_SEAL_SHRINK);
    give_window(f, BYTES);
    for (size_t i = 0; i < sizeof wrong / sizeof *wrong; i++)
        bus_send(f->queue, f->worker, BUS_scan_work, &wrong[i]);
    pump(f);
    assert_int_equal(f->verdicts, 0);
}

/* E1: reading a window that shrinks would end the process. */
static void a_window_that_can_shrink_is_refused(void **state)
{
    struct fix *f = *state;
    uint64_t n = put_envelope(f, false);

    give_window(f, BYTES);
    bus_send(f->queue, f->worker, BUS_scan_work, &(struct bus_scan_work){.mid = 5, .window = 1, .envelope_bytes = n});
    pump(f);
    assert_int_equal(f->verdicts, 0);
    fcntl(f->fd, F_ADD_SEALS, F_SEAL_SHRINK);
    give_window(f, BYTES * 2); /* not its size either */
    bus_send(f->queue, f->worker, BUS_scan_work, &(struct bus_scan_work){.mid = 5, .window = 1, .envelope_bytes = n});
    pump(f);
    assert_int_equal(f->verdicts, 0);
}

/* ---- outbreak filters look again ---- */

struct looked {
    unsigned answers;
    struct bus_outbreak_answer last;
    char rule[100];
};

static void on_looked(void *ctx, enum rc rc, const void *msg)
{
    struct looked *l = ctx;

    assert_int_equal(rc, RC_OK);
    l->last = *(const struct bus_outbreak_answer *)msg;
    snprintf(l->rule, sizeof l->rule, "%.*s", STR(l->last.rule));
    l->answers++;
}

static void look_again(struct fix *f, struct looked *l, struct bus *from, struct bus_peer *to, int seals, uint64_t more,
                       const struct bus_outbreak_question *base)
{
    static const char text[] = "Subject: the worm\r\n\r\nbody\r\n";
    struct bus_outbreak_question q = *base;
    int fd = memfd_create("held", MFD_CLOEXEC | MFD_ALLOW_SEALING);
    unsigned before = l->answers;

    assert_int_equal(write(fd, text, sizeof text - 1), (int)sizeof text - 1);
    fcntl(fd, F_ADD_SEALS, seals);
    q.mid = 5;
    q.bytes = sizeof text - 1 + more;
    bus_call_fd(from, to, BUS_outbreak_question, &q, fd, 1000, on_looked, l);
    close(fd);
    pump(f);
    assert_int_equal(l->answers, before + 1);
}

/* Held mail that is looked at again: by rule and threshold of its policy, nothing logged; memory that could shrink is not
 * read. */
static void outbreak_filters_look_again(void **state)
{
    static const char settings[] = "outbreak.enabled=yes\noutbreak.adaptive=no\noutbreak_rule.R1.subjects=worm\n"
                                   "outbreak_rule.R1.kind=scam\nmail_policy.LAX.recipients=x@y.test\n"
                                   "mail_policy.LAX.outbreak=yes\nmail_policy.LAX.outbreak_threshold=5\n";
    const struct bus_outbreak_question plain = {0}, lax = {.policy = str_lit("LAX")}, out = {.outgoing = 1},
                                       newer = {.version = 1000};
    struct fix *f = *state;
    struct conf_source *conf = f->conf;
    struct looked l = {0};
    struct bus *from = bus_new(f->loop, ROLE_quarantine, 0);
    struct bus_peer *to;
    struct err e = ERR_NONE;
    int fds[2];

    scan_free(f->scan);
    f->conf = conf_source_test(settings, &e);
    if (!f->conf)
        fail_msg("%s", e.text);
    f->scan = scan_new(&(struct scan_options){f->loop, f->bus, f->conf, f->events, NULL, NULL});
    conf_source_free(conf);
    assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, fds), 0);
    to = bus_attach(from, fds[0], ROLE_scan, 0, 1);
    bus_attach(f->bus, fds[1], ROLE_quarantine, 0, 1);
    look_again(f, &l, from, to, F_SEAL_SHRINK, 0, &plain);
    assert_true(l.last.rc == RC_OK && l.last.held && l.last.level == 4 && l.last.keep_ms == 4 * 3600000);
    assert_string_equal(l.rule, "R1");
    look_again(f, &l, from, to, F_SEAL_SHRINK, 0, &lax);
    assert_true(l.last.rc == RC_OK && !l.last.held && l.last.level == 4);
    look_again(f, &l, from, to, F_SEAL_SHRINK, 0, &out);
    assert_int_equal(l.last.rc, RC_NOT_IMPLEMENTED);
    look_again(f, &l, from, to, F_SEAL_SHRINK, 0, &newer);
    assert_int_equal(l.last.rc, RC_UNAVAILABLE);
    look_again(f, &l, from, to, 0, 0, &plain);
    assert_int_equal(l.last.rc, RC_CORRUPT);
    look_again(f, &l, from, to, F_SEAL_SHRINK, 4096, &plain);
    assert_int_equal(l.last.rc, RC_CORRUPT);
    assert_string_equal(events_test_text(f->events).p, "");
    bus_free(from);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(a_message_passes, start, end),
        cmocka_unit_test_setup_teardown(parts_outside_the_window_are_refused, start, end),
        cmocka_unit_test_setup_teardown(a_window_that_can_shrink_is_refused, start, end),
        cmocka_unit_test_setup_teardown(outbreak_filters_look_again, start, end),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
