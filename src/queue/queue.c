/*
 * The queue as a whole: start, turn, second, end.
 *
 * Called by role/main_queue.c and by tests. Owns struct queue. At the end of each turn, before the journal is written, work
 * that became possible is handed out, so that one turn makes one journal write and one bus write a peer (A2, B1); flight
 * slots are given back after the journal write. While the journal cannot be written nothing is confirmed or handed out and
 * mail is refused; once it can, everything goes on.
 */
#include "queue/queue.h"
#include "queue/holders.h"

#include "base/clock.h"
#include "base/must.h"
#include "queue/made.h"
#include "queue/taken.h"

#include <stdio.h>
#include <stdlib.h>
#include <sys/statvfs.h>

static void turn(void *ctx)
{
    struct queue *q = ctx;

    if (!q->stopping && !q->broken) {
        work_dispatch(q);
        dispatch_run(q);
        bounce_run(q);
    }
    intake_confirm(q);
    taken_sync(q);
}

static void written(void *ctx)
{
    dispatch_slots_written(ctx);
}

static void say_receiving(void *ctx, struct bus_peer *p)
{
    struct queue *q = ctx;

    bus_send(q->bus, p, BUS_receiving_state, &(struct bus_receiving_state){.rc = q->receiving_state});
}

/* Take new mail, or not and why (I3, I4). */
static void check_limits(struct queue *q)
{
    const struct conf *c = conf_now(q->conf);
    enum rc state = RC_OK;

    if (q->broken)
        state = RC_IO;
    else if (q->messages.used >= c->queue.max_messages || (c->queue.max_bytes && q->live_bytes >= c->queue.max_bytes))
        state = RC_QUEUE_FULL;
    if (state == q->receiving_state)
        return;
    q->receiving_state = state;
    bus_each(q->bus, ROLE_receive, say_receiving, q);
}

/* When the oldest message came: looked up again only when that one has left, and the rarer the longer the queue is. */
static uint64_t oldest_ms(struct queue *q)
{
    if ((q->oldest && message_at(q, q->oldest)->mid == q->oldest_mid) || q->seconds < q->oldest_seconds)
        return q->oldest_ms;
    q->oldest_seconds = q->seconds + 5 + q->messages.used / 100000;
    q->oldest = 0;
    for (uint32_t i = 1; i < q->messages.end; i++)
        if (message_at(q, i)->mid && (!q->oldest || message_at(q, i)->entered_ms < message_at(q, q->oldest)->entered_ms))
            q->oldest = i;
    q->oldest_mid = q->oldest ? message_at(q, q->oldest)->mid : 0;
    q->oldest_ms = q->oldest ? message_at(q, q->oldest)->entered_ms : 0;
    return q->oldest_ms;
}

static uint64_t free_kb(const struct queue *q)
{
    struct statvfs st;

    return statvfs(q->dir, &st) == 0 ? (uint64_t)st.f_bavail * st.f_frsize / 1024 : 0;
}

static void set_gauges(struct queue *q)
{
    const struct {
        enum board_gauge gauge;
        uint64_t value;
    } list[] = {{GAUGE_WORK_QUEUE, q->n_work + q->n_scanning},
                {GAUGE_ACTIVE_RECIPIENTS, q->open_recipients},
                {GAUGE_UNATTEMPTED, q->unattempted},
                {GAUGE_ATTEMPTED, q->open_recipients - q->unattempted},
                {GAUGE_DESTINATIONS, q->destinations.used},
                {GAUGE_QUEUE_KB, q->live_bytes / 1024},
                {GAUGE_QUEUE_FREE_KB, free_kb(q)},
                {GAUGE_OLDEST_MS, oldest_ms(q)},
                {GAUGE_OLDEST_MID, q->oldest_mid},
                {GAUGE_WORK_QUEUE_PAUSED, q->work_paused},
                {GAUGE_DELIVERY_SUSPENDED, q->delivery_suspended}};

    for (size_t i = 0; i < sizeof list / sizeof *list; i++)
        board_gauge_set(q->board, QUEUE_COLUMN, list[i].gauge, list[i].value);
}

