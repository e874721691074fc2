/*
 * The queue's entries in the journal: writing, checkpoint, replay.
 *
 * Called by whoever changes state, by the journal when it rotates (checkpoint) and at start (replay). An entry names its
 * message by MID. Replay builds messages without recipients; what is known of recipients is kept as a list of changes until
 * recover.c has read the records. An entry that cannot be read is skipped: the journal's CRC has vouched for its octets, so
 * it comes from another version.
 */
#include "base/clock.h"
#include "base/must.h"
#include "queue/changes.h"
#include "queue/state.h"

#include <stdlib.h>

static struct buf *begin(struct queue *q)
{
    buf_clear(&q->entry);
    return &q->entry;
}

static void end(struct queue *q, enum entry kind)
{
    must(!q->entry.failed);
    if (q->journal)
        journal_add(q->journal, kind, buf_str(&q->entry));
}

static void put_ref(struct buf *b, const struct queue *q, const struct message *m)
{
    const struct queue_segment *s = segment_at(q, m->segment);

    buf_put_varint(b, m->mid);
    buf_put_varint(b, s->id);
    buf_put_varint(b, s->generation);
    buf_put_varint(b, s->owner);
    buf_put_varint(b, m->offset);
    buf_put_varint(b, m->record_bytes);
}

void entry_known(struct queue *q, uint32_t message)
{
    put_ref(begin(q), q, message_at(q, message));
    end(q, ENTRY_KNOWN);
}

void entry_moved(struct queue *q, uint32_t message)
{
    put_ref(begin(q), q, message_at(q, message));
    end(q, ENTRY_MOVED);
}

void entry_verdict(struct queue *q, uint32_t message, uint64_t action, struct str carried)
{
    struct buf *b = begin(q);

    buf_put_varint(b, message_at(q, message)->mid);
    buf_put_varint(b, action);
    buf_put_str(b, carried);
    end(q, ENTRY_VERDICT);
}

void entry_final(struct queue *q, uint32_t message, const uint16_t *indices, size_t n)
{
    struct buf *b = begin(q);

    buf_put_varint(b, message_at(q, message)->mid);
    for (size_t i = 0; i < n; i++)
        buf_put_varint(b, indices[i]);
    end(q, ENTRY_FINAL);
}

/* The next try as wall clock: the monotonic one does not survive a reboot. */
void entry_wait(struct queue *q, uint32_t piece)
{
    const struct piece *p = piece_at(q, piece);
    uint64_t now = loop_now_ms(q->loop), wait = p->next_try_ms > now ? p->next_try_ms - now : 0;
    struct buf *b = begin(q);

    buf_put_varint(b, message_at(q, p->message)->mid);
    buf_put_varint(b, p->tries);
    buf_put_varint(b, clock_wall_ms() + wait);
    for (uint32_t r = p->recipients; r; r = recipient_at(q, r)->next)
        buf_put_varint(b, recipient_at(q, r)->index);
    end(q, ENTRY_WAIT);
}

void entry_redirect(struct queue *q, uint32_t piece)
{
    const struct piece *p = piece_at(q, piece);
    struct buf *b = begin(q);

    buf_put_varint(b, message_at(q, p->message)->mid);
    buf_put_str(b, str_c(destination_at(q, p->destination)->name));
    for (uint32_t r = p->recipients; r; r = recipient_at(q, r)->next)
        buf_put_varint(b, recipient_at(q, r)->index);
    end(q, ENTRY_REDIRECT);
}

void entry_done(struct queue *q, uint64_t mid)
{
    buf_put_varint(begin(q), mid);
    end(q, ENTRY_DONE);
}

void entry_dsn(struct queue *q, uint32_t message)
{
    struct buf *b = begin(q);

    buf_put_varint(b, message_at(q, message)->mid);
    buf_put_varint(b, message_at(q, message)->delay_dsns);
    end(q, ENTRY_DSN);
}

void entry_scan_try(struct queue *q, uint32_t message)
{
    struct buf *b = begin(q);

    buf_put_varint(b, message_at(q, message)->mid);
    buf_put_varint(b, message_at(q, message)->scan_tries);
    buf_put_varint(b, message_at(q, message)->flags & MESSAGE_ALONE);
    end(q, ENTRY_SCAN_TRY);
}

void entry_segment(struct queue *q, uint32_t segment, bool freed)
{
    const struct queue_segment *s = segment_at(q, segment);
    struct buf *b = begin(q);

    buf_put_varint(b, s->id);
    buf_put_varint(b, s->generation);
    buf_put_varint(b, s->owner);
    buf_put_varint(b, s->size);
    buf_put_varint(b, s->known_to);
    buf_put_varint(b, (uint64_t)s->closed | (uint64_t)freed << 1 | (uint64_t)s->corrupt << 2);
    end(q, ENTRY_SEGMENT);
}

