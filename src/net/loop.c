/*
 * The loop of a role: libuv, a heap of timers behind one uv timer, and the phases at the end of each turn.
 *
 * Called by role_main (runs it) and by every room that waits for something. Owns the uv loop, the heap's array (not the
 * timers in it) and the list of hooks. One prepare hook, which libuv runs right before it blocks, fires due timers and then
 * runs the phases. Fails only for lack of memory, which ends the process.
 */
#include "net/loop.h"

#include "base/clock.h"
#include "base/must.h"

#include <stdlib.h>

enum { AGAIN_MOST = 16 }; /* repeats of the phases before I/O gets its turn again */

struct hook {
    void (*fn)(void *ctx);
    void *ctx;
};

struct hooks {
    struct hook *items;
    size_t n;
};

struct loop {
    uv_loop_t uv;
    uv_prepare_t prepare;
    uv_timer_t timer;
    uv_idle_t idle; /* active = the next poll must not block */
    struct hooks phases[PHASE_COUNT];
    void *sockets;
    void (*sockets_free)(void *state);
    bool again;
    uint64_t now_ms;
    bool now_known;           /* now_ms belongs to this turn */
    uint64_t armed_ms;        /* when the uv timer wakes us, 0 = not armed */
    struct loop_timer **heap; /* heap[1..n]: heap[1] is the earliest */
    size_t n, cap;
};

uint64_t loop_now_ms(const struct loop *l)
{
    struct loop *cache = (struct loop *)l;

    if (!l->now_known) {
        cache->now_ms = clock_mono_ms();
        cache->now_known = true;
    }
    return l->now_ms;
}

/* --- timers --- */

static void heap_put(struct loop *l, size_t slot, struct loop_timer *t)
{
    l->heap[slot] = t;
    t->slot = slot;
}

static void heap_up(struct loop *l, size_t slot, struct loop_timer *t)
{
    for (; slot > 1 && l->heap[slot / 2]->at_ms > t->at_ms; slot /= 2)
        heap_put(l, slot, l->heap[slot / 2]);
    heap_put(l, slot, t);
}

static void heap_down(struct loop *l, size_t slot, struct loop_timer *t)
{
    for (size_t child; (child = slot * 2) <= l->n; slot = child) {
        if (child < l->n && l->heap[child + 1]->at_ms < l->heap[child]->at_ms)
            child++;
        if (l->heap[child]->at_ms >= t->at_ms)
            break;
        heap_put(l, slot, l->heap[child]);
    }
    heap_put(l, slot, t);
}

static void heap_settle(struct loop *l, size_t slot, struct loop_timer *t)
{
    if (slot > 1 && l->heap[slot / 2]->at_ms > t->at_ms)
        heap_up(l, slot, t);
    else
        heap_down(l, slot, t);
}

void loop_timer_set(struct loop *l, struct loop_timer *t, uint64_t in_ms, void (*fn)(void *ctx), void *ctx)
{
    uint64_t now = loop_now_ms(l);

    t->fn = fn;
    t->ctx = ctx;
    t->at_ms = in_ms > UINT64_MAX - now ? UINT64_MAX : now + in_ms;
    if (t->slot) {
        heap_settle(l, t->slot, t);
        return;
    }
    if (l->n + 1 >= l->cap) {
        size_t cap = l->cap ? l->cap * 2 : 64;
        struct loop_timer **heap = realloc(l->heap, cap * sizeof *heap);

        must(heap);
        l->heap = heap;
        l->cap = cap;
    }
    heap_up(l, ++l->n, t);
}

void loop_timer_cancel(struct loop *l, struct loop_timer *t)
{
    size_t slot = t->slot;
    struct loop_timer *last;

    if (!slot)
        return;
    t->slot = 0;
    last = l->heap[l->n--];
    if (last != t)
        heap_settle(l, slot, last);
}

/* Fires what is due now, each timer at most once a turn (a timer set anew for "at once" waits for the next turn). */
static bool timers_fire(struct loop *l)
{
    uint64_t now = loop_now_ms(l);
    bool fired = false;

    for (size_t most = l->n; most && l->n && l->heap[1]->at_ms <= now; most--) {
        struct loop_timer *t = l->heap[1];

        loop_timer_cancel(l, t);
        t->fn(t->ctx);
        fired = true;
    }
    return fired;
}

static void timer_woke(uv_timer_t *timer)
{
    struct loop *l = timer->data;

    l->armed_ms = 0; /* the prepare hook fires what is due */
}

/* An alarm that comes too early (its timer was cancelled) costs one empty turn and is left alone. */
static void timers_arm(struct loop *l)
{
    uint64_t now = loop_now_ms(l), at;

    if (!l->n || (l->armed_ms && l->armed_ms <= l->heap[1]->at_ms))
        return;
    at = l->heap[1]->at_ms;
    uv_timer_start(&l->timer, timer_woke, at > now ? at - now : 0, 0);
    l->armed_ms = at ? at : 1;
}

