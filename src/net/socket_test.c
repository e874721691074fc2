/* Conversations on real sockets of the loopback: order, back-pressure, ends, time-outs, memory. */
#include "net/socket.h"

#include "base/clock.h"

#include <errno.h>
#include <malloc.h>
#include <poll.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <sys/resource.h>
#include <unistd.h>

#include <cmocka.h>

/* --- a server that echoes lines, and what it can be told to do
 * ------------------------------------------------------------- */

struct world {
    struct loop *loop;
    struct listener_socket *listener;
    struct address_ip at;
    const struct conversation_kind *kind;
    int begun, done, broken;
    enum rc rc;
    struct conversation *last;
};

static struct step command(struct conversation *c);

static struct step called(struct conversation *c)
{
    conversation_printf(c, "called\r\n");
    return step_goto(command);
}

static struct step command(struct conversation *c)
{
    struct str line;
    enum rc rc = conversation_line(c, 1000, &line);

    if (rc == RC_UNAVAILABLE)
        return step_read(command, 0);
    if (rc == RC_OK && str_eq(line, str_lit("CALL")))
        return step_call(called, 0);
    if (rc == RC_OK && str_eq(line, str_lit("SLEEP")))
        return step_sleep(called, 300);
    if (rc == RC_OK && str_eq(line, str_lit("QUIT"))) {
        conversation_printf(c, "bye\r\n");
        return step_end();
    }
    if (rc == RC_OK && str_eq(line, str_lit("BIG"))) {
        for (int i = 0; i < 30000; i++)
            buf_add(&c->out, str_lit("0123456789012345678901234567890123456789012345678901234567890123456789\r\n"));
        return step_goto(command);
    }
    if (rc == RC_OK) {
        buf_add(&c->out, line);
        buf_add(&c->out, str_lit("\r\n"));
    }
    return step_goto(command);
}

static struct step hello(struct conversation *c)
{
    struct world *w = c->ctx;

    w->begun++;
    buf_add(&c->out, str_lit("hello\r\n"));
    return step_goto(command);
}

static struct step broken(struct conversation *c)
{
    struct world *w = c->ctx;

    w->broken++;
    w->rc = c->rc;
    conversation_printf(c, "421 %.*s\r\n", STR(c->why));
    return step_end();
}

static void done(struct conversation *c)
{
    struct world *w = c->ctx;

    w->done++;
}

static const struct conversation_kind echo = {.name = "echo",
                                              .first = hello,
                                              .broken = broken,
                                              .done = done,
                                              .size = sizeof(struct conversation),
                                              .timeout_ms = 5000,
                                              .total_ms = 60000,
                                              .max_in = 4096};

static void accepted(void *ctx, int fd, const struct address_ip *peer)
{
    struct world *w = ctx;

    assert_int_equal(peer->family, AF_INET);
    w->last = conversation_accept(w->loop, fd, w->kind, NULL, w);
    assert_non_null(w->last);
}

static void setup(struct world *w, const struct conversation_kind *kind)
{
    int fd = -1;
    struct sockaddr_storage sa;
    socklen_t n = sizeof sa;
    struct err e = ERR_NONE;

    *w = (struct world){.loop = loop_new(), .kind = kind};
    assert_true(ip_parse(str_lit("127.0.0.1"), &w->at));
    assert_int_equal(listen_tcp(&w->at, 1024, &fd, &e), RC_OK);
    assert_int_equal(getsockname(fd, (struct sockaddr *)&sa, &n), 0);
    ip_from_sockaddr((struct sockaddr *)&sa, &w->at);
    w->listener = listener_socket_new(w->loop, fd, accepted, w);
}

static void teardown(struct world *w)
{
    listener_socket_free(w->listener);
    loop_free(w->loop);
    assert_int_equal(w->begun, w->done);
}

static int client(struct world *w)
{
    struct sockaddr_storage sa;
    socklen_t n = ip_to_sockaddr(&w->at, &sa);
    int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);

    assert_int_equal(connect(fd, (struct sockaddr *)&sa, n), 0);
    return fd;
}

static void turns(struct world *w, int n)
{
    while (n--)
        loop_turn(w->loop, false);
}

/* Reads until `text` has come. */
static void expect(struct world *w, int fd, const char *text)
{
    char got[512];
    size_t n = 0;

    for (int i = 0; i < 2000 && n < strlen(text); i++) {
        ssize_t k;

        loop_turn(w->loop, false);
        k = recv(fd, got + n, strlen(text) - n, MSG_DONTWAIT);
        n += k > 0 ? (size_t)k : 0;
        if (k < 0)
            usleep(100);
    }
    assert_int_equal(n, strlen(text));
    assert_memory_equal(got, text, n);
}

