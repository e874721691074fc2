/* Two buses in one process: messages, calls, descriptors, broken rules, full peers. */
#include "bus/private.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <unistd.h>

#include <cmocka.h>

struct pair {
    struct loop *loop;
    struct bus *queue, *receive;
    struct bus_peer *to_queue, *to_receive;
    int came, gone;
    uint64_t last, count;
    char text[64];
    int fd;
    enum rc rc;
    int replies;
};

static void came(void *ctx, struct bus_peer *p)
{
    (void)p;
    ((struct pair *)ctx)->came++;
}

static void gone(void *ctx, struct bus_peer *p)
{
    (void)p;
    ((struct pair *)ctx)->gone++;
}

static void join(struct bus *a, enum role ra, struct bus *b, enum role rb, struct bus_peer **to_a, struct bus_peer **to_b)
{
    int fds[2];

    assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, fds), 0);
    *to_b = bus_attach(a, fds[0], rb, 0, 1);
    *to_a = bus_attach(b, fds[1], ra, 0, 1);
}

static int setup(void **state)
{
    struct pair *t = calloc(1, sizeof *t);

    t->fd = -1;
    t->loop = loop_new();
    t->queue = bus_new(t->loop, ROLE_queue, 0);
    t->receive = bus_new(t->loop, ROLE_receive, 0);
    join(t->queue, ROLE_queue, t->receive, ROLE_receive, &t->to_queue, &t->to_receive);
    bus_on_peer(t->queue, came, gone, t);
    *state = t;
    return 0;
}

static int teardown(void **state)
{
    struct pair *t = *state;

    bus_free(t->queue);
    bus_free(t->receive);
    loop_free(t->loop);
    free(t);
    return 0;
}

static void turns(struct pair *t, int n)
{
    while (n--)
        loop_turn(t->loop, false);
}

static void on_stored(void *ctx, const struct bus_in *in)
{
    struct pair *t = ctx;
    const struct bus_message_stored *m = in->msg;

    t->last = m->mid;
    t->count++;
    if (in->fd >= 0) {
        t->fd = in->fd;
        assert_int_equal(read(in->fd, t->text, 1), 1);
        assert_true((unsigned char)t->text[0] == (m->mid & 0xff));
        close(in->fd);
    }
}

static void a_message_arrives_after_the_turn(void **state)
{
    struct pair *t = *state;

    bus_on(t->queue, BUS_message_stored, on_stored, t);
    assert_int_equal(t->came, 1);
    assert_true(bus_send(t->receive, t->to_queue, BUS_message_stored, &(struct bus_message_stored){.mid = 77}));
    assert_int_equal(t->count, 0);
    turns(t, 2);
    assert_true(t->count == 1 && t->last == 77);
}

static void many_messages_keep_their_order_and_a_full_peer_is_seen(void **state)
{
    struct pair *t = *state;

    bus_on(t->queue, BUS_message_stored, on_stored, t);
    for (uint64_t i = 1; i <= 100000; i++)
        assert_true(bus_send(t->receive, t->to_queue, BUS_message_stored,
                             &(struct bus_message_stored){.mid = i, .offset = i << 40}));
    assert_true(bus_full(t->receive, t->to_queue));
    for (int i = 0; i < 1000 && t->count < 100000; i++)
        turns(t, 1);
    assert_true(t->count == 100000 && t->last == 100000);
    assert_false(bus_full(t->receive, t->to_queue));
}

static void descriptors_stay_with_their_messages(void **state)
{
    struct pair *t = *state;

    bus_on(t->queue, BUS_message_stored, on_stored, t);
    for (unsigned i = 1; i <= 250; i++) {
        struct bus_message_stored m = {.mid = i};
        char octet = (char)i;
        int fds[2];

        assert_true(bus_send(t->receive, t->to_queue, BUS_message_stored, &m));
        assert_int_equal(pipe(fds), 0);
        assert_int_equal(write(fds[1], &octet, 1), 1);
        assert_true(bus_send_fd(t->receive, t->to_queue, BUS_message_stored, &m, fds[0]));
        close(fds[0]);
        close(fds[1]);
    }
    for (int i = 0; i < 100 && t->count < 500; i++)
        turns(t, 1);
    assert_int_equal(t->count, 500);
    assert_int_equal(t->gone, 0);
}