/* --- the end of a turn --- */

void loop_at_end(struct loop *l, enum loop_phase phase, void (*fn)(void *ctx), void *ctx)
{
    struct hooks *h = &l->phases[phase];
    struct hook *items = realloc(h->items, (h->n + 1) * sizeof *items);

    must(items);
    h->items = items;
    h->items[h->n++] = (struct hook){fn, ctx};
}

static void hook_nothing(void *ctx)
{
    (void)ctx;
}

/* The place stays, so a hook may cancel itself or others while the phases run. */
void loop_at_end_cancel(struct loop *l, enum loop_phase phase, void (*fn)(void *ctx), void *ctx)
{
    for (size_t i = 0; i < l->phases[phase].n; i++)
        if (l->phases[phase].items[i].fn == fn && l->phases[phase].items[i].ctx == ctx)
            l->phases[phase].items[i] = (struct hook){hook_nothing, NULL};
}

void loop_again(struct loop *l)
{
    l->again = true;
}

static void idle_nothing(uv_idle_t *idle)
{
    (void)idle;
}

static void phases_run(struct loop *l)
{
    int left = AGAIN_MOST;

    do {
        l->again = false;
        for (int phase = 0; phase < PHASE_COUNT; phase++)
            for (size_t i = 0; i < l->phases[phase].n; i++)
                l->phases[phase].items[i].fn(l->phases[phase].items[i].ctx);
    } while (l->again && --left);
    if (l->again)
        uv_idle_start(&l->idle, idle_nothing);
    else
        uv_idle_stop(&l->idle);
}

/* Everything between the last callback of a turn and the next poll. */
static bool turn_end(struct loop *l)
{
    bool fired;

    l->now_known = false;
    fired = timers_fire(l);
    phases_run(l);
    timers_arm(l);
    l->now_known = false;
    return fired;
}

static void before_poll(uv_prepare_t *prepare)
{
    turn_end(prepare->data);
}

struct loop *loop_new(void)
{
    struct loop *l = calloc(1, sizeof *l);

    must(l);
    must(uv_loop_init(&l->uv) == 0);
    uv_prepare_init(&l->uv, &l->prepare);
    uv_timer_init(&l->uv, &l->timer);
    uv_idle_init(&l->uv, &l->idle);
    l->uv.data = l->prepare.data = l->timer.data = l->idle.data = l;
    uv_prepare_start(&l->prepare, before_poll);
    return l;
}

static void close_handle(uv_handle_t *handle, void *ctx)
{
    (void)ctx;
    if (!uv_is_closing(handle))
        uv_close(handle, NULL);
}

void loop_free(struct loop *l)
{
    if (!l)
        return;
    if (l->sockets)
        l->sockets_free(l->sockets);
    uv_walk(&l->uv, close_handle, NULL);
    uv_run(&l->uv, UV_RUN_DEFAULT); /* close callbacks and work that is still in the pool */
    must(uv_loop_close(&l->uv) == 0);
    for (int phase = 0; phase < PHASE_COUNT; phase++)
        free(l->phases[phase].items);
    for (size_t i = 1; i <= l->n; i++)
        l->heap[i]->slot = 0;
    free(l->heap);
    free(l);
}

void loop_sockets_set(struct loop *l, void *state, void (*free_state)(void *state))
{
    l->sockets = state;
    l->sockets_free = free_state;
}

void *loop_sockets(const struct loop *l)
{
    return l->sockets;
}

uv_loop_t *loop_uv(struct loop *l)
{
    return &l->uv;
}

void loop_run(struct loop *l)
{
    uv_run(&l->uv, UV_RUN_DEFAULT);
    turn_end(l);
}

void loop_turn(struct loop *l, bool block)
{
    bool fired = turn_end(l);

    uv_run(&l->uv, block && !fired ? UV_RUN_ONCE : UV_RUN_NOWAIT);
    turn_end(l);
}

void loop_stop(struct loop *l)
{
    uv_stop(&l->uv);
}

/* --- thread pool --- */

struct work {
    uv_work_t req;
    void (*work)(void *ctx);
    void (*done)(void *ctx);
    void *ctx;
};

static void work_run(uv_work_t *req)
{
    struct work *w = req->data;

    w->work(w->ctx);
}

static void work_done(uv_work_t *req, int status)
{
    struct work *w = req->data;

    (void)status;
    w->done(w->ctx);
    free(w);
}

void loop_work(struct loop *l, void (*work)(void *ctx), void (*done)(void *ctx), void *ctx)
{
    struct work *w = malloc(sizeof *w);

    must(w);
    *w = (struct work){.work = work, .done = done, .ctx = ctx};
    w->req.data = w;
    must(uv_queue_work(&l->uv, &w->req, work_run, work_done) == 0);
}