static void expect_end(struct world *w, int fd)
{
    char c;
    ssize_t k = -1;

    for (int i = 0; i < 2000 && (k = recv(fd, &c, 1, MSG_DONTWAIT)) < 0 && errno == EAGAIN; i++) {
        loop_turn(w->loop, false);
        usleep(100);
    }
    assert_int_equal(k, 0);
    close(fd);
    turns(w, 3);
}

static void say(int fd, const char *text)
{
    assert_int_equal(send(fd, text, strlen(text), MSG_NOSIGNAL), (ssize_t)strlen(text));
}

/* --- tests
 * ------------------------------------------------------------------------------------------------------------------ */

static void lines_are_echoed_in_one_piece_or_octet_by_octet(void **state)
{
    struct world w;
    int fd;

    (void)state;
    setup(&w, &echo);
    fd = client(&w);
    expect(&w, fd, "hello\r\n");
    say(fd, "a\r\nb\r\nc\r\n");
    expect(&w, fd, "a\r\nb\r\nc\r\n");
    for (const char *at = "one at a time\r\nxy\r\n"; *at; at++) {
        char one[2] = {*at, 0};

        say(fd, one);
        turns(&w, 1);
    }
    expect(&w, fd, "one at a time\r\nxy\r\n");
    say(fd, "QUIT\r\n");
    expect(&w, fd, "bye\r\n");
    expect_end(&w, fd);
    assert_int_equal(w.done, 1);
    assert_int_equal(w.broken, 0);
    teardown(&w);
}

/* The last reply is not lost to a reset when the peer still sends. */
static void the_last_reply_survives_input_behind_it(void **state)
{
    struct world w;
    int fd;

    (void)state;
    setup(&w, &echo);
    fd = client(&w);
    expect(&w, fd, "hello\r\n");
    say(fd, "QUIT\r\nmore\r\n");
    turns(&w, 3);
    say(fd, "and more\r\n");
    turns(&w, 3);
    expect(&w, fd, "bye\r\n");
    expect_end(&w, fd);
    teardown(&w);
}

static void a_half_closed_peer_gets_its_replies(void **state)
{
    struct world w;
    int fd;

    (void)state;
    setup(&w, &echo);
    fd = client(&w);
    say(fd, "a\r\nCALL\r\nb\r\n");
    shutdown(fd, SHUT_WR);
    expect(&w, fd, "hello\r\na\r\n");
    turns(&w, 5);
    assert_int_equal(w.done, 0);
    conversation_resume(w.last);
    expect(&w, fd, "called\r\nb\r\n421 connection closed by peer\r\n");
    expect_end(&w, fd);
    assert_int_equal(w.rc, RC_CLOSED);
    teardown(&w);
}

/* While parked nothing breaks; once the call is back its step runs, then `broken`. */
static void a_peer_reset_during_a_call_is_noticed(void **state)
{
    struct world w;
    struct linger hard = {.l_onoff = 1};
    int fd;

    (void)state;
    setup(&w, &echo);
    fd = client(&w);
    say(fd, "CALL\r\n");
    expect(&w, fd, "hello\r\n");
    turns(&w, 3);
    setsockopt(fd, SOL_SOCKET, SO_LINGER, &hard, sizeof hard);
    close(fd);
    turns(&w, 5);
    assert_int_equal(w.broken, 0);
    conversation_resume(w.last);
    turns(&w, 3);
    assert_int_equal(w.broken, 1);
    assert_int_equal(w.rc, RC_CLOSED);
    assert_int_equal(w.done, 1);
    teardown(&w);
}

/* Input is taken up to max_in while parked and goes on afterwards without a loss. */
static void a_parked_conversation_stops_reading_at_its_limit(void **state)
{
    struct world w;
    char line[102] = {0};
    size_t sent = 0, got = 0;
    int fd;

    (void)state;
    memset(line, 'x', 99);
    memcpy(line + 99, "\r\n", 2);
    setup(&w, &echo);
    fd = client(&w);
    say(fd, "CALL\r\n");
    expect(&w, fd, "hello\r\n");
    for (int i = 0; i < 500; i++, sent += 101)
        say(fd, line);
    turns(&w, 20);
    assert_true(w.last->in.n <= echo.max_in);
    conversation_resume(w.last);
    expect(&w, fd, "called\r\n");
    for (int i = 0; i < 2000 && got < sent; i++) {
        char in[4096];
        ssize_t k;

        loop_turn(w.loop, false);
        k = recv(fd, in, sizeof in, MSG_DONTWAIT);
        got += k > 0 ? (size_t)k : 0;
    }
    assert_int_equal(got, sent);
    say(fd, "QUIT\r\n");
    expect(&w, fd, "bye\r\n");
    expect_end(&w, fd);
    teardown(&w);
}

