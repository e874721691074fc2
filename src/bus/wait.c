/*
 * Waiting for one peer inside a handler: the blocking style of scan workers. See bus.h.
 *
 * Called by rooms that judge one message at a time. Owns a read buffer of its own, since the loop's may still hold frames of
 * the peer whose message is being handled. The socket stays in the loop's hands: what comes later is read there as ever.
 */
#include "bus/private.h"

#include "base/clock.h"
#include "base/must.h"

#include <poll.h>
#include <stdlib.h>

/* False: the time is over. */
static bool wait_ready(const struct peer *p, uint64_t until_ms)
{
    struct pollfd one = {.fd = p->fd, .events = (short)(POLLIN | (p->out.n ? POLLOUT : 0))};
    uint64_t now = clock_mono_ms();
    int n;

    if (now >= until_ms)
        return false;
    n = poll(&one, 1, (int)(until_ms - now > 60000 ? 60000 : until_ms - now));
    return n > 0 || clock_mono_ms() < until_ms;
}

static bool wait_for(struct bus *b, struct peer *p, uint64_t until_ms, bool (*done)(void *ctx), void *ctx)
{
    while (!done(ctx)) {
        if (!p->present)
            return false;
        if (p->out.n && !p->broken)
            peer_flush(p);
        if (!wait_ready(p, until_ms))
            return false;
        if (!peer_read(p, b->wait_buf) && p->present)
            bus_peer_ended(b, p);
    }
    return true;
}

bool bus_wait(struct bus *b, struct bus_peer *from, uint64_t timeout_ms, bool (*done)(void *ctx), void *ctx)
{
    union frame_message outer = b->message;
    bool came;

    must(!b->waiting);
    if (!from)
        return done(ctx);
    if (!b->wait_buf)
        must((b->wait_buf = malloc(READ_BYTES)));
    b->waiting = true;
    came = wait_for(b, (struct peer *)from, clock_mono_ms() + timeout_ms, done, ctx);
    b->waiting = false;
    b->message = outer;
    return came;
}
