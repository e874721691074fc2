/* Conversations on real sockets: the client's side, and how little an idle one holds. */
#include "net/echo_world.h"

#include "base/clock.h"

#include <malloc.h>
#include <sys/resource.h>

static struct step greet(struct conversation *c)
{
    struct world *w = c->ctx;

    w->begun++;
    conversation_printf(c, "from client\r\nQUIT\r\n");
    return step_read(command, 0);
}

static struct step failed(struct conversation *c)
{
    struct world *w = c->ctx;

    w->begun += w->begun == w->done; /* the first step never ran */
    w->broken++;
    w->rc = c->rc;
    return step_end();
}

static struct step listen_only(struct conversation *c)
{
    conversation_take(c, conversation_input(c).n);
    return step_read(listen_only, 0);
}

static struct step greet_and_listen(struct conversation *c)
{
    greet(c);
    return step_read(listen_only, 0);
}

static const struct conversation_kind caller = {.name = "caller",
                                                .first = greet_and_listen,
                                                .broken = failed,
                                                .done = done,
                                                .size = sizeof(struct conversation),
                                                .timeout_ms = 5000};

static void a_client_connects_and_both_sides_end(void **state)
{
    struct world w;
    struct address_ip source;

    (void)state;
    setup(&w, &echo);
    assert_true(ip_parse(str_lit("127.0.0.1"), &source));
    assert_non_null(conversation_connect(w.loop, &w.at, &source, 1000, &caller, NULL, &w));
    for (int i = 0; i < 200 && w.done < 2; i++) {
        loop_turn(w.loop, false);
        usleep(100);
    }
    assert_int_equal(w.done, 2);
    assert_int_equal(w.rc, RC_CLOSED);
    turns(&w, 3);
    teardown(&w);
}

static void a_refused_connection_is_told(void **state)
{
    struct world w;
    struct address_ip nobody;
    int fd = -1;
    struct sockaddr_storage sa;
    socklen_t n = sizeof sa;

    (void)state;
    setup(&w, &echo);
    assert_true(ip_parse(str_lit("127.0.0.1"), &nobody));
    assert_int_equal(listen_tcp(&nobody, 1, &fd, NULL), RC_OK);
    getsockname(fd, (struct sockaddr *)&sa, &n);
    ip_from_sockaddr((struct sockaddr *)&sa, &nobody);
    close(fd);
    assert_non_null(conversation_connect(w.loop, &nobody, NULL, 1000, &caller, NULL, &w));
    for (int i = 0; i < 200 && w.done < 1; i++)
        loop_turn(w.loop, false);
    assert_int_equal(w.rc, RC_CONNECT);
    assert_int_equal(w.done, 1);
    turns(&w, 2);
    teardown(&w);
}

/* Idle sessions hold at most 4 KiB each; 1000 in one loop. */
static void idle_sessions_are_small(void **state)
{
    enum { N = 1000 };
    struct world w;
    static int fds[N];
    struct rlimit files = {4096, 4096};
    size_t before, each;

    (void)state;
    if (setrlimit(RLIMIT_NOFILE, &files) != 0 && getrlimit(RLIMIT_NOFILE, &files) == 0 && files.rlim_cur < 2100)
        skip();
    setup(&w, &echo);
    fds[0] = client(&w);
    expect(&w, fds[0], "hello\r\n");
    before = mallinfo2().uordblks;
    for (int i = 1; i < N; i++) {
        fds[i] = client(&w);
        expect(&w, fds[i], "hello\r\n");
        say(fds[i], "some line or other\r\n");
        expect(&w, fds[i], "some line or other\r\n");
    }
    each = (mallinfo2().uordblks - before) / (N - 1);
    print_message("one idle session: %zu octets\n", each);
    assert_true(each <= 4096);
    for (int i = 0; i < N; i++)
        close(fds[i]);
    for (int i = 0; i < 50 && w.done < N; i++)
        loop_turn(w.loop, false);
    assert_int_equal(w.done, N);
    teardown(&w);
}

static void a_connection_that_takes_too_long_is_told(void **state)
{
    struct world w;

    (void)state;
    clock_test_set(1000000, 1000000);
    setup(&w, &echo);
    listener_socket_pause(w.listener, true);
    assert_non_null(conversation_connect(w.loop, &w.at, NULL, 1000, &caller, NULL, &w));
    clock_test_advance(1001); /* before the loop sees that it is there */
    turns(&w, 2);
    assert_int_equal(w.rc, RC_TIMEOUT);
    assert_int_equal(w.done, 1);
    teardown(&w);
}

/* The rate is that of the last 10 seconds, or of the whole life when shorter. */
static void the_rate_of_a_peer_is_known(void **state)
{
    struct world w;
    int fd;

    (void)state;
    clock_test_set(1000000, 1000000);
    setup(&w, &echo);
    fd = client(&w);
    expect(&w, fd, "hello\r\n");
    for (int i = 0; i < 4; i++) {
        say(fd, "0123456789012345678901234567890123456789012345678901234567890123456789012345678901234567890123456789");
        turns(&w, 2);
        assert_int_equal(conversation_rate(w.last), 100);
        clock_test_advance(1000);
        turns(&w, 1);
    }
    assert_int_equal(conversation_rate(w.last), 80);
    clock_test_advance(3500);
    turns(&w, 1);
    say(fd, "\r\n");
    turns(&w, 2);
    assert_int_equal(conversation_rate(w.last), 50);
    clock_test_advance(4700);
    turns(&w, 1);
    assert_int_equal(conversation_rate(w.last), 10);
    close(fd);
    turns(&w, 5);
    teardown(&w);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_client_connects_and_both_sides_end),
        cmocka_unit_test(a_refused_connection_is_told),
        cmocka_unit_test(idle_sessions_are_small),
        cmocka_unit_test(a_connection_that_takes_too_long_is_told),
        cmocka_unit_test(the_rate_of_a_peer_is_known),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