/* A peer that does not read its replies gets no more of them made; 2 MB arrive whole when it does. */
static void a_peer_that_does_not_read_is_waited_for(void **state)
{
    struct world w;
    size_t got = 0;
    int fd;

    (void)state;
    setup(&w, &echo);
    fd = client(&w);
    expect(&w, fd, "hello\r\n");
    say(fd, "BIG\r\nBIG\r\nBIG\r\n");
    turns(&w, 20);
    assert_true(w.last->out.n + w.last->held < 5000000);
    for (int i = 0; i < 20000 && got < 3u * 30000 * 72; i++) {
        static char in[65536];
        ssize_t k;

        loop_turn(w.loop, false);
        k = recv(fd, in, sizeof in, MSG_DONTWAIT);
        got += k > 0 ? (size_t)k : 0;
    }
    assert_int_equal(got, 3u * 30000 * 72);
    say(fd, "QUIT\r\n");
    expect(&w, fd, "bye\r\n");
    expect_end(&w, fd);
    teardown(&w);
}

static void waits_run_out_by_the_clock(void **state)
{
    struct world w;
    int fd;

    (void)state;
    clock_test_set(1000000, 1000000);
    setup(&w, &echo);
    fd = client(&w);
    expect(&w, fd, "hello\r\n");
    clock_test_advance(4990);
    turns(&w, 2);
    say(fd, "a\r\n");
    expect(&w, fd, "a\r\n");
    clock_test_advance(4990);
    turns(&w, 2);
    say(fd, "SLEEP\r\n");
    turns(&w, 3);
    clock_test_advance(299);
    turns(&w, 2);
    assert_int_equal(w.broken, 0);
    clock_test_advance(1);
    expect(&w, fd, "called\r\n");
    clock_test_advance(5001);
    expect(&w, fd, "421 timed out\r\n");
    expect_end(&w, fd);
    assert_int_equal(w.rc, RC_TIMEOUT);
    /* the whole life */
    fd = client(&w);
    expect(&w, fd, "hello\r\n");
    for (int i = 0; i < 12; i++) {
        say(fd, "a\r\n");
        expect(&w, fd, "a\r\n");
        clock_test_advance(4900);
    }
    say(fd, "a\r\n");
    expect(&w, fd, "a\r\n");
    clock_test_advance(1200);
    expect(&w, fd, "421 connection lasted too long\r\n");
    expect_end(&w, fd);
    teardown(&w);
    clock_test_set(0, 0);
}

static void an_abort_says_its_last_words(void **state)
{
    struct world w;
    int fd;

    (void)state;
    setup(&w, &echo);
    fd = client(&w);
    say(fd, "CALL\r\n");
    expect(&w, fd, "hello\r\n");
    turns(&w, 2);
    conversation_abort(w.last, str_lit("421 going down\r\n"));
    assert_int_equal(w.done, 1);
    expect(&w, fd, "421 going down\r\n");
    expect_end(&w, fd);
    teardown(&w);
}

/* --- the client side
 * ----------------------------------------------------------------------------------------------------------- */

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

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(lines_are_echoed_in_one_piece_or_octet_by_octet),
        cmocka_unit_test(the_last_reply_survives_input_behind_it),
        cmocka_unit_test(a_half_closed_peer_gets_its_replies),
        cmocka_unit_test(a_peer_reset_during_a_call_is_noticed),
        cmocka_unit_test(a_parked_conversation_stops_reading_at_its_limit),
        cmocka_unit_test(a_peer_that_does_not_read_is_waited_for),
        cmocka_unit_test(an_abort_says_its_last_words),
        cmocka_unit_test(a_client_connects_and_both_sides_end),
        cmocka_unit_test(a_refused_connection_is_told),
        cmocka_unit_test(idle_sessions_are_small),
        cmocka_unit_test(waits_run_out_by_the_clock),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
