/*
 * Tells queue of every stored message and keeps each until queue knows it (design-notes D3, I1).
 *
 * Called when a record is on stable storage and when queue speaks. Owns the list of unconfirmed references and of closed
 * segments that queue has not freed yet. Queue gone: everything unconfirmed is told again when it is back; the key (segment,
 * generation, offset) makes repeats harmless. Too much unconfirmed: sessions wait at MAIL, 30 s at most.
 *
 * The marks on the board say what peers may have been told: `answering` before the bus message leaves (PHASE_BUS),
 * `answered` when the replies of that turn have left (a hook of PHASE_PEER behind the runtime's own).
 */
#include "receive/inside.h"

#include <stdlib.h>

enum { UNCONFIRMED = 1024, UNCONFIRMED_BYTES = 16 << 20 };

struct unconfirmed {
    struct spool_ref ref;
    uint64_t mid, bytes;
};

struct announce {
    struct receive *r;
    struct unconfirmed *items; /* oldest at `from` */
    size_t from, n, max;
    uint64_t bytes;
    struct bus_segment_closed *closed;
    size_t n_closed, max_closed;
    struct session *waiting;
    bool marks_dirty, hooked;
};

static struct bus_peer *queue_of(const struct announce *a)
{
    return bus_peer(a->r->o.bus, ROLE_queue, 0);
}

static void tell(struct announce *a, const struct unconfirmed *u)
{
    bus_send(a->r->o.bus, queue_of(a), BUS_message_stored,
             &(struct bus_message_stored){u->ref.segment, u->ref.generation, u->ref.offset, u->mid});
}

/* Last in PHASE_PEER: the replies of this turn have left. */
static void mark_answered(void *ctx)
{
    struct announce *a = ctx;
    struct board *b = a->r->o.board;
    unsigned me = a->r->o.index;

    if (a->marks_dirty)
        board_store(&b->receivers[me].answered, b->receivers[me].answering);
    a->marks_dirty = false;
}

static void mark_answering(struct announce *a, const struct spool_ref *ref)
{
    struct board *b = a->r->o.board;
    unsigned me = a->r->o.index;

    if (b->receivers[me].segment != ref->segment || b->receivers[me].generation != ref->generation) {
        board_store(&b->receivers[me].answering, 0);
        board_store(&b->receivers[me].answered, 0);
        board_store(&b->receivers[me].segment, ref->segment);
        board_store(&b->receivers[me].generation, ref->generation);
    }
    board_store(&b->receivers[me].answering, ref->offset);
    if (!a->hooked)
        loop_at_end(a->r->o.loop, PHASE_PEER, mark_answered, a); /* now: behind the runtime's hook of that phase */
    a->hooked = a->marks_dirty = true;
}

static bool room(struct announce *a)
{
    if (a->from && a->from + a->n == a->max) {
        memmove(a->items, a->items + a->from, a->n * sizeof *a->items);
        a->from = 0;
    }
    if (a->n == a->max) {
        size_t max = a->max ? a->max * 2 : 64;
        struct unconfirmed *items = realloc(a->items, max * sizeof *items);

        if (!items)
            return false;
        a->items = items;
        a->max = max;
    }
    return true;
}

void announce_stored(struct announce *a, const struct spool_ref *ref, uint64_t mid, uint64_t bytes)
{
    struct unconfirmed u = {*ref, mid, bytes};

    mark_answering(a, ref);
    must(room(a)); /* without memory for it the process starts anew and queue reads the segment */
    a->items[a->from + a->n++] = u;
    a->bytes += bytes;
    tell(a, &u);
}

void announce_closed(struct announce *a, const struct bus_segment_closed *closed)
{
    if (a->n_closed == a->max_closed) {
        size_t max = a->max_closed ? a->max_closed * 2 : 8;
        struct bus_segment_closed *items = realloc(a->closed, max * sizeof *items);

        must(items != NULL);
        a->closed = items;
        a->max_closed = max;
    }
    a->closed[a->n_closed++] = *closed;
    bus_send(a->r->o.bus, queue_of(a), BUS_segment_closed, closed);
}

