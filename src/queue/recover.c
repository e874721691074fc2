/*
 * The start of a new life: journal, segments, flight boards.
 *
 * Called once by queue_new() before any bus message is taken. What the journal knows is replayed, then each message's record
 * is read for its recipients; records behind the known offset of a segment that nobody writes any more are taken as new. A
 * message whose record cannot be read is reported and given up; a corrupt segment goes aside once its readable messages are
 * out.
 */
#include "base/clock.h"
#include "base/must.h"
#include "mail/envelope.h"
#include "queue/changes.h"
#include "queue/state.h"

#include <stdlib.h>

/* The segment files there are, as their header pages say. */
struct file {
    uint64_t id, generation, owner, size;
    bool free;
};

struct files {
    struct file *items;
    size_t n;
};

static enum rc list_files(struct queue *q, struct files *out, struct err *e)
{
    const uint64_t *ids;
    size_t n;

    TRY(spool_list(q->dir, &q->scan, &ids, &n, e));
    out->items = arena_array(&q->scan, struct file, n + 1);
    if (!out->items)
        return err_set(e, RC_NO_MEMORY, "list of segments");
    for (size_t i = 0; i < n; i++) {
        struct spool_found found = {0};

        if (spool_look(q->dir, ids[i], &found, NULL) != RC_OK)
            found.generation = 0; /* no header page: nothing of it was ever acknowledged */
        out->items[out->n++] = (struct file){ids[i], found.generation, found.owner, found.size, found.free};
    }
    return RC_OK;
}

static struct file *file_of(const struct files *f, uint64_t id)
{
    for (size_t i = 0; i < f->n; i++)
        if (f->items[i].id == id)
            return &f->items[i];
    return NULL;
}

static void lose(struct queue *q, uint32_t message)
{
    struct message *m = message_at(q, message);
    struct spool_ref ref = message_ref(q, m);

    event(q->events, record_damaged, .mid = m->mid, .segment = ref.segment, .offset = ref.offset);
    segment_at(q, m->segment)->corrupt = true;
    entry_done(q, m->mid);
    message_leave(q, message);
}

static void load_messages(struct queue *q)
{
    for (uint32_t i = 1; i < q->messages.end; i++) {
        uint32_t list;

        if (!message_at(q, i)->mid)
            continue;
        list = changes_take(q, i);
        arena_reset(&q->scratch);
        if (message_load(q, i, NULL, NULL) != RC_OK) {
            changes_apply(q, i, list);
            lose(q, i);
            continue;
        }
        changes_apply(q, i, list);
        if (message_at(q, i)->open == 0)
            message_end_if_done(q, i);
    }
}

/* A life of a file that the disk does not hold any more, or that is marked free: all its messages are done or lost. */
static void drop_stale(struct queue *q, const struct files *files)
{
    for (uint32_t i = 1; i < q->segments.end; i++) {
        struct queue_segment *s = segment_at(q, i);
        const struct file *f = s->id ? file_of(files, s->id) : NULL;

        if (s->id && !s->live && (!f || f->generation != s->generation || f->free)) {
            entry_segment(q, i, true);
            slab_give(&q->segments, i);
        }
    }
}

/* Own segments hold nothing that counts without an entry; those of receive processes are read as far as nobody writes them.
 */
static void settle_files(struct queue *q, const struct files *files)
{
    for (size_t i = 0; i < files->n; i++) {
        const struct file *f = &files->items[i];
        uint32_t s = segment_find(q, f->id, f->generation);

        if (f->owner != QUEUE_COLUMN || f->free || !f->generation)
            continue;
        segment_closed(q, s ? s : segment_get(q, f->id, f->generation, f->owner), f->size);
    }
    for (unsigned owner = 0; owner < QUEUE_COLUMN; owner++)
        intake_look(q, owner, false, true);
}

static void release(struct queue *q)
{
    uint64_t now = loop_now_ms(q->loop);

    for (uint32_t i = 1; i < q->messages.end; i++) {
        struct message *m = message_at(q, i);

        if (!m->mid)
            continue;
        if (m->state == MESSAGE_WORK) {
            if (!m->prev && q->work_first != i)
                work_add(q, i, false);
            continue;
        }
        for (uint32_t p = m->pieces; p; p = piece_at(q, p)->sibling)
            if (piece_at(q, p)->tries && piece_at(q, p)->next_try_ms > now)
                piece_wait_until(q, p, piece_at(q, p)->next_try_ms);
        pieces_release(q, i);
    }
}

enum rc recover_run(struct queue *q, struct err *e)
{
    uint64_t begun = clock_mono_ms();
    struct files files = {0};
    bool torn = false;
    struct journal_options jo = {.dir = q->dir,
                                 .rotate_bytes = conf_now(q->conf)->spool.journal_bytes,
                                 .reserve_bytes = conf_now(q->conf)->spool.reserve_bytes,
                                 .checkpoint = entries_checkpoint,
                                 .failed = queue_journal_failed,
                                 .ctx = q};
    struct journal *j;

    slab_init(&q->changes, sizeof(struct change));
    q->fresh_boot = !board_load(&q->board->numbers_ready);
    j = journal_open(q->loop, &jo, entries_replay, &torn, e);
    if (!j)
        return e ? e->rc : RC_IO;
    q->journal = j;
    if (torn)
        event(q->events, journal_tail_dropped);
    TRY(list_files(q, &files, e));
    load_messages(q);
    drop_stale(q, &files);
    q->recovering = true;
    settle_files(q, &files);
    q->recovering = false;
    release(q);
    adopt_boards(q);
    slab_done(&q->changes);
    arena_reset(&q->scan);
    q->recovered_ms = clock_mono_ms() - begun;
    if (q->messages.used || q->segments.used)
        event(q->events, queue_recovered, .messages = q->messages.used, .recipients = q->open_recipients,
              .ms = q->recovered_ms);
    return RC_OK;
}

void recover_say(struct queue *q)
{
    for (uint32_t i = 1; i < q->pieces.end; i++) {
        const struct piece *p = piece_at(q, i);
        struct spool_head head;
        struct envelope env;
        struct str octets;

        if (p->state != PIECE_READY)
            continue;
        arena_reset(&q->scratch);
        if (spool_read_head(q->reader, message_ref(q, message_at(q, p->message)), &q->scratch, &head, &octets, NULL) ==
                RC_OK &&
            envelope_decode(&q->scratch, octets, &env, NULL) == RC_OK)
            event(q->events, message_recovered, .mid = head.mid, .bytes = head.body_bytes, .sender = env.sender);
    }
}
