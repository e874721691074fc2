/* lookup connects for scan: TCP, unix sockets, refusals, time-outs, nonsense. */
#include "lookup/engine.h"

#include "net/engine_address.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/un.h>
#include <unistd.h>

#include <cmocka.h>

struct fix {
    struct loop *loop;
    struct bus *scan, *lookup;
    struct bus_peer *to_lookup;
    struct engine_connector *connector;
    unsigned answers;
    uint64_t id, rc;
    char why[200];
    int fd;
};

static void on_socket(void *ctx, const struct bus_in *in)
{
    struct fix *f = ctx;
    const struct bus_engine_socket *m = in->msg;

    f->answers++;
    f->id = m->id;
    f->rc = m->rc;
    snprintf(f->why, sizeof f->why, "%.*s", STR(m->why));
    if (f->fd >= 0)
        close(f->fd);
    f->fd = in->fd;
}

static int setup(void **state)
{
    struct fix *f = calloc(1, sizeof *f);
    int fds[2];

    f->fd = -1;
    f->loop = loop_new();
    f->scan = bus_new(f->loop, ROLE_scan, 0);
    f->lookup = bus_new(f->loop, ROLE_lookup, 0);
    assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, fds), 0);
    f->to_lookup = bus_attach(f->scan, fds[0], ROLE_lookup, 0, 1);
    bus_attach(f->lookup, fds[1], ROLE_scan, 0, 1);
    bus_on(f->scan, BUS_engine_socket, on_socket, f);
    f->connector = engine_connector_new(f->loop, f->lookup);
    *state = f;
    return 0;
}

static int teardown(void **state)
{
    struct fix *f = *state;

    if (f->fd >= 0)
        close(f->fd);
    engine_connector_free(f->connector);
    bus_free(f->scan);
    bus_free(f->lookup);
    loop_free(f->loop);
    free(f);
    return 0;
}

static void ask(struct fix *f, const char *address, uint64_t timeout_ms)
{
    unsigned before = f->answers;

    bus_send(f->scan, f->to_lookup, BUS_engine_open,
             &(struct bus_engine_open){.id = before + 1, .address = str_c(address), .timeout_ms = timeout_ms});
    for (int i = 0; i < 1000 && f->answers == before; i++) {
        loop_turn(f->loop, false);
        usleep(1000);
    }
    assert_int_equal(f->answers, before + 1);
    assert_int_equal(f->id, before + 1);
}

static int listen_on(int *port_out)
{
    struct sockaddr_in sa = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    socklen_t n = sizeof sa;
    int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);

    assert_int_equal(bind(fd, (struct sockaddr *)&sa, sizeof sa), 0);
    assert_int_equal(getsockname(fd, (struct sockaddr *)&sa, &n), 0);
    *port_out = ntohs(sa.sin_port);
    return fd;
}

static void assert_joined(struct fix *f, int listener)
{
    int peer = accept(listener, NULL, NULL);
    char c = 0;

    assert_int_equal(f->rc, RC_OK);
    assert_true(peer >= 0 && f->fd >= 0);
    assert_int_equal(write(f->fd, "x", 1), 1);
    assert_int_equal(read(peer, &c, 1), 1);
    assert_int_equal(c, 'x');
    close(peer);
}

static void a_listening_engine_is_reached(void **state)
{
    struct fix *f = *state;
    char address[64];
    int port, listener = listen_on(&port);

    listen(listener, 4);
    snprintf(address, sizeof address, "127.0.0.1:%d", port);
    ask(f, address, 2000);
    assert_joined(f, listener);
    close(listener);
}

static void an_engine_on_a_path_is_reached(void **state)
{
    struct fix *f = *state;
    char dir[] = "/tmp/engineXXXXXX", address[128];
    struct sockaddr_un sa = {.sun_family = AF_UNIX};
    int listener = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);

    assert_non_null(mkdtemp(dir));
    snprintf(sa.sun_path, sizeof sa.sun_path, "%s/s", dir);
    assert_int_equal(bind(listener, (struct sockaddr *)&sa, sizeof sa), 0);
    listen(listener, 4);
    snprintf(address, sizeof address, "unix:%s", sa.sun_path);
    ask(f, address, 2000);
    assert_joined(f, listener);
    close(listener);
    unlink(sa.sun_path);
    ask(f, address, 2000);
    assert_int_equal(f->rc, RC_CONNECT);
    assert_string_equal(f->why, "No such file or directory");
    rmdir(dir);
}

static void a_closed_port_is_told_at_once(void **state)
{
    struct fix *f = *state;
    char address[64];
    int port, listener = listen_on(&port); /* bound, not listening */

    snprintf(address, sizeof address, "127.0.0.1:%d", port);
    ask(f, address, 2000);
    assert_int_equal(f->rc, RC_CONNECT);
    assert_string_equal(f->why, "Connection refused");
    assert_int_equal(f->fd, -1);
    close(listener);
}

static void an_engine_that_takes_no_connection_times_out(void **state)
{
    struct fix *f = *state;
    char address[64];
    int port, listener = listen_on(&port), full[8];
    struct sockaddr_in sa = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};

    listen(listener, 0); /* its backlog is filled below */
    sa.sin_port = htons((uint16_t)port);
    for (size_t i = 0; i < 8; i++) {
        full[i] = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
        connect(full[i], (struct sockaddr *)&sa, sizeof sa);
    }
    snprintf(address, sizeof address, "127.0.0.1:%d", port);
    ask(f, address, 100);
    assert_int_equal(f->rc, RC_TIMEOUT);
    for (size_t i = 0; i < 8; i++)
        close(full[i]);
    close(listener);
}

static void what_is_no_address_is_refused(void **state)
{
    static const char *const wrong[] = {
        "",
        "127.0.0.1",
        "127.0.0.1:0",
        "127.0.0.1:65536",
        "example.org:25",
        "::1:80",
        ":80",
        "127.0.0.1:x",
        "unix:",
        "unix:relative",
        "[::1]",
        "1.2.3.4:-1",
        "unix:/ttttttttttttttttttttttttttttttttttttttttttttttttttttttttttttttttttttttttttttttttttttttttttttttttttttttt"
        "ttttttt"};
    struct engine_address a;

    for (size_t i = 0; i < sizeof wrong / sizeof *wrong; i++) {
        if (engine_address_parse(str_c(wrong[i]), &a))
            fail_msg("taken: %s", wrong[i]);
        ask(*state, wrong[i], 100);
        assert_int_equal(((struct fix *)*state)->rc, RC_INVALID);
    }
    assert_true(engine_address_parse(str_lit("[::1]:80"), &a) && engine_address_local(&a));
    assert_true(engine_address_parse(str_lit("localhost:80"), &a) && engine_address_local(&a));
    assert_true(engine_address_parse(str_lit("unix:/run/x"), &a) && engine_address_local(&a));
    assert_true(engine_address_parse(str_lit("192.0.2.7:3310"), &a) && !engine_address_local(&a));
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(a_listening_engine_is_reached), TEST(an_engine_on_a_path_is_reached),
        TEST(a_closed_port_is_told_at_once), TEST(an_engine_that_takes_no_connection_times_out),
        TEST(what_is_no_address_is_refused),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
