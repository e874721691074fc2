/*
 * New mail from receive: announced, taken once, confirmed; and what a dead receive process left (D3).
 *
 * Called by the bus. A segment's records are announced in the order in which they lie there, so one offset a segment says
 * which are known and a repeat does no harm; a gap below an announced record is read from the segment before it. The
 * confirmation leaves once a turn and receive process, after the journal was written.
 */
#include "base/clock.h"
#include "mail/carried.h"
#include "queue/taken.h"

/* Records of a group follow each other; a new group begins on a 4 KiB page (C3). */
enum { PAGE = 4096, PATIENCE_MS = 10000 };

static bool follows(uint64_t known_to, uint64_t offset)
{
    uint64_t page = (known_to + PAGE - 1) / PAGE * PAGE;

    return offset <= known_to || offset == page || (known_to == 0 && offset <= PAGE);
}

static void damaged(struct queue *q, uint32_t message)
{
    struct message *m = message_at(q, message);
    struct spool_ref ref = message_ref(q, m);

    event(q->events, record_damaged, .mid = m->mid, .segment = ref.segment, .offset = ref.offset);
    entry_done(q, m->mid);
    message_leave(q, message);
}

/* Of releases that a manager gave twice, because it heard no answer to the first, one counts. The same record found again,
 * with its key known and its journal entry lost, is the first. */
static bool is_first(struct queue *q, uint32_t message, struct str carried)
{
    uint64_t mid = message_at(q, message)->mid, other;
    struct carried c;

    if (carried_decode(carried, &c, NULL) != RC_OK || !c.release_key.n)
        return true;
    other = taken_find(q, c.release_key);
    if (!other)
        taken_add(q, c.release_key, mid);
    if (!other || other == mid)
        return true;
    event(q->events, release_repeated, .mid = mid, .first = other);
    event(q->events, message_finished, .mid = mid);
    return false;
}

uint32_t intake_take(struct queue *q, uint32_t segment, const struct spool_head *head, bool recovered)
{
    struct queue_segment *s = segment_at(q, segment);
    uint32_t message = message_new(q, head->mid, segment, head->ref.offset, head->record_bytes);
    struct message *m = message_at(q, message);
    struct str carried = STR_NONE;

    if (message_load(q, message, &carried, NULL) != RC_OK) {
        s->known_to = head->ref.offset + 1;
        entry_known(q, message);
        damaged(q, message);
        return 0;
    }
    s->known_to = head->ref.offset + m->record_bytes;
    entry_known(q, message);
    if (carried.n && !is_first(q, message, carried)) {
        entry_done(q, m->mid);
        message_leave(q, message);
        return 0;
    }
    if (recovered)
        event(q->events, recovered_unanswered, .mid = m->mid, .segment = s->id, .offset = m->offset);
    work_add(q, message, false);
    q->work_in++;
    if (!m->open) { /* nobody to deliver to: cannot come from receive */
        damaged(q, message);
        return 0;
    }
    return message;
}

struct walk {
    struct queue *q;
    uint32_t segment;
    uint64_t certain_to;   /* from here on nobody may have been told */
    bool known_is_certain; /* the marks of its owner are not about this segment */
    uint64_t taken;
};

static void found(void *ctx, const struct spool_head *head, struct str envelope)
{
    struct walk *w = ctx;
    struct queue *q = w->q;
    struct queue_segment *s = segment_at(q, w->segment);
    bool uncertain = head->ref.offset >= w->certain_to;

    (void)envelope;
    if (head->ref.generation != s->generation)
        return;
    if (head->ref.offset < s->known_to) { /* taken when it was announced; was its peer told? */
        if (uncertain && !w->known_is_certain)
            event(q->events, recovered_unanswered, .mid = head->mid, .segment = s->id, .offset = head->ref.offset);
        return;
    }
    arena_reset(&q->scratch);
    intake_take(q, w->segment, head, uncertain);
    w->taken++;
}

/* Records of a live segment below `to`, which are synced because a later one is. */
static void take_gap(struct queue *q, uint32_t segment, uint64_t to)
{
    struct queue_segment *s = segment_at(q, segment);
    struct walk w = {q, segment, UINT64_MAX, true, 0};
    struct spool_found out;

    spool_scan(q->dir, s->id, s->known_to, to, NULL, found, &w, &out, NULL);
}

