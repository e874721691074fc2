/*
 * Pieces of work and where they are: held, ready, waiting, flying, settling.
 *
 * Called by the files that decide (work, dispatch, outcome, verbs). Owns the slabs of pieces and recipients, the ready lists
 * of the destinations and the heap of waiting pieces. Keeps the counts: open recipients, attempted ones, per destination.
 */
#include "base/must.h"
#include "queue/state.h"

uint32_t piece_make(struct queue *q, uint32_t message, uint32_t destination)
{
    uint32_t i = slab_take(&q->pieces);
    struct piece *p = piece_at(q, i);
    struct message *m = message_at(q, message);

    p->message = message;
    p->destination = destination;
    p->state = PIECE_HELD;
    p->sibling = m->pieces;
    m->pieces = i;
    destination_at(q, destination)->pieces++;
    destination_at(q, destination)->octets += m->body_bytes;
    return i;
}

static void count(struct queue *q, const struct piece *p, int64_t n)
{
    struct destination *d = destination_at(q, p->destination);

    message_at(q, p->message)->open = (uint16_t)(message_at(q, p->message)->open + n);
    q->open_recipients += (uint64_t)n;
    d->recipients += (uint64_t)n;
    if (p->tries)
        d->attempted += (uint64_t)n;
    else
        q->unattempted += (uint64_t)n;
}

void piece_set_aside(struct queue *q, uint32_t piece, bool on)
{
    struct piece *p = piece_at(q, piece);

    if (p->set_aside == on)
        return;
    p->set_aside = on;
    destination_at(q, p->destination)->set_aside += on ? 1 : (uint32_t)-1;
}

void piece_redirect(struct queue *q, uint32_t piece, uint32_t destination)
{
    struct piece *p = piece_at(q, piece);

    piece_unlink(q, piece);
    count(q, p, -(int64_t)p->n);
    piece_set_aside(q, piece, false);
    destination_at(q, p->destination)->pieces--;
    destination_at(q, p->destination)->octets -= message_at(q, p->message)->body_bytes;
    if (destination_at(q, p->destination)->filling == piece)
        destination_at(q, p->destination)->filling = 0;
    p->destination = destination;
    p->redirected = true;
    destination_at(q, destination)->pieces++;
    destination_at(q, destination)->octets += message_at(q, p->message)->body_bytes;
    count(q, p, p->n);
    entry_redirect(q, piece);
}

void piece_add(struct queue *q, uint32_t piece, uint16_t index)
{
    struct piece *p = piece_at(q, piece);
    uint32_t i = slab_take(&q->recipients), *at = &p->recipients;

    *recipient_at(q, i) = (struct queue_recipient){.index = index};
    while (*at && recipient_at(q, *at)->index < index)
        at = &recipient_at(q, *at)->next;
    recipient_at(q, i)->next = *at;
    *at = i;
    p->n++;
    count(q, p, 1);
}

void piece_tried(struct queue *q, uint32_t piece)
{
    struct piece *p = piece_at(q, piece);

    if (!p->tries) {
        destination_at(q, p->destination)->attempted += p->n;
        q->unattempted -= p->n;
    }
    if (p->tries < UINT16_MAX)
        p->tries++;
}

bool piece_has(const struct queue *q, uint32_t piece, uint64_t index)
{
    for (uint32_t r = piece_at(q, piece)->recipients; r; r = recipient_at(q, r)->next)
        if (recipient_at(q, r)->index == index)
            return true;
    return false;
}

uint32_t piece_split(struct queue *q, uint32_t piece, const uint16_t *indices, size_t n)
{
    uint32_t other = piece_make(q, piece_at(q, piece)->message, piece_at(q, piece)->destination);

    piece_at(q, other)->tries = piece_at(q, piece)->tries;
    piece_at(q, other)->redirected = piece_at(q, piece)->redirected;
    for (size_t i = 0; i < n; i++)
        if (piece_remove(q, piece, indices[i]))
            piece_add(q, other, indices[i]);
    return other;
}