static void check_work(struct queue *q)
{
    uint64_t limit = conf_now(q->conf)->queue.work_queue_alert;

    if (q->n_work > limit && !q->work_alerted)
        event(q->events, work_queue_long, .messages = q->n_work);
    q->work_alerted = q->n_work > limit || (q->work_alerted && q->n_work > limit / 2);
}

/* The journal kept its entries and could write them after all: go on where it stopped. */
static void mend(struct queue *q)
{
    if (!q->broken || !journal_ok(q->journal))
        return;
    q->broken = false;
    event(q->events, spool_write_resumed);
    loop_again(q->loop);
}

static void second(void *ctx)
{
    struct queue *q = ctx;

    loop_timer_set(q->loop, &q->second_timer, 1000, second, q);
    mend(q);
    numbers_check(q);
    check_limits(q);
    check_work(q);
    adopt_look(q);
    intake_tidy(q);
    segments_recycle(q);
    set_gauges(q);
    big_run(q);
    stay_run(q);
    work_tidy(q);
    holders_look(q);
    if (++q->seconds % 60 == 0)
        destinations_tidy(q);
}

static void come(void *ctx, struct bus_peer *p)
{
    static void (*const by_role[ROLE_COUNT])(struct queue *, struct bus_peer *) = {
        [ROLE_receive] = intake_peer_come, [ROLE_scan] = work_peer_come, [ROLE_deliver] = dispatch_peer_come};

    if (p->role < ROLE_COUNT && by_role[p->role])
        by_role[p->role](ctx, p);
}

static void gone(void *ctx, struct bus_peer *p)
{
    static void (*const by_role[ROLE_COUNT])(struct queue *, struct bus_peer *) = {
        [ROLE_receive] = intake_peer_gone, [ROLE_scan] = work_peer_gone, [ROLE_deliver] = dispatch_peer_gone};

    if (p->role < ROLE_COUNT && by_role[p->role])
        by_role[p->role](ctx, p);
}

static void conf_changed(void *ctx, const struct conf *now, const struct conf *old)
{
    (void)now;
    if (old)
        destinations_configure(ctx);
}

void queue_journal_failed(void *ctx, enum rc rc, const struct err *e)
{
    struct queue *q = ctx;

    (void)rc;
    q->broken = true;
    event(q->events, spool_write_failed, .why = str_c(err_text(e)));
    check_limits(q);
}

static void own_segment_closed(void *ctx, uint64_t segment, uint64_t generation, uint64_t size, uint64_t from, uint64_t to)
{
    struct queue *q = ctx;

    (void)from;
    (void)to;
    segment_closed(q, segment_get(q, segment, generation, QUEUE_COLUMN), size);
}

/* After recovery, which would take the writer's new segment for an old one; without a limit on free space, since bounces
 * must go out when the disk is nearly full (I3). */
static enum rc open_writer(struct queue *q, struct err *e)
{
    const struct conf *c = conf_now(q->conf);
    struct spool_options o = {.dir = q->dir,
                              .segment_bytes = c->spool.segment_bytes,
                              .column = QUEUE_COLUMN,
                              .keep_free = 2,
                              .wipe = c->spool.wipe};

    q->writer = spool_writer_new(q->loop, q->board, &o, own_segment_closed, q, e);
    return q->writer ? RC_OK : err_wrap(e, RC_IO, "queue's segments");
}

static struct queue *allocate(const struct queue_options *o)
{
    struct queue *q = calloc(1, sizeof *q);

    must(q);
    q->loop = o->loop;
    q->bus = o->bus;
    q->conf = o->conf;
    q->events = o->events;
    q->board = o->board;
    q->home = strdup(o->home);
    must(q->home && asprintf(&q->dir, "%s/spool", o->home) > 0);
    q->names_seed = random_u64();
    q->entry = BUF(64 << 20);
    q->list = BUF(1 << 20);
    q->started_ms = clock_mono_ms();
    arena_init(&q->scratch, 4096, 16 << 20);
    arena_init(&q->scan, 4096, 64 << 20);
    slab_init(&q->messages, sizeof(struct message));
    slab_init(&q->pieces, sizeof(struct piece));
    slab_init(&q->recipients, sizeof(struct queue_recipient));
    slab_init(&q->segments, sizeof(struct queue_segment));
    slab_init(&q->destinations, sizeof(struct destination));
    slab_init(&q->kept, sizeof(struct kept));
    heap_init(&q->waiting, &q->pieces);
    return q;
}