void entry_control(struct queue *q)
{
    struct buf *b = begin(q);

    buf_put_varint(b, (uint64_t)q->work_paused | (uint64_t)q->delivery_suspended << 1);
    buf_put_str(b, str_c(q->work_reason));
    for (uint32_t i = 1; i < q->destinations.end; i++)
        if (destination_at(q, i)->name && destination_at(q, i)->suspended)
            buf_put_str(b, str_c(destination_at(q, i)->name));
    end(q, ENTRY_CONTROL);
}

/* --- checkpoint -----------------------------------------------------------------------------------------------------------
 */

/* Recipients of the envelope that are in no piece are final. */
static void checkpoint_final(struct queue *q, uint32_t message)
{
    struct message *m = message_at(q, message);
    unsigned char open[10000 / 8 + 1] = {0};
    struct buf *b = begin(q);

    if (m->open == m->recipients)
        return;
    for (uint32_t p = m->pieces; p; p = piece_at(q, p)->sibling)
        for (uint32_t r = piece_at(q, p)->recipients; r; r = recipient_at(q, r)->next)
            open[recipient_at(q, r)->index / 8] |= (unsigned char)(1 << recipient_at(q, r)->index % 8);
    buf_put_varint(b, m->mid);
    for (unsigned i = 0; i < m->recipients; i++)
        if (!(open[i / 8] & 1 << i % 8))
            buf_put_varint(b, i);
    end(q, ENTRY_FINAL);
}

static void checkpoint_message(struct queue *q, uint32_t message)
{
    struct message *m = message_at(q, message);

    if (m->state == MESSAGE_MAKING)
        return;
    entry_known(q, message);
    if (m->state == MESSAGE_DELIVERY)
        entry_verdict(q, message, 0, kept_of(q, m));
    if (m->delay_dsns)
        entry_dsn(q, message);
    if (m->scan_tries || m->flags & MESSAGE_ALONE)
        entry_scan_try(q, message);
    checkpoint_final(q, message);
    for (uint32_t p = m->pieces; p; p = piece_at(q, p)->sibling) {
        if (piece_at(q, p)->redirected)
            entry_redirect(q, p);
        if (piece_at(q, p)->tries)
            entry_wait(q, p);
    }
}

/* Segments and switches first, then the messages in portions; entries of the same turns go between, and replay knows better
 * only by order, so a message is restated as it is now. */
bool entries_checkpoint(void *ctx, struct journal *j, bool first)
{
    enum { PORTION = 5000 };
    struct queue *q = ctx;
    uint32_t end_at;

    (void)j;
    if (first) {
        q->checkpoint_at = 1;
        for (uint32_t i = 1; i < q->segments.end; i++)
            if (segment_at(q, i)->id)
                entry_segment(q, i, false);
        entry_control(q);
    }
    end_at = q->messages.end - q->checkpoint_at > PORTION ? q->checkpoint_at + PORTION : q->messages.end;
    for (; q->checkpoint_at < end_at; q->checkpoint_at++)
        if (message_at(q, q->checkpoint_at)->mid)
            checkpoint_message(q, q->checkpoint_at);
    return q->checkpoint_at < q->messages.end;
}

/* --- replay
 * ----------------------------------------------------------------------------------------------------------------- */

static uint32_t message_of(struct queue *q, struct str *in)
{
    uint64_t mid;

    return get_varint(in, &mid) ? message_find(q, mid) : 0;
}

static void drop(struct queue *q, uint32_t message)
{
    changes_drop(q, message);
    message_at(q, message)->flags &= (uint8_t)~MESSAGE_BIG; /* its file was not looked at yet */
    message_leave(q, message);
}

static void replay_known(struct queue *q, struct str in)
{
    uint64_t mid, id, generation, owner, offset, bytes;
    uint32_t old, segment;
    struct queue_segment *s;

    if (!get_varint(&in, &mid) || !get_varint(&in, &id) || !get_varint(&in, &generation) || !get_varint(&in, &owner) ||
        !get_varint(&in, &offset) || !get_varint(&in, &bytes) || offset > UINT32_MAX || bytes > UINT32_MAX || !mid || !id)
        return;
    old = message_find(q, mid);
    if (old)
        drop(q, old);
    segment = segment_get(q, id, generation, owner);
    s = segment_at(q, segment);
    s->known_to = offset + bytes > s->known_to ? offset + bytes : s->known_to;
    message_new(q, mid, segment, offset, bytes);
}

/* The same message at another place; what is known of it stays. */
static void replay_moved(struct queue *q, struct str in)
{
    struct str again = in;
    uint32_t message = message_of(q, &in);
    uint64_t id, generation, owner, offset, bytes;
    struct message *m;

    if (!message) {
        replay_known(q, again);
        return;
    }
    if (!get_varint(&in, &id) || !get_varint(&in, &generation) || !get_varint(&in, &owner) || !get_varint(&in, &offset) ||
        !get_varint(&in, &bytes) || offset > UINT32_MAX || bytes > UINT32_MAX || !id)
        return;
    m = message_at(q, message);
    segment_message_gone(q, m->segment, m->record_bytes);
    m->segment = segment_get(q, id, generation, owner);
    m->offset = (uint32_t)offset;
    m->record_bytes = (uint32_t)bytes;
    segment_at(q, m->segment)->live++;
    segment_at(q, m->segment)->live_bytes += bytes;
}

