/*
 * Messages in memory: made from a record in the spool, found by MID, ended.
 *
 * Called by intake (new mail), recover (start) and outcome (end). Owns the slab of messages and the index of MIDs, an open
 * addressing table of 32-bit places (linear probing, backward shift on removal). A record that cannot be read makes no
 * pieces and is reported as damaged; nothing else fails.
 */
#include "base/clock.h"
#include "base/must.h"
#include "mail/address.h"
#include "mail/envelope.h"
#include "queue/state.h"

#include <stdlib.h>

static uint32_t mid_place(const struct queue *q, uint64_t mid)
{
    uint64_t h = mid * 0x9e3779b97f4a7c15u;

    return (uint32_t)(h >> 32) & (q->mids_cap - 1);
}

static void mids_put(struct queue *q, uint32_t message)
{
    uint32_t at = mid_place(q, message_at(q, message)->mid);

    while (q->mids[at])
        at = (at + 1) & (q->mids_cap - 1);
    q->mids[at] = message;
}

static void mids_grow(struct queue *q)
{
    uint32_t *old = q->mids, old_cap = q->mids_cap;

    q->mids_cap = old_cap ? old_cap * 2 : 1024;
    q->mids = calloc(q->mids_cap, sizeof *q->mids);
    must(q->mids);
    for (uint32_t i = 0; i < old_cap; i++)
        if (old[i])
            mids_put(q, old[i]);
    free(old);
}

static void mids_add(struct queue *q, uint32_t message)
{
    if ((uint64_t)q->mids_used * 4 >= (uint64_t)q->mids_cap * 3)
        mids_grow(q);
    mids_put(q, message);
    q->mids_used++;
}

static void mids_remove(struct queue *q, uint32_t message)
{
    uint32_t mask = q->mids_cap - 1, hole = mid_place(q, message_at(q, message)->mid);

    while (q->mids[hole] != message)
        hole = (hole + 1) & mask;
    for (uint32_t at = (hole + 1) & mask; q->mids[at]; at = (at + 1) & mask) {
        uint32_t home = mid_place(q, message_at(q, q->mids[at])->mid);

        if (((at - home) & mask) < ((at - hole) & mask))
            continue; /* it may not move before its own place */
        q->mids[hole] = q->mids[at];
        hole = at;
    }
    q->mids[hole] = 0;
    q->mids_used--;
}

uint32_t message_find(const struct queue *q, uint64_t mid)
{
    if (!q->mids_cap)
        return 0;
    for (uint32_t at = mid_place(q, mid); q->mids[at]; at = (at + 1) & (q->mids_cap - 1))
        if (message_at(q, q->mids[at])->mid == mid)
            return q->mids[at];
    return 0;
}

uint32_t message_new(struct queue *q, uint64_t mid, uint32_t segment, uint64_t offset, uint64_t record_bytes)
{
    uint32_t i = slab_take(&q->messages);
    struct message *m = message_at(q, i);
    struct queue_segment *s = segment_at(q, segment);

    m->mid = mid;
    m->segment = segment;
    m->offset = (uint32_t)offset;
    m->record_bytes = (uint32_t)record_bytes;
    m->state = MESSAGE_WORK;
    s->live++;
    s->live_bytes += record_bytes;
    mids_add(q, i);
    return i;
}

struct spool_ref message_ref(const struct queue *q, const struct message *m)
{
    const struct queue_segment *s = segment_at(q, m->segment);

    return (struct spool_ref){s->id, s->generation, m->offset};
}

static struct str domain_of(struct queue *q, struct str address)
{
    struct str local, domain;

    if (!address_cut(address, &local, &domain) || !domain.n)
        return str_lit("localhost");
    for (size_t i = 0; i < domain.n; i++)
        if (domain.p[i] >= 'A' && domain.p[i] <= 'Z')
            return address_lower(&q->scratch, domain);
    return domain;
}

/* The piece of this message for that domain that still takes recipients. */
static uint32_t filling_piece(struct queue *q, uint32_t message, uint32_t destination)
{
    struct destination *d = destination_at(q, destination);
    uint64_t mid = message_at(q, message)->mid;

    if (d->filling_mid == mid && d->filling && piece_at(q, d->filling)->n < PIECE_RECIPIENTS)
        return d->filling;
    d->filling = piece_make(q, message, destination);
    d->filling_mid = mid;
    return d->filling;
}