enum rc queue_new(const struct queue_options *o, struct queue **out, struct err *e)
{
    struct queue *q = allocate(o);
    enum rc rc;

    loop_at_end(q->loop, PHASE_STORE, turn, q); /* before the journal's own hook */
    q->reader = spool_reader_new(q->dir);
    rc = taken_open(q, e);
    if (rc == RC_OK)
        rc = recover_run(q, e);
    if (rc == RC_OK)
        rc = numbers_init(q, e);
    if (rc == RC_OK && q->power_cut)
        recover_say(q);
    if (rc == RC_OK)
        rc = open_writer(q, e);
    if (rc != RC_OK) {
        queue_free(q);
        return rc;
    }
    loop_at_end(q->loop, PHASE_EVENT, written, q);
    intake_init(q);
    work_init(q);
    dispatch_init(q);
    queue_verbs_init(q);
    own_init(q);
    release_init(q);
    holders_init(q);
    destinations_init(q);
    bus_on_peer(q->bus, come, gone, q);
    conf_on_change(q->conf, conf_changed, q);
    second(q);
    *out = q;
    return RC_OK;
}

static void stop_synced(void *ctx, enum rc rc)
{
    struct queue *q = ctx;

    (void)rc;
    q->stopped(q->stopped_ctx);
}

void queue_stop(struct queue *q, void (*done)(void *ctx), void *ctx)
{
    q->stopping = true;
    q->stopped = done;
    q->stopped_ctx = ctx;
    numbers_stop(q);
    journal_sync(q->journal, stop_synced, q);
}

void queue_free(struct queue *q)
{
    if (!q)
        return;
    q->stopping = true;
    loop_at_end_cancel(q->loop, PHASE_STORE, turn, q);
    loop_at_end_cancel(q->loop, PHASE_EVENT, written, q);
    while (q->n_freeing)
        loop_turn(q->loop, true);
    spool_writer_free(q->writer);
    big_done(q);
    bounce_done(q);
    if (q->journal)
        journal_close(q->journal); /* answers those that wait for a sync */
    queue_verbs_done(q);
    own_done(q);
    verdicts_done(q);
    releases_done(q);
    if (q->ceilings[NUMBER_MID])
        numbers_stop(q);
    loop_timer_cancel(q->loop, &q->second_timer);
    loop_timer_cancel(q->loop, &q->waiting_timer); /* the turns may have set it again */
    spool_reader_free(q->reader);
    taken_close(q);
    work_done(q);
    dispatch_done(q);
    destinations_done(q);
    messages_done(q);
    slab_done(&q->messages);
    slab_done(&q->pieces);
    slab_done(&q->recipients);
    slab_done(&q->segments);
    slab_done(&q->destinations);
    slab_done(&q->kept);
    slab_done(&q->changes);
    heap_done(&q->waiting);
    buf_done(&q->entry);
    buf_done(&q->list);
    arena_done(&q->scratch);
    arena_done(&q->scan);
    free(q->home);
    free(q->dir);
    free(q);
}

void queue_counts(const struct queue *q, struct queue_counts *out)
{
    *out = (struct queue_counts){.messages = q->messages.used,
                                 .recipients = q->open_recipients,
                                 .work = q->n_work + q->n_scanning,
                                 .destinations = q->destinations.used,
                                 .flying = q->n_flying,
                                 .octets = slab_bytes(&q->messages) + slab_bytes(&q->pieces) + slab_bytes(&q->recipients) +
                                           slab_bytes(&q->destinations) + slab_bytes(&q->kept) +
                                           q->waiting.cap * sizeof *q->waiting.items + q->mids_cap * sizeof *q->mids +
                                           q->names_cap * sizeof *q->names,
                                 .recovered_ms = q->recovered_ms};
}
