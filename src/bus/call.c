/*
 * Messages that want an answer: who waits for which number, and until when.
 *
 * Called by rooms through bus.h and by bus.c when replies come or peers go. Owns one block per call in flight, used again
 * afterwards. The waiter is told exactly once: answer, RC_TIMEOUT or RC_UNAVAILABLE; an answer that comes later is dropped.
 * A call's number holds its place in the table (low 24 bits) under a count that never repeats.
 */
#include "bus/private.h"

#include "base/must.h"

#include <stdlib.h>

enum { PLACE_BITS = 24 };

static struct call *call_find(struct bus *b, uint64_t id)
{
    uint64_t place = id & ((1u << PLACE_BITS) - 1);

    return place < b->n_calls && id && b->calls[place]->id == id ? b->calls[place] : NULL;
}

static void call_release(struct call *c)
{
    loop_timer_cancel(c->bus->loop, &c->timer);
    c->id = 0;
    c->next_free = c->bus->free_calls;
    c->bus->free_calls = c;
}

static void call_end(struct call *c, enum rc rc, const void *msg)
{
    bus_reply_fn *fn = c->fn;
    void *ctx = c->ctx;

    call_release(c);
    fn(ctx, rc, msg);
}

static void call_late(void *ctx)
{
    struct call *c = ctx;

    call_end(c, c->to ? RC_TIMEOUT : RC_UNAVAILABLE, NULL);
}

static struct call *call_more(struct bus *b)
{
    struct call *c = calloc(1, sizeof *c);
    struct call **calls = realloc(b->calls, (b->n_calls + 1) * sizeof(struct call *));

    must(c && calls && b->n_calls < 1u << PLACE_BITS);
    b->calls = calls;
    c->bus = b;
    c->next_id = (UINT64_C(1) << PLACE_BITS) | b->n_calls;
    b->calls[b->n_calls++] = c;
    return c;
}

static struct call *call_new(struct bus *b)
{
    struct call *c = b->free_calls;

    if (c)
        b->free_calls = c->next_free;
    else
        c = call_more(b);
    c->id = c->next_id;
    c->next_id += UINT64_C(1) << PLACE_BITS;
    return c;
}

uint64_t bus_call_fd(struct bus *b, struct bus_peer *to, enum bus_type type, const void *msg, int fd, uint64_t timeout_ms,
                     bus_reply_fn *fn, void *ctx)
{
    struct call *c = call_new(b);
    struct frame f = {.type = (uint16_t)type, .flags = FRAME_CALL, .call = c->id};

    c->fn = fn;
    c->ctx = ctx;
    c->to = bus_queue(b, to, &f, msg, fd) ? (struct peer *)to : NULL;
    loop_timer_set(b->loop, &c->timer, c->to ? timeout_ms : 0, call_late, c);
    return c->id;
}

uint64_t bus_call(struct bus *b, struct bus_peer *to, enum bus_type type, const void *msg, uint64_t timeout_ms,
                  bus_reply_fn *fn, void *ctx)
{
    return bus_call_fd(b, to, type, msg, -1, timeout_ms, fn, ctx);
}

void bus_cancel(struct bus *b, uint64_t id)
{
    struct call *c = call_find(b, id);

    if (c)
        call_release(c);
}

void bus_reply(struct bus *b, struct bus_peer *to, uint64_t call, enum bus_type type, const void *msg)
{
    struct frame f = {.type = (uint16_t)type, .flags = FRAME_REPLY, .call = call};

    if (call)
        bus_queue(b, to, &f, msg, -1);
}

bool call_answered(struct bus *b, struct peer *from, uint64_t id, const void *msg)
{
    struct call *c = call_find(b, id);

    if (!c || c->to != from)
        return false;
    call_end(c, RC_OK, msg);
    return true;
}

void calls_of_peer_gone(struct bus *b, struct peer *p)
{
    for (size_t i = 0; i < b->n_calls; i++)
        if (b->calls[i]->id && b->calls[i]->to == p)
            call_end(b->calls[i], RC_UNAVAILABLE, NULL);
}

void calls_free(struct bus *b)
{
    for (size_t i = 0; i < b->n_calls; i++) {
        loop_timer_cancel(b->loop, &b->calls[i]->timer);
        free(b->calls[i]);
    }
    free(b->calls);
}
