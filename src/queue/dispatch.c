/*
 * Pieces to deliver processes, and the flight slots that remember them (D2, D4).
 *
 * Called once a turn and by the bus. Owns one table of slots for each deliver process. A destination keeps to one process as
 * long as that has slots, sends in runs of up to 20 and never more than its window, which grows with each success: so a slow
 * destination cannot take all slots. A slot is given back only after the journal group with its result was written. When a
 * deliver process dies its slots say what happened: assigned = again at once, dot sent = again with an event, answered =
 * counts.
 */
#include "base/clock.h"
#include "base/must.h"
#include "queue/holders.h"
#include "queue/internal.h"

#include <stdlib.h>

enum { RUN = 20, EXPIRE_RUN = 200 };

static struct board_slot *board_slot(struct queue *q, unsigned deliverer, unsigned slot)
{
    return &q->board->slots[deliverer][slot];
}

/* --- slots ------------------------------------------------------------------------------------------------------------ */

void dispatch_free_slot(struct queue *q, uint8_t deliverer, uint16_t slot)
{
    if (q->n_free_slots == q->cap_free_slots) {
        size_t cap = q->cap_free_slots ? q->cap_free_slots * 2 : 64;
        struct free_slot *more = realloc(q->free_slots, cap * sizeof *more);

        must(more);
        q->free_slots = more;
        q->cap_free_slots = cap;
    }
    q->free_slots[q->n_free_slots++] = (struct free_slot){deliverer, slot};
}

void dispatch_slots_written(struct queue *q)
{
    if (q->broken)
        return;
    if (q->n_free_slots && q->active_first)
        loop_again(q->loop); /* somebody may wait for a slot */
    for (size_t i = 0; i < q->n_free_slots; i++) {
        struct free_slot f = q->free_slots[i];
        struct deliverer *d = q->deliverers[f.deliverer];

        board_store(&board_slot(q, f.deliverer, f.slot)->state, SLOT_FREE);
        if (d)
            d->free[d->n_free++] = f.slot;
    }
    q->n_free_slots = 0;
}

/* --- sending ------------------------------------------------------------------------------------------------------------
 */

static struct deliverer *usable(struct queue *q, unsigned i)
{
    struct deliverer *d = q->deliverers[i % BOARD_DELIVERERS];

    return d && d->n_free && !bus_full(q->bus, d->peer) ? d : NULL;
}

/* The process that has this destination already as long as it has any of it, so that the limits of the destination hold;
 * else the one its hash says, else any. */
static struct deliverer *choose(struct queue *q, struct destination *d)
{
    unsigned start = d->home ? d->home - 1u : (unsigned)(d->hash >> 32) % (q->n_deliverers ? q->n_deliverers : 1);

    for (unsigned i = 0; i < (d->home && d->flying ? 1 : BOARD_DELIVERERS); i++) {
        struct deliverer *to = usable(q, start + i);

        if (to)
            return to;
    }
    return NULL;
}

static void tell_limit(struct queue *q, struct destination *d, struct deliverer *to)
{
    if (d->home == to->peer->index + 1 && d->told == d->max_connections)
        return;
    d->home = (uint8_t)(to->peer->index + 1);
    d->told = d->max_connections;
    bus_send(q->bus, to->peer, BUS_deliver_limit,
             &(struct bus_deliver_limit){.destination = str_c(d->name), .connections = d->told});
}

static void send_piece(struct queue *q, uint32_t piece, struct deliverer *to)
{
    struct piece *p = piece_at(q, piece);
    struct message *m = message_at(q, p->message);
    struct destination *d = destination_at(q, p->destination);
    struct spool_ref ref = message_ref(q, m);
    uint16_t slot = to->free[--to->n_free];
    struct board_slot *b = board_slot(q, to->peer->index, slot);
    uint64_t now = clock_wall_ms() << 20;

    piece_unlink(q, piece);
    p->state = PIECE_FLYING;
    p->deliverer = (uint8_t)to->peer->index;
    p->slot = slot;
    to->pieces[slot] = piece;
    d->flying++;
    q->n_flying++;
    q->piece_number = q->piece_number + 1 > now ? q->piece_number + 1 : now;
    if (slot >= board_load(&q->board->slots_high[p->deliverer]))
        board_store(&q->board->slots_high[p->deliverer], slot + 1u);
    board_store(&b->mid, m->mid);
    board_store(&b->piece, q->piece_number);
    board_store(&b->results_bytes, 0);
    board_store(&b->state, SLOT_ASSIGNED);
    buf_clear(&q->list);
    for (uint32_t r = p->recipients; r; r = recipient_at(q, r)->next)
        buf_put_varint(&q->list, recipient_at(q, r)->index);
    bus_send(q->bus, to->peer, BUS_deliver_work,
             &(struct bus_deliver_work){slot, m->mid, ref.segment, ref.generation, ref.offset, p->tries + 1u, str_c(d->name),
                                        buf_str(&q->list), kept_of(q, m), p->uncertain});
}

