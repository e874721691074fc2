/*
 * Changes of recipients between replay and load. See changes.h.
 *
 * Called by entries.c (replay) and recover.c. Owns the slab q->changes; it is empty again when recovery ends.
 */
#include "queue/changes.h"

#include "base/clock.h"

static struct change *change_at(const struct queue *q, uint32_t i)
{
    return slab_at(&q->changes, i);
}

void changes_put(struct queue *q, uint32_t message, uint16_t index, const struct change *what)
{
    struct message *m = message_at(q, message);
    uint32_t i = m->pieces, next, destination;

    while (i && change_at(q, i)->index != index)
        i = change_at(q, i)->next;
    if (!i) {
        i = slab_take(&q->changes);
        change_at(q, i)->next = m->pieces;
        m->pieces = i;
        m->flags |= MESSAGE_CHANGES;
    }
    if (change_at(q, i)->final)
        return;
    change_at(q, i)->index = index;
    if (what->destination) {
        change_at(q, i)->destination = what->destination;
        return;
    }
    next = change_at(q, i)->next;
    destination = change_at(q, i)->destination;
    *change_at(q, i) = *what;
    change_at(q, i)->index = index;
    change_at(q, i)->destination = destination;
    change_at(q, i)->next = next;
}

static void give(struct queue *q, uint32_t list)
{
    while (list) {
        uint32_t next = change_at(q, list)->next;

        slab_give(&q->changes, list);
        list = next;
    }
}

uint32_t changes_take(struct queue *q, uint32_t message)
{
    struct message *m = message_at(q, message);
    uint32_t list = m->flags & MESSAGE_CHANGES ? m->pieces : 0;

    if (m->flags & MESSAGE_CHANGES)
        m->pieces = 0;
    m->flags &= (uint8_t)~MESSAGE_CHANGES;
    return list;
}

void changes_drop(struct queue *q, uint32_t message)
{
    give(q, changes_take(q, message));
}

/* The time of the next try on this boot's clock; a wall clock that was moved does not delay mail beyond the longest wait. */
static uint64_t next_try(struct queue *q, const struct piece *p, uint64_t wall_ms)
{
    uint64_t wall = clock_wall_ms(), wait = wall_ms > wall ? wall_ms - wall : 0;
    uint64_t most = destination_at(q, p->destination)->retry.max_ms;

    return loop_now_ms(q->loop) + (wait < most ? wait : most);
}

/* Redirected by an operator: a piece of its own there, or one with others that were. */
static void put_redirected(struct queue *q, uint32_t message, const struct change *c)
{
    uint32_t from = message_piece_with(q, message, c->index), to;

    for (to = message_at(q, message)->pieces; to; to = piece_at(q, to)->sibling)
        if (piece_at(q, to)->destination == c->destination && piece_at(q, to)->redirected && !piece_at(q, to)->tries &&
            piece_at(q, to)->n < PIECE_RECIPIENTS)
            break;
    if (!from || from == to)
        return;
    if (!to) {
        to = piece_make(q, message, c->destination);
        piece_at(q, to)->redirected = true;
    }
    piece_remove(q, from, c->index);
    piece_add(q, to, c->index);
    if (!piece_at(q, from)->n)
        piece_end(q, from);
}

/* Recipients that wait for the same try are one piece again. */
static void put_waiting(struct queue *q, uint32_t message, const struct change *c)
{
    uint32_t from = message_piece_with(q, message, c->index), to;
    uint64_t at;

    if (!from)
        return;
    at = next_try(q, piece_at(q, from), c->next_wall_ms);
    for (to = message_at(q, message)->pieces; to; to = piece_at(q, to)->sibling) {
        const struct piece *p = piece_at(q, to);

        if (p->destination == piece_at(q, from)->destination && p->tries == c->tries && p->next_try_ms == at &&
            p->n < PIECE_RECIPIENTS)
            break;
    }
    if (!to) {
        to = piece_split(q, from, NULL, 0);
        piece_at(q, to)->tries = c->tries;
        piece_at(q, to)->uncertain = c->tries > 0; /* how the last one ended is not kept */
        piece_at(q, to)->next_try_ms = at;
    }
    piece_remove(q, from, c->index);
    piece_add(q, to, c->index);
    if (!piece_at(q, from)->n)
        piece_end(q, from);
}

void changes_apply(struct queue *q, uint32_t message, uint32_t list)
{
    for (uint32_t i = list; i; i = change_at(q, i)->next) {
        const struct change *c = change_at(q, i);
        uint32_t piece = c->final ? message_piece_with(q, message, c->index) : 0;

        if (piece && piece_remove(q, piece, c->index) && !piece_at(q, piece)->n)
            piece_end(q, piece);
        if (!c->final && c->destination)
            put_redirected(q, message, c);
        if (!c->final && c->tries)
            put_waiting(q, message, c);
    }
    give(q, list);
}