static void replay_verdict(struct queue *q, struct str in)
{
    uint32_t message = message_of(q, &in);
    uint64_t action;
    struct str carried;

    if (!message || !get_varint(&in, &action) || !get_str(&in, &carried))
        return;
    message_at(q, message)->state = MESSAGE_DELIVERY;
    message_at(q, message)->flags &= (uint8_t)~MESSAGE_ALONE;
    message_keep(q, message, carried);
}

static void replay_final(struct queue *q, struct str in)
{
    uint32_t message = message_of(q, &in);
    uint64_t index;

    while (message && get_varint(&in, &index))
        changes_put(q, message, (uint16_t)index, &(struct change){.final = true});
}

static void replay_wait(struct queue *q, struct str in)
{
    uint32_t message = message_of(q, &in);
    uint64_t index, tries, at;

    if (!message || !get_varint(&in, &tries) || !get_varint(&in, &at))
        return;
    while (get_varint(&in, &index))
        changes_put(q, message, (uint16_t)index, &(struct change){.tries = (uint16_t)tries, .next_wall_ms = at});
}

static void replay_redirect(struct queue *q, struct str in)
{
    uint32_t message = message_of(q, &in), destination;
    struct str name;
    uint64_t index;

    if (!message || !get_str(&in, &name))
        return;
    destination = destination_for(q, name);
    while (get_varint(&in, &index))
        changes_put(q, message, (uint16_t)index, &(struct change){.destination = destination});
}

static void replay_done(struct queue *q, struct str in)
{
    uint32_t message = message_of(q, &in);

    if (message)
        drop(q, message);
}

static void replay_dsn(struct queue *q, struct str in)
{
    uint32_t message = message_of(q, &in);
    uint64_t n;

    if (message && get_varint(&in, &n))
        message_at(q, message)->delay_dsns = (uint8_t)n;
}

static void replay_scan_try(struct queue *q, struct str in)
{
    uint32_t message = message_of(q, &in);
    uint64_t tries, alone;

    if (!message || !get_varint(&in, &tries) || !get_varint(&in, &alone))
        return;
    message_at(q, message)->scan_tries = (uint8_t)tries;
    message_at(q, message)->flags |= (uint8_t)(alone & MESSAGE_ALONE);
}

static void replay_segment(struct queue *q, struct str in)
{
    uint64_t id, generation, owner, size, known_to, bits;
    uint32_t i;
    struct queue_segment *s;

    if (!get_varint(&in, &id) || !get_varint(&in, &generation) || !get_varint(&in, &owner) || !get_varint(&in, &size) ||
        !get_varint(&in, &known_to) || !get_varint(&in, &bits) || !id)
        return;
    i = segment_get(q, id, generation, owner);
    s = segment_at(q, i);
    if (bits & 2 && !s->live) {
        slab_give(&q->segments, i);
        return;
    }
    s->size = size;
    s->known_to = known_to > s->known_to ? known_to : s->known_to;
    s->closed = bits & 1;
    s->corrupt = bits >> 2 & 1;
}

static void replay_control(struct queue *q, struct str in)
{
    uint64_t bits;
    struct str reason, name;

    if (!get_varint(&in, &bits) || !get_str(&in, &reason))
        return;
    q->work_paused = bits & 1;
    q->delivery_suspended = bits >> 1 & 1;
    free(q->work_reason);
    q->work_reason = strndup(reason.p ? reason.p : "", reason.n);
    for (uint32_t i = 1; i < q->destinations.end; i++)
        destination_at(q, i)->suspended = false;
    while (get_str(&in, &name))
        destination_at(q, destination_for(q, name))->suspended = true;
}

void entries_replay(void *ctx, uint64_t kind, struct str octets)
{
    static void (*const replay[ENTRY_KINDS])(struct queue *, struct str) = {
        [ENTRY_KNOWN] = replay_known,     [ENTRY_VERDICT] = replay_verdict,  [ENTRY_FINAL] = replay_final,
        [ENTRY_WAIT] = replay_wait,       [ENTRY_DONE] = replay_done,        [ENTRY_DSN] = replay_dsn,
        [ENTRY_SEGMENT] = replay_segment, [ENTRY_CONTROL] = replay_control,  [ENTRY_SCAN_TRY] = replay_scan_try,
        [ENTRY_MOVED] = replay_moved,     [ENTRY_REDIRECT] = replay_redirect};

    if (kind < ENTRY_KINDS && replay[kind])
        replay[kind](ctx, octets);
}
