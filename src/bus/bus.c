/*
 * The bus of a role: its peers, what it does with each message, and the hybrid clock that makes events causal. See bus.h.
 *
 * Called by every role. Owns the peers (one struct per life of the other process; those gone are kept until bus_free, so a
 * pointer held too long is harmless) and a handler per message type. A peer that breaks a rule or ends its stream is told to
 * the watchers; whatever else fails concerns that peer alone.
 */
#include "bus/private.h"

#include "base/clock.h"
#include "base/io.h"
#include "base/must.h"

#include <fcntl.h>
#include <stdlib.h>
#include <unistd.h>

/* A stamp so far ahead of our own clock is no clock's: it would spoil the order of everything after it. */
static const uint64_t STAMP_AHEAD_NS = UINT64_C(10000000000);

/* --- stamps ----------------------------------------------------------------------------------------------------------- */

uint64_t bus_stamp(struct bus *b)
{
    uint64_t now = clock_mono_ns();

    b->stamp = (now > b->stamp ? now : b->stamp) + 1;
    return b->stamp;
}

static void stamp_seen(struct bus *b, uint64_t stamp)
{
    if (stamp > b->stamp && stamp < clock_mono_ns() + STAMP_AHEAD_NS)
        b->stamp = stamp;
}

/* --- sending ------------------------------------------------------------------------------------------------------------
 */

static void add_fd(struct peer *p, int fd, uint64_t at)
{
    if (p->n_fds == p->cap_fds) {
        size_t cap = p->cap_fds ? p->cap_fds * 2 : 8;
        struct fd_out *fds = realloc(p->fds, cap * sizeof *fds);

        must(fds);
        p->fds = fds;
        p->cap_fds = cap;
    }
    p->fds[p->n_fds++] = (struct fd_out){fd, at};
}

bool bus_queue(struct bus *b, struct bus_peer *to, struct frame *f, const void *msg, int fd)
{
    struct peer *p = (struct peer *)to;
    uint64_t at;
    int copy = -1;

    if (!p || !p->present || p->broken)
        return false;
    must(bus_row(f->type) && bus_row_permits(bus_row(f->type), b->self, p->face.role));
    if (fd >= 0) {
        copy = fcntl(fd, F_DUPFD_CLOEXEC, 0);
        if (copy < 0)
            return false;
        f->flags |= FRAME_FD;
    }
    f->stamp = b->stamp;
    at = p->out_done + p->out.n - p->out_at;
    if (!frame_put(&p->out, f, msg)) {
        if (copy >= 0)
            close(copy);
        return false;
    }
    if (copy >= 0)
        add_fd(p, copy, at);
    b->dirty = true;
    return true;
}

bool bus_send_fd(struct bus *b, struct bus_peer *to, enum bus_type type, const void *msg, int fd)
{
    struct frame f = {.type = (uint16_t)type};

    return bus_queue(b, to, &f, msg, fd);
}

bool bus_send(struct bus *b, struct bus_peer *to, enum bus_type type, const void *msg)
{
    return bus_send_fd(b, to, type, msg, -1);
}

void bus_send_all(struct bus *b, enum role role, enum bus_type type, const void *msg)
{
    for (struct peer *p = b->peers; p; p = p->next)
        if (role == ROLE_any || p->face.role == role)
            bus_send(b, &p->face, type, msg);
}

bool bus_full(const struct bus *b, const struct bus_peer *to)
{
    const struct peer *p = (const struct peer *)to;

    (void)b;
    return p && p->out.n - p->out_at > FULL_BYTES;
}

/* PHASE_BUS: everything that was queued this turn leaves, one sendmsg a peer. */
static void flush_all(void *ctx)
{
    struct bus *b = ctx;

    if (!b->dirty)
        return;
    b->dirty = false;
    for (struct peer *p = b->peers; p; p = p->next)
        if (p->out.n && !p->broken)
            peer_flush(p);
}

/* --- receiving ----------------------------------------------------------------------------------------------------------
 */

bool bus_dispatch(struct bus *b, struct peer *from, const struct frame *f, int fd)
{
    const struct bus_row *row = bus_row(f->type);
    struct bus_in in = {.from = &from->face, .call = f->call, .msg = &b->message, .fd = fd};
    bool right = bus_row_permits(row, from->face.role, b->self) && fields_decode(row->fields, f->payload, &b->message);

    if (right && b->faults)
        io_pass(row->take_point);
    if (right)
        stamp_seen(b, f->stamp);
    if (right && !(f->flags & FRAME_REPLY) && b->handlers[f->type].fn) {
        b->handlers[f->type].fn(b->handlers[f->type].ctx, &in);
        return true;
    }
    if (fd >= 0)
        close(fd);
    if (right && (!(f->flags & FRAME_REPLY) || !call_answered(b, from, f->call, &b->message)))
        b->dropped++;
    return right;
}

