/*
 * Flight slots that an earlier life of queue left (D2, J).
 *
 * Called at start, once a second and when a deliver process comes or goes. A slot that was answered counts at once. One that
 * was taken or has its dot sent may still be under way in a living deliver process: its message is held until the slot is
 * answered, or until that process is known to be dead (gone, or started after the slot was given). One that is only assigned
 * was never read, or went back without an answer, as soon as the process has said that it reads no more of the old queue.
 */
#include "base/clock.h"
#include "base/must.h"
#include "queue/state.h"

#include <stdlib.h>

enum { PATIENCE_MS = 10000, SETTLE_MS = 3600000 };

struct adopted {
    uint8_t deliverer;
    uint16_t slot;
    bool dead;    /* the process that had it is gone */
    bool settled; /* the process reads no more of the old queue */
    uint64_t mid, piece;
};

static struct board_slot *slot_of(struct queue *q, const struct adopted *a)
{
    return &q->board->slots[a->deliverer][a->slot];
}

/* True when the results count for a piece, which then gives the slot back. */
static bool apply(struct queue *q, const struct adopted *a, uint32_t message)
{
    struct board_slot *b = slot_of(q, a);
    uint64_t bytes = board_load(&b->results_bytes);
    const struct delivery_result *r;
    size_t n;
    uint32_t piece;

    arena_reset(&q->scratch);
    if (bytes > SLOT_RESULTS || results_decode(&q->scratch, str_of(b->results, bytes), &r, &n) != RC_OK || !n)
        return false;
    piece = message_piece_with(q, message, r[0].recipient);
    if (!piece || piece_at(q, piece)->state == PIECE_SETTLING)
        return false;
    piece_unlink(q, piece);
    piece_at(q, piece)->deliverer = a->deliverer;
    piece_at(q, piece)->slot = a->slot;
    outcome_apply(q, piece, r, n);
    return true;
}

static bool owner_is_dead(struct queue *q, const struct adopted *a)
{
    if (a->dead || (a->settled && board_load(&slot_of(q, a)->state) == SLOT_ASSIGNED))
        return true;
    if (!bus_peer(q->bus, ROLE_deliver, a->deliverer))
        return clock_mono_ms() > q->started_ms + PATIENCE_MS;
    for (unsigned i = 0; i < BOARD_ROLES; i++) {
        struct board_role *role = &q->board->roles[i];

        if (board_load(&role->role) == ROLE_deliver && board_load(&role->index) == a->deliverer && board_load(&role->state))
            return board_load(&role->started_ms) > a->piece >> 20;
    }
    return false;
}

static bool others_of(const struct queue *q, const struct adopted *a)
{
    for (size_t i = 0; i < q->n_adopted; i++)
        if (&q->adopted[i] != a && q->adopted[i].mid == a->mid)
            return true;
    return false;
}

/* True when the slot is decided. */
static bool decide(struct queue *q, const struct adopted *a)
{
    uint64_t state = board_load(&slot_of(q, a)->state);
    uint32_t message = message_find(q, a->mid);

    if (message && state != SLOT_ANSWERED && !owner_is_dead(q, a))
        return false;
    if (message && state == SLOT_DOT_SENT)
        event(q->events, delivery_uncertain, .mid = a->mid);
    if (!message || state != SLOT_ANSWERED || !apply(q, a, message))
        dispatch_free_slot(q, a->deliverer, a->slot);
    message = message_find(q, a->mid);
    if (message && message_at(q, message)->state == MESSAGE_DELIVERY && !others_of(q, a))
        pieces_release(q, message);
    return true;
}

void adopt_look(struct queue *q)
{
    for (size_t i = 0; i < q->n_adopted;)
        if (decide(q, &q->adopted[i]))
            q->adopted[i] = q->adopted[--q->n_adopted];
        else
            i++;
}

void adopt_gone(struct queue *q, unsigned deliverer)
{
    for (size_t i = 0; i < q->n_adopted; i++)
        if (q->adopted[i].deliverer == deliverer)
            q->adopted[i].dead = true;
    adopt_look(q);
}

static void settled(void *ctx, enum rc rc, const void *msg)
{
    struct queue *q = ctx;
    const struct bus_slots_settled *s = msg;

    for (size_t i = 0; rc == RC_OK && i < q->n_adopted; i++)
        if (q->adopted[i].deliverer == s->index)
            q->adopted[i].settled = true;
    adopt_look(q);
}

void adopt_come(struct queue *q, struct bus_peer *p)
{
    for (size_t i = 0; i < q->n_adopted; i++)
        if (q->adopted[i].deliverer == p->index) {
            bus_call(q->bus, p, BUS_slots_question, &(struct bus_slots_question){.index = p->index}, SETTLE_MS, settled, q);
            return;
        }
}

/* Its message is held, whatever its pieces were about to do. */
static void adopt(struct queue *q, unsigned deliverer, unsigned slot)
{
    struct board_slot *b = &q->board->slots[deliverer][slot];
    struct adopted a = {(uint8_t)deliverer, (uint16_t)slot, false, false, board_load(&b->mid), board_load(&b->piece)};
    uint32_t message = message_find(q, a.mid);
    struct adopted *more = realloc(q->adopted, (q->n_adopted + 1) * sizeof *more);

    must(more);
    q->adopted = more;
    q->adopted[q->n_adopted++] = a;
    for (uint32_t p = message ? message_at(q, message)->pieces : 0; p; p = piece_at(q, p)->sibling)
        piece_unlink(q, p);
}

void adopt_boards(struct queue *q)
{
    for (unsigned d = 0; d < BOARD_DELIVERERS; d++)
        for (unsigned slot = 0; slot < board_load(&q->board->slots_high[d]) && slot < BOARD_SLOTS; slot++)
            if (board_load(&q->board->slots[d][slot].state) != SLOT_FREE)
                adopt(q, d, slot);
    adopt_look(q);
}