static void add_recipients(struct queue *q, uint32_t message, const struct envelope *env)
{
    for (size_t i = 0; i < env->n_recipients; i++) {
        uint32_t destination = destination_for(q, domain_of(q, env->recipients[i].address));

        piece_add(q, filling_piece(q, message, destination), (uint16_t)i);
    }
}

enum rc message_load(struct queue *q, uint32_t message, struct str *carried_out, struct err *e)
{
    struct message *m = message_at(q, message);
    struct spool_head head;
    struct envelope env;
    struct str octets;

    TRY(spool_read_head(q->reader, message_ref(q, m), &q->scratch, &head, &octets, e));
    TRY(envelope_decode(&q->scratch, octets, &env, e));
    if (head.mid != m->mid)
        return err_set(e, RC_CORRUPT, "record of MID %llu in place of %llu", (unsigned long long)head.mid,
                       (unsigned long long)m->mid);
    segment_at(q, m->segment)->live_bytes += head.record_bytes - m->record_bytes;
    m->record_bytes = (uint32_t)head.record_bytes;
    m->body_bytes = head.body_bytes > UINT32_MAX ? UINT32_MAX : (uint32_t)head.body_bytes;
    m->entered_ms = env.received_ms;
    m->sender = (uint32_t)str_hashi(env.sender);
    m->recipients = (uint16_t)env.n_recipients;
    m->flags |= (uint8_t)((env.sender.n ? 0 : MESSAGE_BOUNCE) | (head.big ? MESSAGE_BIG : 0) |
                          (env.outgoing ? MESSAGE_OUTGOING : 0));
    q->live_bytes += m->body_bytes;
    add_recipients(q, message, &env);
    if (carried_out)
        *carried_out = env.carried;
    return RC_OK;
}

uint32_t message_piece_with(const struct queue *q, uint32_t message, uint64_t index)
{
    for (uint32_t p = message_at(q, message)->pieces; p; p = piece_at(q, p)->sibling)
        if (piece_has(q, p, index))
            return p;
    return 0;
}

void message_keep(struct queue *q, uint32_t message, struct str octets)
{
    struct kept *k;

    if (!octets.n)
        return;
    message_at(q, message)->kept = slab_take(&q->kept);
    k = slab_at(&q->kept, message_at(q, message)->kept);
    k->p = malloc(octets.n);
    must(k->p);
    memcpy(k->p, octets.p, octets.n);
    k->n = (uint32_t)octets.n;
}

static void kept_free(struct queue *q, struct message *m)
{
    struct kept *k;

    if (!m->kept)
        return;
    k = slab_at(&q->kept, m->kept);
    free(k->p);
    slab_give(&q->kept, m->kept);
    m->kept = 0;
}

void message_leave(struct queue *q, uint32_t message)
{
    struct message *m = message_at(q, message);

    if (m->state == MESSAGE_WORK && (m->prev || m->next || q->work_first == message)) {
        work_remove(q, message);
        q->work_out++;
    }
    for (uint32_t p = m->pieces, next; p; p = next) {
        next = piece_at(q, p)->sibling;
        piece_unlink(q, p);
        piece_end(q, p);
    }
    if (m->flags & MESSAGE_BIG)
        big_gone(q, m->mid);
    kept_free(q, m);
    q->live_bytes -= m->body_bytes < q->live_bytes ? m->body_bytes : q->live_bytes;
    segment_message_gone(q, m->segment, m->record_bytes);
    mids_remove(q, message);
    slab_give(&q->messages, message);
}

bool message_end_if_done(struct queue *q, uint32_t message)
{
    struct message *m = message_at(q, message);

    if (m->open)
        return false;
    entry_done(q, m->mid);
    if (!(m->flags & MESSAGE_HELD))
        event(q->events, message_finished, .mid = m->mid);
    message_leave(q, message);
    return true;
}

void messages_done(struct queue *q)
{
    for (uint32_t i = 1; i < q->kept.end; i++)
        free(((struct kept *)slab_at(&q->kept, i))->p);
    free(q->mids);
    q->mids = NULL;
}
