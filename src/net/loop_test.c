/* The loop: order of the phases, timers by an injected clock, the thread pool. */
#include "net/loop.h"

#include "base/clock.h"

#include <setjmp.h>
#include <stdarg.h>
#include <unistd.h>

#include <cmocka.h>

struct trace {
    struct loop *l;
    char text[64];
    size_t n;
    int again;
};

static void note(struct trace *t, char c)
{
    if (t->n + 1 < sizeof t->text)
        t->text[t->n++] = c;
}

static void store(void *ctx)
{
    note(ctx, 's');
}
static void event(void *ctx)
{
    note(ctx, 'e');
}
static void bus(void *ctx)
{
    note(ctx, 'b');
}

static void peer(void *ctx)
{
    struct trace *t = ctx;

    note(t, 'p');
    if (t->again) {
        t->again--;
        loop_again(t->l);
    }
}

static void timer(void *ctx)
{
    note(ctx, 't');
}

/* design-notes B1: what timers and I/O caused is stored, told, sent in this order, whatever the order of registration. */
static void phases_run_in_order_after_timers(void **state)
{
    struct trace t = {.l = loop_new()};
    struct loop_timer timers[1] = {0};

    (void)state;
    loop_at_end(t.l, PHASE_PEER, peer, &t);
    loop_at_end(t.l, PHASE_BUS, bus, &t);
    loop_at_end(t.l, PHASE_STORE, store, &t);
    loop_at_end(t.l, PHASE_EVENT, event, &t);
    loop_timer_set(t.l, &timers[0], 0, timer, &t);
    t.again = 1;
    loop_turn(t.l, true);
    assert_true(t.n >= 9);
    assert_memory_equal(t.text, "tsebpsebp", 9);
    assert_int_equal(timers[0].slot, 0);
    loop_free(t.l);
}

/* Hooks that always want another pass do not keep I/O out for ever. */
static void endless_again_still_returns(void **state)
{
    struct trace t = {.l = loop_new(), .again = 100000};

    (void)state;
    loop_at_end(t.l, PHASE_PEER, peer, &t);
    loop_turn(t.l, true);
    loop_turn(t.l, true);
    assert_true(t.again > 0);
    loop_free(t.l);
}

enum { MANY = 500 };
struct ticking {
    struct loop *l;
    struct loop_timer timers[MANY];
    uint64_t last_ms, fired;
};

static void tick(void *ctx)
{
    struct ticking *k = ctx;

    assert_true(loop_now_ms(k->l) >= k->last_ms);
    k->last_ms = loop_now_ms(k->l);
    k->fired++;
}

/* The heap keeps its order under setting, moving and cancelling; time comes from the injected clock. */
static void timers_fire_when_due_and_only_then(void **state)
{
    struct ticking k = {0};
    uint64_t expected = 0;

    (void)state;
    clock_test_set(1000000, 5000);
    k.l = loop_new();
    for (unsigned i = 0; i < MANY; i++)
        loop_timer_set(k.l, &k.timers[i], 1 + (i * 7919u) % 1000, tick, &k);
    for (unsigned i = 0; i < MANY; i += 3)
        loop_timer_set(k.l, &k.timers[i], 2000 + (i * 104729u) % 1000, tick, &k);
    for (unsigned i = 0; i < MANY; i += 5)
        loop_timer_cancel(k.l, &k.timers[i]);
    for (uint64_t at = 5000; at < 8100; at += 10) {
        expected = 0;
        for (unsigned i = 0; i < MANY; i++)
            expected += i % 5 && (i % 3 ? 5001 + (i * 7919u) % 1000 : 7000 + (i * 104729u) % 1000) <= at;
        loop_turn(k.l, false);
        assert_int_equal(k.fired, expected);
        clock_test_advance(10);
    }
    assert_int_equal(k.fired, 500 - 100 - 0);
    loop_free(k.l);
    clock_test_set(0, 0);
}

static void stop(void *ctx)
{
    loop_stop(ctx);
}

static void pooled(void *ctx)
{
    *(int *)ctx += 1;
}
static struct loop *stopping;
static void pooled_done(void *ctx)
{
    *(int *)ctx += 10;
    loop_stop(stopping);
}

static void work_runs_in_the_pool_and_comes_back(void **state)
{
    int value = 0;

    (void)state;
    stopping = loop_new();
    loop_work(stopping, pooled, pooled_done, &value);
    loop_run(stopping);
    assert_int_equal(value, 11);
    loop_free(stopping);
}

/* What the turn that stops the loop caused still passes the phases. */
static void last_turn_ends_with_its_phases(void **state)
{
    struct trace t = {.l = loop_new()};
    struct loop_timer quick = {0}, slow = {0};

    (void)state;
    loop_at_end(t.l, PHASE_STORE, store, &t);
    loop_timer_set(t.l, &quick, 2, stop, t.l);
    loop_timer_set(t.l, &slow, 60000, timer, &t);
    loop_run(t.l);
    assert_true(t.n >= 1 && t.text[t.n - 1] == 's');
    loop_free(t.l);
    assert_int_equal(slow.slot, 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(phases_run_in_order_after_timers),     cmocka_unit_test(endless_again_still_returns),
        cmocka_unit_test(work_runs_in_the_pool_and_comes_back), cmocka_unit_test(last_turn_ends_with_its_phases),
        cmocka_unit_test(timers_fire_when_due_and_only_then),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
