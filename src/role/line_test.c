/* The line between master and a role: packets come whole with their descriptor, or not at all. */
#include "role/line.h"

#include <setjmp.h>
#include <stdarg.h>
#include <sys/socket.h>
#include <unistd.h>

#include <cmocka.h>

static int ends[2];

static int open_line(void **state)
{
    (void)state;
    return socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, ends);
}

static int close_line(void **state)
{
    (void)state;
    close(ends[0]);
    close(ends[1]);
    return 0;
}

static void a_message_comes_with_its_descriptor(void **state)
{
    struct line_in in;
    int pipes[2];
    char octet;

    (void)state;
    assert_int_equal(pipe(pipes), 0);
    assert_true(line_say(ends[0], pipes[0], socket_add, .name = str_lit("listener.In.4")));
    assert_true(line_say(ends[0], -1, go, 0));
    assert_int_equal(line_take(ends[1], &in, true), LINE_GOT);
    assert_int_equal(in.type, LINE_socket_add);
    assert_true(str_eq(in.msg.as_socket_add.name, str_lit("listener.In.4")));
    assert_int_equal(write(pipes[1], "x", 1), 1);
    assert_int_equal(read(in.fd, &octet, 1), 1);
    close(in.fd);
    close(pipes[0]);
    close(pipes[1]);
    assert_int_equal(line_take(ends[1], &in, true), LINE_GOT);
    assert_true(in.type == LINE_go && in.fd == -1);
    assert_int_equal(line_take(ends[1], &in, false), LINE_EMPTY);
}

static void nonsense_is_skipped_and_the_end_is_seen(void **state)
{
    struct line_in in;

    (void)state;
    assert_int_equal(send(ends[0], "\377nonsense", 9, 0), 9);
    assert_int_equal(send(ends[0], "\003\377\377", 3, 0), 3);
    assert_true(line_say(ends[0], -1, running, 0));
    assert_int_equal(line_take(ends[1], &in, true), LINE_GOT);
    assert_int_equal(in.type, LINE_running);
    shutdown(ends[0], SHUT_RDWR);
    assert_int_equal(line_take(ends[1], &in, true), LINE_END);
}

static void a_line_that_nobody_reads_fills_up_instead_of_blocking(void **state)
{
    int sent = 0;

    (void)state;
    while (sent < 100000 && line_say(ends[0], -1, running, 0))
        sent++;
    assert_true(sent > 100 && sent < 100000);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, open_line, close_line)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(a_message_comes_with_its_descriptor),
        TEST(nonsense_is_skipped_and_the_end_is_seen),
        TEST(a_line_that_nobody_reads_fills_up_instead_of_blocking),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