/* Recipients that may still be tried in this period; the destination waits for the next one when there are none. */
static bool within_limit(struct queue *q, uint32_t i, uint32_t n)
{
    struct destination *d = destination_at(q, i);
    uint64_t now = loop_now_ms(q->loop);

    if (!d->recipient_limit)
        return true;
    if (now >= d->period_start_ms + d->period_ms) {
        d->period_start_ms = now;
        d->period_recipients = 0;
    }
    if (d->period_recipients && d->period_recipients + n > d->recipient_limit) {
        destination_block_until(q, i, d->period_start_ms + d->period_ms);
        return false;
    }
    d->period_recipients += n;
    return true;
}

static bool may_send(const struct queue *q, const struct destination *d)
{
    return d->first && !internal_suspended(q, d) && !q->delivery_suspended && !d->blocked_until_ms &&
           d->flying < (d->down ? 1 : d->window);
}

/* One run; how many pieces left. */
static unsigned send_run(struct queue *q, uint32_t i)
{
    struct destination *d = destination_at(q, i);
    struct deliverer *to;
    unsigned n = 0, expired = 0;

    while (n < RUN && expired < EXPIRE_RUN && may_send(q, d)) {
        uint32_t piece = d->first;

        if (outcome_expire(q, piece)) {
            expired++;
            continue;
        }
        if (!(to = choose(q, d)) || !within_limit(q, i, piece_at(q, piece)->n))
            break;
        tell_limit(q, d, to);
        send_piece(q, piece, to);
        n++;
    }
    if (n)
        d->active_ms = clock_wall_ms();
    if (expired == EXPIRE_RUN)
        loop_again(q->loop);
    return n;
}

static bool any_usable(struct queue *q)
{
    for (unsigned i = 0; i < q->n_deliverers; i++)
        if (usable(q, i))
            return true;
    return false;
}

/* One round over the destinations that wait now; those that could send more go to the end of the list. */
static unsigned round_of_runs(struct queue *q)
{
    uint32_t last = q->active_last, i;
    unsigned sent = 0;

    do {
        struct destination *d;

        i = q->active_first;
        d = destination_at(q, i);
        q->active_first = d->active_next;
        if (!q->active_first)
            q->active_last = 0;
        d->active = false;
        sent += send_run(q, i);
        if (may_send(q, d))
            destination_activate(q, i);
    } while (i != last && q->active_first);
    return sent;
}

void dispatch_run(struct queue *q)
{
    while (q->active_first && any_usable(q) && round_of_runs(q))
        ;
}

/* --- answers --------------------------------------------------------------------------------------------------------------
 */

/* The piece in a slot lands. */
static uint32_t land(struct queue *q, struct deliverer *d, unsigned slot)
{
    uint32_t piece = d->pieces[slot];

    d->pieces[slot] = 0;
    destination_at(q, piece_at(q, piece)->destination)->flying--;
    q->n_flying--;
    piece_at(q, piece)->state = PIECE_HELD;
    return piece;
}

static void landed(struct queue *q, uint32_t piece, struct str results)
{
    const struct delivery_result *r = NULL;
    size_t n = 0;

    arena_reset(&q->scratch);
    if (results_decode(&q->scratch, results, &r, &n) != RC_OK)
        n = 0;
    holders_answered(piece_at(q, piece), r, n);
    outcome_apply(q, piece, r, n);
}

