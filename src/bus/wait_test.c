/* A worker waits inside a handler: for one peer, for a time, and what it was handling stays as it was. */
#include "bus/private.h"

#include "base/clock.h"

#include <pthread.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <unistd.h>

#include <cmocka.h>

/* scan with two peers; lookup lives in a thread of its own, as another process would. */
struct fix {
    struct loop *loop, *lookup_loop;
    struct bus *scan, *queue, *lookup;
    struct bus_peer *to_lookup, *to_scan;
    pthread_t thread;
    bool stop, answers, ends;
    unsigned works, sockets;
    uint64_t mid_before, mid_after;
    bool waited;
    int fd;
};

static void *lookup_runs(void *arg)
{
    struct fix *f = arg;

    while (!__atomic_load_n(&f->stop, __ATOMIC_ACQUIRE)) {
        loop_turn(f->lookup_loop, false);
        usleep(500);
    }
    return NULL;
}

static void on_open(void *ctx, const struct bus_in *in)
{
    struct fix *f = ctx;
    const struct bus_engine_open *m = in->msg;
    int fds[2];

    if (f->ends)
        shutdown(((struct peer *)in->from)->fd, SHUT_RDWR);
    if (!f->answers)
        return;
    assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM, 0, fds), 0);
    bus_send_fd(f->lookup, in->from, BUS_engine_socket, &(struct bus_engine_socket){.id = m->id}, fds[0]);
    close(fds[0]);
    close(fds[1]);
}

static void on_socket(void *ctx, const struct bus_in *in)
{
    struct fix *f = ctx;

    f->sockets++;
    f->fd = in->fd;
}

static bool has_socket(void *ctx)
{
    return ((struct fix *)ctx)->sockets > 0;
}

static void on_work(void *ctx, const struct bus_in *in)
{
    struct fix *f = ctx;
    const struct bus_scan_work *work = in->msg;

    if (++f->works > 1)
        return;
    f->mid_before = work->mid;
    bus_send(f->scan, f->to_lookup, BUS_engine_open, &(struct bus_engine_open){.id = 7, .address = str_lit("127.0.0.1:1")});
    f->waited = bus_wait(f->scan, f->to_lookup, 300, has_socket, f);
    f->mid_after = work->mid;
}

static struct bus_peer *join(struct bus *a, enum role ra, struct bus *b, enum role rb)
{
    int fds[2];

    assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, fds), 0);
    bus_attach(b, fds[1], ra, 0, 1);
    return bus_attach(a, fds[0], rb, 0, 1);
}

static int setup(void **state)
{
    struct fix *f = calloc(1, sizeof *f);
    struct bus_peer *worker;

    f->fd = -1;
    f->loop = loop_new();
    f->lookup_loop = loop_new();
    f->scan = bus_new(f->loop, ROLE_scan, 0);
    f->queue = bus_new(f->loop, ROLE_queue, 0);
    f->lookup = bus_new(f->lookup_loop, ROLE_lookup, 0);
    f->to_lookup = join(f->scan, ROLE_scan, f->lookup, ROLE_lookup);
    worker = join(f->queue, ROLE_queue, f->scan, ROLE_scan);
    bus_on(f->scan, BUS_scan_work, on_work, f);
    bus_on(f->scan, BUS_engine_socket, on_socket, f);
    bus_on(f->lookup, BUS_engine_open, on_open, f);
    bus_send(f->queue, worker, BUS_scan_work, &(struct bus_scan_work){.mid = 41});
    bus_send(f->queue, worker, BUS_scan_work, &(struct bus_scan_work){.mid = 42}); /* in the same read */
    *state = f;
    return 0;
}

static int teardown(void **state)
{
    struct fix *f = *state;

    __atomic_store_n(&f->stop, true, __ATOMIC_RELEASE);
    pthread_join(f->thread, NULL);
    if (f->fd >= 0)
        close(f->fd);
    bus_free(f->scan);
    bus_free(f->queue);
    bus_free(f->lookup);
    loop_free(f->loop);
    loop_free(f->lookup_loop);
    free(f);
    return 0;
}

static void run(struct fix *f)
{
    pthread_create(&f->thread, NULL, lookup_runs, f);
    for (int i = 0; i < 5; i++)
        loop_turn(f->loop, false);
}

static void the_answer_comes_inside_the_handler(void **state)
{
    struct fix *f = *state;

    f->answers = true;
    run(f);
    assert_true(f->waited);
    assert_true(f->fd >= 0);
    assert_int_equal(f->mid_before, 41);
    assert_int_equal(f->mid_after, 41);
    assert_int_equal(f->works, 2); /* the message behind it was not lost */
}

static void without_an_answer_the_time_ends_it(void **state)
{
    struct fix *f = *state;
    uint64_t began = clock_mono_ms();

    run(f);
    assert_false(f->waited);
    assert_true(clock_mono_ms() - began >= 300);
    assert_int_equal(f->works, 2);
}

static void a_peer_that_goes_ends_it_at_once(void **state)
{
    struct fix *f = *state;
    uint64_t began = clock_mono_ms();

    f->ends = true;
    run(f);
    assert_false(f->waited);
    assert_true(clock_mono_ms() - began < 250);
    assert_null(bus_peer(f->scan, ROLE_lookup, 0));
    assert_int_equal(f->works, 2);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(the_answer_comes_inside_the_handler),
        TEST(without_an_answer_the_time_ends_it),
        TEST(a_peer_that_goes_ends_it_at_once),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
