/* Listeners of type blackhole. */
#include "receive/receive_testing.h"

#include <unistd.h>

static void a_blackhole_listener_takes_everything_and_keeps_nothing(void **state)
{
    struct receive_fixture *f = receive_fixture_new("listener.In.type=blackhole\n", NULL);
    int fd = receive_dial(f, 0, NULL);

    (void)state;
    receive_expect(f, fd, "", "220 ");
    receive_expect(f, fd, "EHLO client.test\r\n", "250-");
    receive_expect(f, fd, "MAIL FROM:<a@b.test>\r\n", "250 ");
    receive_expect(f, fd, "RCPT TO:<a@elsewhere.test>\r\n", "250 ");
    receive_expect(f, fd, "DATA\r\n", "354 ");
    receive_expect(f, fd, "Subject: x\r\n\r\nx\r\n.\r\n", "250 ");
    assert_true(receive_logged(f, "Dropped by blackhole listener In"));
    assert_int_equal(f->n_stored, 0);
    close(fd);
    receive_fixture_free(f);
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(a_blackhole_listener_takes_everything_and_keeps_nothing)};

    return cmocka_run_group_tests(tests, NULL, NULL);
}