bool piece_remove(struct queue *q, uint32_t piece, uint16_t index)
{
    struct piece *p = piece_at(q, piece);

    for (uint32_t *at = &p->recipients; *at; at = &recipient_at(q, *at)->next) {
        uint32_t i = *at;

        if (recipient_at(q, i)->index != index)
            continue;
        *at = recipient_at(q, i)->next;
        slab_give(&q->recipients, i);
        p->n--;
        count(q, p, -1);
        return true;
    }
    return false;
}

static void ready_unlink(struct queue *q, uint32_t piece)
{
    struct piece *p = piece_at(q, piece);
    struct destination *d = destination_at(q, p->destination);

    *(p->prev ? &piece_at(q, p->prev)->next : &d->first) = p->next;
    *(p->next ? &piece_at(q, p->next)->prev : &d->last) = p->prev;
    p->prev = p->next = 0;
}

void piece_unlink(struct queue *q, uint32_t piece)
{
    struct piece *p = piece_at(q, piece);

    if (p->state == PIECE_READY)
        ready_unlink(q, piece);
    if (p->state == PIECE_WAITING)
        heap_remove(&q->waiting, piece);
    p->state = PIECE_HELD;
}

void piece_make_ready(struct queue *q, uint32_t piece, bool first)
{
    struct piece *p = piece_at(q, piece);
    struct destination *d = destination_at(q, p->destination);

    piece_unlink(q, piece);
    p->state = PIECE_READY;
    p->prev = first ? 0 : d->last;
    p->next = first ? d->first : 0;
    *(p->prev ? &piece_at(q, p->prev)->next : &d->first) = piece;
    *(p->next ? &piece_at(q, p->next)->prev : &d->last) = piece;
    destination_activate(q, p->destination);
}

static void wake(void *ctx)
{
    pieces_wake(ctx);
}

static void arm(struct queue *q)
{
    uint64_t now = loop_now_ms(q->loop), at;

    if (!heap_top(&q->waiting))
        return;
    at = piece_at(q, heap_top(&q->waiting))->next_try_ms;
    if (!q->waiting_timer.slot || q->waiting_timer.at_ms > at)
        loop_timer_set(q->loop, &q->waiting_timer, at > now ? at - now : 0, wake, q);
}

void piece_wait_until(struct queue *q, uint32_t piece, uint64_t at_ms)
{
    struct piece *p = piece_at(q, piece);

    piece_unlink(q, piece);
    p->state = PIECE_WAITING;
    p->next_try_ms = at_ms;
    heap_add(&q->waiting, piece);
    arm(q);
}

void pieces_wake(struct queue *q)
{
    uint64_t now = loop_now_ms(q->loop);
    uint32_t piece;

    while ((piece = heap_top(&q->waiting)) != 0 && piece_at(q, piece)->next_try_ms <= now)
        piece_make_ready(q, piece, false);
    arm(q);
}

void piece_end(struct queue *q, uint32_t piece)
{
    struct piece *p = piece_at(q, piece);
    struct destination *d = destination_at(q, p->destination);
    uint32_t *at = &message_at(q, p->message)->pieces;

    must(p->state == PIECE_HELD);
    while (p->recipients)
        piece_remove(q, piece, recipient_at(q, p->recipients)->index);
    while (*at != piece)
        at = &piece_at(q, *at)->sibling;
    *at = p->sibling;
    piece_set_aside(q, piece, false);
    d->pieces--;
    d->octets -= message_at(q, p->message)->body_bytes;
    if (d->filling == piece)
        d->filling = 0;
    slab_give(&q->pieces, piece);
}

void pieces_release(struct queue *q, uint32_t message)
{
    for (uint32_t p = message_at(q, message)->pieces; p; p = piece_at(q, p)->sibling)
        if (piece_at(q, p)->state == PIECE_HELD)
            piece_make_ready(q, p, false);
}
