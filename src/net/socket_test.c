/* Conversations on real sockets, the server's side: order, back-pressure, ends, time-outs. */
#include "net/echo_world.h"

#include "base/clock.h"

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
        cmocka_unit_test(waits_run_out_by_the_clock),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