bool announce_full(const struct announce *a)
{
    struct bus_peer *q = queue_of(a);

    return a->n >= UNCONFIRMED || a->bytes >= UNCONFIRMED_BYTES || (q && bus_full(a->r->o.bus, q));
}

bool announce_empty(const struct announce *a)
{
    return a->n == 0;
}

void announce_wait(struct announce *a, struct session *s)
{
    s->next_waiting = a->waiting;
    s->waiting = true;
    s->waiting_ms = loop_now_ms(a->r->o.loop);
    a->waiting = s;
}

void announce_forget(struct announce *a, struct session *s)
{
    struct session **at = &a->waiting;

    while (s->waiting && *at && *at != s)
        at = &(*at)->next_waiting;
    if (s->waiting && *at)
        *at = s->next_waiting;
    s->waiting = false;
}

static void wake(struct announce *a)
{
    struct session *s = a->waiting;

    if (announce_full(a))
        return;
    a->waiting = NULL;
    while (s) {
        struct session *next = s->next_waiting;

        s->waiting = false;
        conversation_resume(&s->s.c);
        s = next;
    }
}

/* Records of a process come in order, so what queue knows of a segment is a prefix of what was told of it. */
static void on_known(void *ctx, const struct bus_in *in)
{
    struct announce *a = ctx;
    const struct bus_message_known *k = in->msg;
    size_t keep = 0;

    for (size_t i = 0; i < a->n; i++) {
        const struct unconfirmed u = a->items[a->from + i];

        if (u.ref.segment == k->segment && u.ref.generation == k->generation && u.ref.offset < k->offset) {
            a->bytes -= u.bytes;
            if (keep == 0) {
                a->from++;
                a->n--;
                i--;
            }
            continue;
        }
        a->items[a->from + keep++] = u;
    }
    a->n = keep;
    if (!a->n)
        a->from = 0;
    wake(a);
    receive_check_stopped(a->r);
}

static void on_free(void *ctx, const struct bus_in *in)
{
    struct announce *a = ctx;
    const struct bus_segment_free *f = in->msg;

    for (size_t i = 0; i < a->n_closed; i++)
        if (a->closed[i].segment == f->segment)
            a->closed[i--] = a->closed[--a->n_closed];
    spool_writer_reuse(a->r->spool, f->segment, f->drop != 0);
}

static void on_state(void *ctx, const struct bus_in *in)
{
    struct announce *a = ctx;
    const struct bus_receiving_state *state = in->msg;

    a->r->queue_rc = state->rc < RC_COUNT ? (enum rc)state->rc : RC_INTERNAL;
    a->r->queue_suspended = state->suspended != 0;
}

/* A queue that is back is told everything it has not confirmed. */
static void peer_came(void *ctx, struct bus_peer *p)
{
    struct announce *a = ctx;

    if (p->role != ROLE_queue)
        return;
    for (size_t i = 0; i < a->n_closed; i++)
        bus_send(a->r->o.bus, p, BUS_segment_closed, &a->closed[i]);
    for (size_t i = 0; i < a->n; i++)
        tell(a, &a->items[a->from + i]);
}

struct announce *announce_new(struct receive *r)
{
    struct announce *a = calloc(1, sizeof *a);

    if (!a)
        return NULL;
    a->r = r;
    bus_on(r->o.bus, BUS_link_release, listeners_link, r);
    bus_on(r->o.bus, BUS_message_known, on_known, a);
    bus_on(r->o.bus, BUS_segment_free, on_free, a);
    bus_on(r->o.bus, BUS_receiving_state, on_state, a);
    bus_on_peer(r->o.bus, peer_came, NULL, a);
    return a;
}

void announce_free(struct announce *a)
{
    if (!a)
        return;
    if (a->hooked)
        loop_at_end_cancel(a->r->o.loop, PHASE_PEER, mark_answered, a);
    free(a->items);
    free(a->closed);
    free(a);
}
