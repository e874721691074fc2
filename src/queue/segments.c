/*
 * Segments: how many live messages each holds, and when its file may be used again.
 *
 * Called by messages.c, intake.c, recover.c and once a second by queue.c. Owns the slab of segments. A file goes back to its
 * owner when all of C5 holds: closed, no live message (a message lent to deliver is live until its piece is answered, so the
 * live count is the lease too), the journal entry that ended the last one synced, and the events of that time synced by
 * record. It is marked free on disk in the thread pool before the owner is told.
 */
#include "base/clock.h"
#include "base/must.h"
#include "queue/state.h"

#include <stdlib.h>

uint32_t segment_find(const struct queue *q, uint64_t id, uint64_t generation)
{
    for (uint32_t i = q->segments.end; i-- > 1;) /* new ones are asked for most */
        if (segment_at(q, i)->id == id && segment_at(q, i)->generation == generation)
            return i;
    return 0;
}

bool segment_with_id(const struct queue *q, uint64_t id)
{
    for (uint32_t i = 1; i < q->segments.end; i++)
        if (segment_at(q, i)->id == id)
            return true;
    return false;
}

uint32_t segment_get(struct queue *q, uint64_t id, uint64_t generation, uint64_t owner)
{
    uint32_t i = segment_find(q, id, generation);
    struct queue_segment *s;

    if (i)
        return i;
    i = slab_take(&q->segments);
    s = segment_at(q, i);
    s->id = id;
    s->generation = generation;
    s->owner = (uint8_t)(owner % BOARD_RECEIVERS);
    return i;
}

void segment_message_gone(struct queue *q, uint32_t segment, uint64_t record_bytes)
{
    struct queue_segment *s = segment_at(q, segment);

    must(s->live);
    s->live--;
    s->live_bytes -= record_bytes;
    if (s->live || !q->journal)
        return;
    s->emptied_entry = journal_added(q->journal);
    s->emptied_ms = clock_mono_ms();
}

struct freeing {
    struct queue *q;
    uint32_t segment;
    uint64_t id, generation;
    bool corrupt;
    enum rc rc;
};

static void mark_free(void *ctx)
{
    struct freeing *f = ctx;

    f->rc = f->corrupt ? spool_set_aside(f->q->dir, f->id, NULL) : spool_mark_free(f->q->dir, f->id, f->generation, NULL);
}

/* The owner's process may use the file; without one the file goes (a process less than before, a lost lab). */
static void give_back(struct queue *q, const struct queue_segment *s)
{
    struct bus_peer *owner = bus_peer(q->bus, ROLE_receive, s->owner);

    if (s->owner == QUEUE_COLUMN)
        spool_writer_reuse(q->writer, s->id, false);
    else if (owner)
        bus_send(q->bus, owner, BUS_segment_free, &(struct bus_segment_free){.segment = s->id});
    /* else: marked free on disk, its next owner finds it */
}

static void marked_free(void *ctx)
{
    struct freeing *f = ctx;
    struct queue *q = f->q;
    struct queue_segment *s = segment_at(q, f->segment);

    s->freeing = false;
    q->n_freeing--;
    if (f->rc == RC_OK || f->rc == RC_CORRUPT || f->rc == RC_NOT_FOUND) {
        spool_reader_forget(q->reader, s->id);
        entry_segment(q, f->segment, true);
        if (f->rc == RC_OK && !f->corrupt)
            give_back(q, s);
        for (unsigned i = 0; i < BOARD_RECEIVERS; i++)
            if (q->known[i] == f->segment)
                q->known[i] = 0;
        slab_give(&q->segments, f->segment);
    }
    free(f);
}

/* Its owner's column says that it is in use. */
static bool is_named(const struct queue *q, const struct queue_segment *s)
{
    return board_load(&q->board->receivers[s->owner].segment) == s->id ||
           board_load(&q->board->receivers[s->owner].spare) == s->id;
}

static bool may_go(const struct queue *q, const struct queue_segment *s)
{
    uint64_t synced = board_load(&q->board->events_synced_ms);

    return s->id && s->closed && !s->live && !s->freeing && !is_named(q, s) &&
           journal_synced(q->journal) >= s->emptied_entry && synced >= s->emptied_ms;
}

void segments_recycle(struct queue *q)
{
    for (uint32_t i = 1; i < q->segments.end; i++) {
        struct queue_segment *s = segment_at(q, i);
        struct freeing *f;

        if (!may_go(q, s))
            continue;
        f = malloc(sizeof *f);
        must(f);
        *f = (struct freeing){.q = q, .segment = i, .id = s->id, .generation = s->generation, .corrupt = s->corrupt};
        s->freeing = true;
        q->n_freeing++;
        loop_work(q->loop, mark_free, marked_free, f);
    }
}