static void on_closed(void *ctx, const struct bus_in *in)
{
    struct queue *q = ctx;
    const struct bus_segment_closed *msg = in->msg;
    uint32_t segment;

    if (in->from->index >= QUEUE_COLUMN)
        return;
    segment = segment_get(q, msg->segment, msg->generation, in->from->index);
    segment_closed(q, segment, msg->size);
}

void segment_closed(struct queue *q, uint32_t segment, uint64_t size)
{
    struct queue_segment *s = segment_at(q, segment);

    if (size)
        s->size = size;
    if (!s->closed)
        s->closed_ms = loop_now_ms(q->loop);
    s->closed = true;
    entry_segment(q, segment, false);
    if (!s->live)
        s->emptied_entry = journal_added(q->journal);
}

static void confirm(struct queue *q, uint32_t i)
{
    struct queue_segment *s = segment_at(q, i);
    struct bus_message_known msg = {s->id, s->generation, s->known_to};

    if (q->broken) /* what the journal does not hold is not known: confirmed when it does */
        return;
    s->dirty = false;
    bus_send(q->bus, bus_peer(q->bus, ROLE_receive, s->owner), BUS_message_known, &msg);
}

static void on_stored(void *ctx, const struct bus_in *in)
{
    struct queue *q = ctx;
    const struct bus_message_stored *msg = in->msg;
    uint32_t segment = q->known[in->from->index % BOARD_RECEIVERS];
    struct spool_head head = {.ref = {msg->segment, msg->generation, msg->offset}, .mid = msg->mid};
    struct queue_segment *s = segment ? segment_at(q, segment) : NULL;

    if (msg->offset > UINT32_MAX || in->from->index >= QUEUE_COLUMN)
        return;
    if (!s || s->id != msg->segment || s->generation != msg->generation)
        segment = segment_get(q, msg->segment, msg->generation, in->from->index);
    s = segment_at(q, segment);
    if (q->known[in->from->index] != segment && q->known[in->from->index] && segment_at(q, q->known[in->from->index])->dirty)
        confirm(q, q->known[in->from->index]);
    q->known[in->from->index] = segment;
    s->dirty = true;
    if (!follows(s->known_to, msg->offset))
        take_gap(q, segment, msg->offset);
    if (msg->offset < s->known_to)
        return; /* a repeat */
    arena_reset(&q->scratch);
    intake_take(q, segment, &head, false);
}

void intake_confirm(struct queue *q)
{
    for (unsigned i = 0; i < QUEUE_COLUMN; i++)
        if (q->known[i] && segment_at(q, q->known[i])->dirty)
            confirm(q, q->known[i]);
}

/* Whether anything of it is to be read, from where and how far: the marks name the last record announced and answered. */
static bool range_of(struct queue *q, const struct queue_segment *s, struct walk *w, uint64_t *from_out, uint64_t *to_out)
{
    uint64_t answering = board_load(&q->board->receivers[s->owner].answering);
    uint64_t answered = board_load(&q->board->receivers[s->owner].answered);

    *from_out = s->known_to;
    *to_out = 0;
    if (board_load(&q->board->receivers[s->owner].segment) != s->id ||
        board_load(&q->board->receivers[s->owner].generation) != s->generation)
        return true; /* closed, or left by an earlier boot: all that is whole in it */
    *to_out = answering + 1;
    w->certain_to = answered + 1;
    w->known_is_certain = false;
    if (*from_out > w->certain_to)
        *from_out = w->certain_to;
    return answering >= *from_out && answering;
}

/* A bad record among good ones (C4): what can be read was taken, the file is kept for people to look at. */
static void corrupt(struct queue *q, uint32_t segment, uint64_t taken)
{
    struct queue_segment *s = segment_at(q, segment);

    s->corrupt = true;
    event(q->events, segment_set_aside, .segment = s->id, .recovered = taken, .why = str_lit("a record in it is damaged"));
}