static void on_verb(void *ctx, const struct bus_in *in)
{
    struct pair *t = ctx;
    const struct bus_verb_call *m = in->msg;

    if (!str_eq(m->verb, str_lit("silent")))
        bus_reply(t->receive, in->from, in->call, BUS_verb_reply, &(struct bus_verb_reply){.text = m->args});
}

static void on_reply(void *ctx, enum rc rc, const void *msg)
{
    struct pair *t = ctx;

    t->rc = rc;
    t->replies++;
    if (msg)
        snprintf(t->text, sizeof t->text, "%.*s", STR(((const struct bus_verb_reply *)msg)->text));
}

/* control asks receive: own buses, since verb_call comes from control only. */
static struct bus *control_of(struct pair *t, struct bus_peer **to_receive)
{
    struct bus *control = bus_new(t->loop, ROLE_control, 0);
    struct bus_peer *back;

    join(control, ROLE_control, t->receive, ROLE_receive, &back, to_receive);
    bus_on(t->receive, BUS_verb_call, on_verb, t);
    return control;
}

static void a_call_gets_its_reply_or_a_timeout_once(void **state)
{
    struct pair *t = *state;
    struct bus_peer *to;
    struct bus *control = control_of(t, &to);

    bus_call(control, to, BUS_verb_call, &(struct bus_verb_call){.args = str_lit("hello")}, 1000, on_reply, t);
    turns(t, 4);
    assert_true(t->replies == 1 && t->rc == RC_OK);
    assert_string_equal(t->text, "hello");
    bus_call(control, to, BUS_verb_call, &(struct bus_verb_call){.verb = str_lit("silent")}, 5, on_reply, t);
    bus_cancel(control, bus_call(control, to, BUS_verb_call, &(struct bus_verb_call){.verb = str_lit("x")}, 5, on_reply, t));
    usleep(10000);
    turns(t, 4);
    assert_true(t->replies == 2 && t->rc == RC_TIMEOUT);
    bus_call(control, NULL, BUS_verb_call, &(struct bus_verb_call){.verb = STR_NONE}, 5000, on_reply, t);
    assert_int_equal(t->replies, 2);
    turns(t, 2);
    assert_true(t->replies == 3 && t->rc == RC_UNAVAILABLE);
    bus_free(control);
}

static void calls_end_when_the_peer_goes(void **state)
{
    struct pair *t = *state;
    struct bus_peer *to;
    struct bus *control = control_of(t, &to);

    bus_call(control, to, BUS_verb_call, &(struct bus_verb_call){.verb = str_lit("silent")}, 60000, on_reply, t);
    turns(t, 2);
    for (struct peer *p = t->receive->peers; p; p = p->next)
        shutdown(p->fd, SHUT_RDWR);
    turns(t, 2);
    assert_true(t->replies == 1 && t->rc == RC_UNAVAILABLE);
    assert_int_equal(t->gone, 1);
    assert_false(bus_send(control, to, BUS_verb_call, &(struct bus_verb_call){.verb = STR_NONE}));
    bus_free(control);
}

/* The peer of `queue` sends these octets; the connection must end. */
static void refused(struct pair *t, const struct frame *f, const void *msg, size_t cut)
{
    struct peer *p = (struct peer *)t->to_queue;

    assert_true(frame_put(&p->out, f, msg));
    p->out.n -= cut;
    t->receive->dirty = true;
    turns(t, 3);
    assert_int_equal(t->gone, 1);
    assert_null(bus_peer(t->queue, ROLE_receive, 0));
    assert_null(bus_peer(t->receive, ROLE_queue, 0));
}

static void a_message_from_the_wrong_role_ends_the_connection(void **state)
{
    refused(*state, &(struct frame){.type = BUS_message_known}, &(struct bus_message_known){.segment = 1}, 0);
}

