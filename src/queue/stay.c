/*
 * Copy-forward: the last messages of a mostly empty segment move to queue's own, so that a stuck destination cannot pin
 * segments (C7).
 *
 * Called once a second; owns one walk at a time. At most 1 MiB is under way. The copy is synced before the journal says
 * `moved`; a message that was given to deliver or ended meanwhile keeps its old place, and its copy does not count. Segments
 * are left alone for five minutes after they were closed, since most mail leaves by itself.
 */
#include "base/must.h"
#include "queue/state.h"

#include <stdlib.h>

enum { AT_ONCE = 1 << 20, AFTER_MS = 300000, PORTION = 100000 };

struct moving {
    struct queue *q;
    uint64_t mid, bytes;
    uint32_t segment, offset;
};

static bool is_flying(const struct queue *q, const struct message *m)
{
    for (uint32_t p = m->pieces; p; p = piece_at(q, p)->sibling)
        if (piece_at(q, p)->state == PIECE_FLYING || piece_at(q, p)->state == PIECE_SETTLING)
            return true;
    return false;
}

static void copied(void *ctx, enum rc rc, const struct spool_ref *ref)
{
    struct moving *mv = ctx;
    struct queue *q = mv->q;
    uint32_t message = message_find(q, mv->mid);
    struct message *m = message ? message_at(q, message) : NULL;

    q->stay_bytes -= mv->bytes;
    if (rc == RC_OK && m && m->segment == mv->segment && m->offset == mv->offset && m->state != MESSAGE_SCANNING &&
        !is_flying(q, m)) {
        uint32_t old = m->segment;

        m->segment = segment_get(q, ref->segment, ref->generation, QUEUE_COLUMN);
        m->offset = (uint32_t)ref->offset;
        segment_at(q, m->segment)->live++;
        segment_at(q, m->segment)->live_bytes += m->record_bytes;
        if (segment_at(q, m->segment)->known_to < ref->offset + m->record_bytes)
            segment_at(q, m->segment)->known_to = ref->offset + m->record_bytes;
        entry_moved(q, message);
        segment_message_gone(q, old, m->record_bytes);
    }
    free(mv);
    if (rc == RC_OK)
        stay_run(q);
}

static void copy(struct queue *q, uint32_t message)
{
    struct message *m = message_at(q, message);
    struct moving *mv;
    struct spool_head head;
    struct str envelope;

    arena_reset(&q->scratch);
    if (m->state == MESSAGE_SCANNING || is_flying(q, m) ||
        spool_read_head(q->reader, message_ref(q, m), &q->scratch, &head, &envelope, NULL) != RC_OK)
        return;
    mv = malloc(sizeof *mv);
    must(mv);
    *mv = (struct moving){q, m->mid, m->record_bytes, m->segment, m->offset};
    q->stay_bytes += mv->bytes;
    spool_append_copy(q->writer, q->reader, &head, envelope, copied, mv);
}

static bool is_sparse(const struct queue *q, const struct queue_segment *s)
{
    uint64_t percent = conf_now(q->conf)->queue.stay_live_percent;

    return s->id && s->closed && s->live && !s->freeing && s->size && s->live_bytes * 100 <= s->size * percent &&
           loop_now_ms(q->loop) > s->closed_ms + AFTER_MS;
}

/* The emptiest one. */
static uint32_t choose(const struct queue *q)
{
    uint32_t best = 0;

    for (uint32_t i = 1; i < q->segments.end; i++)
        if (is_sparse(q, segment_at(q, i)) && i != q->stay_last &&
            (!best || segment_at(q, i)->live_bytes < segment_at(q, best)->live_bytes))
            best = i;
    return best;
}

void stay_run(struct queue *q)
{
    uint32_t left = PORTION;

    if (q->stopping || q->broken)
        return;
    if (!q->stay_segment) {
        q->stay_segment = choose(q);
        q->stay_at = 1;
    }
    for (; q->stay_segment && q->stay_bytes < AT_ONCE && left; left--, q->stay_at++) {
        if (q->stay_at >= q->messages.end) { /* what is left there is in flight: another one comes first next time */
            q->stay_last = q->stay_segment;
            q->stay_segment = 0;
            return;
        }
        if (message_at(q, q->stay_at)->mid && message_at(q, q->stay_at)->segment == q->stay_segment)
            copy(q, q->stay_at);
    }
}