/* Takes what the owner of a segment had announced when it ended, and closes the segment. */
static void settle(struct queue *q, uint32_t segment, const struct spool_voids *voids)
{
    struct queue_segment *s = segment_at(q, segment);
    struct walk w = {q, segment, q->fresh_boot && q->recovering ? 0 : UINT64_MAX, true, 0};
    struct spool_found out = {0};
    uint64_t from, to;

    if (range_of(q, s, &w, &from, &to)) {
        enum rc rc = spool_scan(q->dir, s->id, from, to, voids, found, &w, &out, NULL);

        if (rc != RC_OK && rc != RC_NOT_FOUND)
            return; /* again in a second */
    }
    if (out.corrupt)
        corrupt(q, segment, w.taken);
    else if (out.torn)
        event(q->events, segment_tail_dropped, .segment = s->id, .offset = out.good_to, .bytes = out.torn);
    segment_closed(q, segment, out.size);
}

/* Whether anybody may still write to a segment of this column: one newer than the one the board names is being made ready or
 * filled for the first time; the one it names is open unless it is of an earlier process; older ones are closed. */
static bool is_open(const struct queue *q, unsigned owner, uint64_t generation, bool gone)
{
    uint64_t now = board_load(&q->board->receivers[owner].generation);

    if (!now)
        return false; /* no process of this column has stored anything on this board */
    if (generation == now)
        return !gone && generation > board_load(&q->board->receivers[owner].since);
    return generation > now;
}

/* Segment files of this column of which nothing was ever announced. */
static void list_unheard(struct queue *q, unsigned owner)
{
    const uint64_t *ids;
    size_t n;

    if (spool_list(q->dir, &q->scan, &ids, &n, NULL) != RC_OK)
        return;
    for (size_t i = 0; i < n; i++) {
        struct spool_found out = {0};

        if (segment_with_id(q, ids[i]) || board_load(&q->board->receivers[owner].spare) == ids[i] ||
            spool_look(q->dir, ids[i], &out, NULL) != RC_OK || out.free || !out.generation || out.owner != owner)
            continue;
        if (out.generation > board_load(&q->board->receivers[owner].generation) && !q->recovering)
            continue; /* made just now */
        segment_at(q, segment_get(q, ids[i], out.generation, owner))->size = out.size;
    }
}

void intake_look(struct queue *q, unsigned owner, bool gone, bool list)
{
    struct spool_voids voids = {0};
    bool read = false;

    if (list) {
        arena_reset(&q->scan);
        list_unheard(q, owner);
    }
    for (uint32_t i = 1; i < q->segments.end; i++) {
        const struct queue_segment *s = segment_at(q, i);

        if (!s->id || s->owner != owner || s->closed || is_open(q, owner, s->generation, gone))
            continue;
        if (!read && spool_read_voids(q->dir, &q->scan, &voids, NULL) != RC_OK)
            voids.n = 0;
        read = true;
        settle(q, i, &voids);
    }
    arena_reset(&q->scan);
}

/* A process that ended while no queue was there is known by the one that follows it, or by its absence. */
void intake_tidy(struct queue *q)
{
    bool late = clock_mono_ms() > q->started_ms + PATIENCE_MS;

    for (unsigned owner = 0; owner < QUEUE_COLUMN; owner++)
        intake_look(q, owner, late && !bus_peer(q->bus, ROLE_receive, owner), false);
}

void intake_peer_come(struct queue *q, struct bus_peer *p)
{
    unsigned owner = p->index;

    if (owner >= QUEUE_COLUMN)
        return;
    intake_look(q, owner, false, true);
    for (uint32_t i = 1; i < q->segments.end; i++)
        if (segment_at(q, i)->id && segment_at(q, i)->owner == owner && !segment_at(q, i)->closed)
            confirm(q, i);
    bus_send(q->bus, p, BUS_receiving_state, &(struct bus_receiving_state){.rc = q->receiving_state});
}

void intake_peer_gone(struct queue *q, struct bus_peer *p)
{
    if (p->index >= QUEUE_COLUMN)
        return;
    q->known[p->index] = 0;
    intake_look(q, p->index, true, true);
}

void intake_init(struct queue *q)
{
    bus_on(q->bus, BUS_message_stored, on_stored, q);
    bus_on(q->bus, BUS_segment_closed, on_closed, q);
}