static void on_done(void *ctx, const struct bus_in *in)
{
    struct queue *q = ctx;
    const struct bus_deliver_done *msg = in->msg;
    struct deliverer *d = in->from->index < BOARD_DELIVERERS ? q->deliverers[in->from->index] : NULL;
    uint32_t piece = d && msg->slot < BOARD_SLOTS ? d->pieces[msg->slot] : 0, destination;

    if (!piece || message_at(q, piece_at(q, piece)->message)->mid != msg->mid) {
        if (d)
            adopt_look(q);
        return;
    }
    destination = piece_at(q, piece)->destination;
    land(q, d, (unsigned)msg->slot);
    if (msg->outcome == 0)
        destination_succeeded(q, destination);
    if (msg->outcome == 2)
        outcome_damaged(q, piece);
    else
        landed(q, piece, msg->outcome == 0 ? msg->results : STR_NONE);
    destination_activate(q, destination);
}

static void on_down(void *ctx, const struct bus_in *in)
{
    struct queue *q = ctx;
    const struct bus_destination_down *msg = in->msg;
    uint32_t i = destination_find(q, msg->destination);

    if (i)
        destination_failed(q, i, msg->reason, msg->permanent != 0);
}

/* --- processes ------------------------------------------------------------------------------------------------------------
 */

static struct str rids_of(struct queue *q, uint32_t piece)
{
    buf_clear(&q->list);
    for (uint32_t r = piece_at(q, piece)->recipients; r; r = recipient_at(q, r)->next)
        buf_put_varint(&q->list, recipient_at(q, r)->index);
    return buf_str(&q->list);
}

static void slot_of_dead(struct queue *q, struct deliverer *d, unsigned slot)
{
    struct board_slot *b = board_slot(q, d->peer->index, slot);
    uint64_t state = board_load(&b->state), bytes = board_load(&b->results_bytes);
    uint32_t piece = land(q, d, slot);

    if (state == SLOT_ANSWERED && bytes <= SLOT_RESULTS) {
        landed(q, piece, str_of(b->results, bytes));
        return;
    }
    piece_at(q, piece)->uncertain |= state == SLOT_DOT_SENT;
    if (state == SLOT_DOT_SENT)
        event(q->events, delivery_uncertain, .mid = message_at(q, piece_at(q, piece)->message)->mid,
              .rids = rids_of(q, piece));
    outcome_again(q, piece);
}

void dispatch_peer_gone(struct queue *q, struct bus_peer *p)
{
    struct deliverer *d = p->index < BOARD_DELIVERERS ? q->deliverers[p->index] : NULL;

    if (!d)
        return;
    q->deliverers[p->index] = NULL; /* its slots are not given out before the next life comes */
    for (unsigned slot = 0; slot < BOARD_SLOTS; slot++)
        if (d->pieces[slot])
            slot_of_dead(q, d, slot);
    for (uint32_t i = 1; i < q->destinations.end; i++)
        if (destination_at(q, i)->home == p->index + 1)
            destination_at(q, i)->home = 0;
    free(d);
    adopt_gone(q, p->index);
}

void dispatch_peer_come(struct queue *q, struct bus_peer *p)
{
    struct deliverer *d;

    if (p->index >= BOARD_DELIVERERS)
        return;
    dispatch_peer_gone(q, p);
    dispatch_slots_written(q);
    d = calloc(1, sizeof *d);
    must(d);
    d->peer = p;
    for (unsigned slot = BOARD_SLOTS; slot-- > 0;) /* low slots are used first: the board's other pages stay untouched */
        if (slot >= board_load(&q->board->slots_high[p->index]) ||
            board_load(&board_slot(q, p->index, slot)->state) == SLOT_FREE)
            d->free[d->n_free++] = (uint16_t)slot;
    q->deliverers[p->index] = d;
    adopt_come(q, p);
    if (q->n_deliverers < p->index + 1)
        q->n_deliverers = p->index + 1;
}

void dispatch_init(struct queue *q)
{
    bus_on(q->bus, BUS_deliver_done, on_done, q);
    bus_on(q->bus, BUS_destination_down, on_down, q);
}

void dispatch_done(struct queue *q)
{
    for (unsigned i = 0; i < BOARD_DELIVERERS; i++)
        free(q->deliverers[i]);
    free(q->free_slots);
    free(q->adopted);
}