static void a_reply_without_number_ends_the_connection(void **state)
{
    refused(*state, &(struct frame){.type = BUS_message_stored, .flags = FRAME_REPLY},
            &(struct bus_message_stored){.mid = 1}, 0);
}

static void a_missing_descriptor_ends_the_connection(void **state)
{
    refused(*state, &(struct frame){.type = BUS_message_stored, .flags = FRAME_FD}, &(struct bus_message_stored){.mid = 1},
            0);
}

static void a_frame_over_the_limit_is_refused_on_both_sides(void **state)
{
    struct pair *t = *state;
    struct buf b = BUF(100);
    struct str in;
    struct frame f;
    char *huge = calloc(1, FRAME_MAX);
    struct bus_verb_reply m = {.text = str_of(huge, FRAME_MAX)};

    buf_put_u32(&b, FRAME_MAX + 1);
    in = buf_str(&b);
    assert_int_equal(frame_take(&in, &f), FRAME_BAD);
    buf_done(&b);
    (void)t;
    b = BUF((size_t)FRAME_MAX * 4);
    assert_false(frame_put(&b, &(struct frame){.type = BUS_verb_reply}, &m));
    assert_int_equal(b.n, 0);
    buf_done(&b);
    free(huge);
}

static void a_held_bus_reads_nobody_but_loses_nothing(void **state)
{
    struct pair *t = *state;

    bus_hold(t->queue, true);
    bus_send(t->receive, t->to_queue, BUS_message_stored, &(struct bus_message_stored){.mid = 5});
    turns(t, 3);
    bus_on(t->queue, BUS_message_stored, on_stored, t);
    assert_int_equal(t->count, 0);
    bus_hold(t->queue, false);
    turns(t, 2);
    assert_int_equal(t->count, 1);
}

static void stamps_follow_messages(void **state)
{
    struct pair *t = *state;
    uint64_t before;

    before = t->receive->stamp = bus_stamp(t->receive) + 1000000000u;
    bus_send(t->receive, t->to_queue, BUS_message_stored, &(struct bus_message_stored){.mid = 5});
    turns(t, 2);
    assert_true(bus_stamp(t->queue) > before);
    assert_true(bus_stamp(t->queue) > before + 1);
}

static void a_new_life_replaces_the_old_one(void **state)
{
    struct pair *t = *state;
    int fds[2];

    assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, fds), 0);
    bus_attach(t->queue, fds[0], ROLE_receive, 0, 2);
    close(fds[1]);
    assert_true(t->came == 2 && t->gone == 1);
    assert_int_equal(bus_peer(t->queue, ROLE_receive, 0)->life, 2);
    turns(t, 2);
    assert_int_equal(t->gone, 2);
}

static void only_roles_with_a_row_are_joined(void **state)
{
    (void)state;
    assert_true(bus_joined(ROLE_queue, ROLE_deliver));
    assert_true(bus_joined(ROLE_scan, ROLE_lookup));
    assert_false(bus_joined(ROLE_receive, ROLE_deliver));
    assert_false(bus_joined(ROLE_receive, ROLE_receive));
    assert_false(bus_joined(ROLE_master, ROLE_control));
    assert_int_equal(role_by_name("deliver"), ROLE_deliver);
    assert_int_equal(role_by_name("nobody"), ROLE_COUNT);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(a_message_arrives_after_the_turn),
        TEST(many_messages_keep_their_order_and_a_full_peer_is_seen),
        TEST(descriptors_stay_with_their_messages),
        TEST(a_call_gets_its_reply_or_a_timeout_once),
        TEST(calls_end_when_the_peer_goes),
        TEST(a_message_from_the_wrong_role_ends_the_connection),
        TEST(a_reply_without_number_ends_the_connection),
        TEST(a_missing_descriptor_ends_the_connection),
        TEST(a_frame_over_the_limit_is_refused_on_both_sides),
        TEST(a_held_bus_reads_nobody_but_loses_nothing),
        TEST(stamps_follow_messages),
        TEST(a_new_life_replaces_the_old_one),
        TEST(only_roles_with_a_row_are_joined),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