void bus_on(struct bus *b, enum bus_type type, bus_handler *fn, void *ctx)
{
    must(bus_row(type));
    b->handlers[type].fn = fn;
    b->handlers[type].ctx = ctx;
}

/* --- peers --------------------------------------------------------------------------------------------------------------
 */

void bus_on_peer(struct bus *b, void (*come)(void *ctx, struct bus_peer *p), void (*gone)(void *ctx, struct bus_peer *p),
                 void *ctx)
{
    must(b->n_watchers < PEER_WATCHERS);
    b->watchers[b->n_watchers].come = come;
    b->watchers[b->n_watchers].gone = gone;
    b->watchers[b->n_watchers++].ctx = ctx;
    for (struct peer *p = b->peers, *next; come && p; p = next) {
        next = p->next;
        come(ctx, &p->face);
    }
}

struct bus_peer *bus_peer(struct bus *b, enum role role, unsigned index)
{
    for (struct peer *p = b->peers; p; p = p->next)
        if (p->face.role == role && p->face.index == index)
            return &p->face;
    return NULL;
}

void bus_each(struct bus *b, enum role role, void (*fn)(void *ctx, struct bus_peer *p), void *ctx)
{
    for (struct peer *p = b->peers, *next; p; p = next) {
        next = p->next;
        if (role == ROLE_any || p->face.role == role)
            fn(ctx, &p->face);
    }
}

static void remove_peer(struct bus *b, struct peer *p)
{
    struct peer **at = &b->peers;

    while (*at != p)
        at = &(*at)->next;
    *at = p->next;
    p->next = b->dead;
    b->dead = p;
}

void bus_peer_ended(struct bus *b, struct peer *p)
{
    remove_peer(b, p);
    peer_close(p);
    calls_of_peer_gone(b, p);
    for (unsigned i = 0; i < b->n_watchers; i++)
        if (b->watchers[i].gone)
            b->watchers[i].gone(b->watchers[i].ctx, &p->face);
}

struct bus_peer *bus_attach(struct bus *b, int fd, enum role role, unsigned index, unsigned life)
{
    struct bus_peer *old = bus_peer(b, role, index);
    struct peer *p;

    if (old)
        bus_peer_ended(b, (struct peer *)old);
    p = peer_new(b, fd);
    if (!p) {
        close(fd);
        return NULL;
    }
    p->face = (struct bus_peer){.role = role, .index = index, .life = life};
    p->next = b->peers;
    b->peers = p;
    peer_watch(p);
    for (unsigned i = 0; i < b->n_watchers; i++)
        if (b->watchers[i].come)
            b->watchers[i].come(b->watchers[i].ctx, &p->face);
    return &p->face;
}

void bus_hold(struct bus *b, bool on)
{
    b->held = on;
    for (struct peer *p = b->peers; p; p = p->next)
        peer_watch(p);
}

/* --- the bus itself -------------------------------------------------------------------------------------------------------
 */

struct bus *bus_new(struct loop *loop, enum role self, unsigned index)
{
    struct bus *b = calloc(1, sizeof *b);
    char *read_buf = malloc(READ_BYTES);

    must(b && read_buf);
    b->loop = loop;
    b->self = self;
    b->index = index;
    b->read_buf = read_buf;
    b->faults = getenv("POSTERN_FAULT") != NULL;
    loop_at_end(loop, PHASE_BUS, flush_all, b);
    return b;
}

static void free_memory(struct bus *b)
{
    for (struct peer *p = b->dead, *next; p; p = next) {
        next = p->next;
        free(p);
    }
    free(b->read_buf);
    free(b->wait_buf);
    free(b);
}

void bus_handle_closed(struct bus *b)
{
    if (--b->closing == 0 && b->freed)
        free_memory(b);
}

void bus_free(struct bus *b)
{
    if (!b)
        return;
    while (b->peers) {
        struct peer *p = b->peers;

        remove_peer(b, p);
        peer_close(p);
    }
    calls_free(b);
    loop_at_end_cancel(b->loop, PHASE_BUS, flush_all, b);
    b->freed = true;
    if (!b->closing)
        free_memory(b);
}
