/*
 * Group commit: waiting records become one pwritev and one fdatasync (design-notes B3, B6, C3).
 *
 * group_drive runs in PHASE_STORE of every turn; the write and the sync run in the pool, one group at a time, while further
 * records gather. Owns w->open, w->group and w->limbo. When a group fails, its segment is closed and never written or
 * synced again; the group's fate is told only after a void record lies in a new segment, or, when that fails too, told as
 * uncertain (RC_CLOSED). Until a pending void is safe no other record is written, so there is never more than one.
 */
#include "base/io.h"
#include "spool/writer.h"

#include <unistd.h>

static void announce(struct spool_writer *w)
{
    struct board *b = w->board;
    unsigned c = w->o.column;

    board_store(&b->receivers[c].segment, 0);
    board_store(&b->receivers[c].answering, 0);
    board_store(&b->receivers[c].answered, 0);
    board_store(&b->receivers[c].generation, w->open.generation);
    board_store(&b->receivers[c].segment, w->open.id);
    board_store(&b->receivers[c].spare, 0);
    w->open.certain = true;
}

static void tell_closed(struct spool_writer *w, uint64_t segment, uint64_t generation, uint64_t size, uint64_t from,
                        uint64_t to)
{
    if (w->closed)
        w->closed(w->ctx, segment, generation, size, from, to);
}

void group_close_open(struct spool_writer *w)
{
    if (w->open.fd < 0)
        return;
    close(w->open.fd);
    w->open.fd = -1;
    tell_closed(w, w->open.id, w->open.generation, w->open.used, 0, 0);
}

/* An open segment with `bytes` left in it; false when there is none yet. */
static bool have_room(struct spool_writer *w, uint64_t bytes)
{
    if (w->open.fd >= 0 && w->open.used + bytes > w->open.size)
        group_close_open(w);
    if (w->open.fd < 0 && w->spare.fd >= 0) {
        w->open = w->spare;
        w->spare.fd = -1;
    }
    return w->open.fd >= 0;
}

/* --- a group ------------------------------------------------------------------------------------------------------- */

static void add_iov(struct group *g, const void *p, size_t n)
{
    if (n)
        g->iov[g->n_iov++] = (struct iovec){(void *)p, n};
}

static void place(struct spool_writer *w, struct record_header *h, bool more)
{
    h->segment = w->open.id;
    h->generation = w->open.generation;
    h->salt = w->open.salt;
    h->synced_to = (uint32_t)w->open.used;
    h->more = more;
    layout_seal_record(h, str_of(h + 1, h->envelope_bytes));
}

static void add_item(struct spool_writer *w, struct group *g, struct item *it, bool more)
{
    static const char zeros[RECORD_ALIGN];
    uint64_t used = RECORD_HEADER + it->head.envelope_bytes;

    place(w, &it->head, more);
    it->ref = (struct spool_ref){w->open.id, w->open.generation, g->offset + g->bytes};
    add_iov(g, &it->head, used);
    if (it->body && it->body->fd < 0) {
        g->n_iov += body_iov(it->body, g->iov + g->n_iov);
        used += it->body->bytes;
    }
    add_iov(g, zeros, it->bytes - used);
    g->bytes += it->bytes;
    items_add(&g->items, it);
}

/* Whether the next waiting record goes into a group that has n records and `bytes` octets so far. */
static bool joins(const struct spool_writer *w, unsigned n, uint64_t bytes)
{
    const struct item *it = w->waiting.first;

    return it && n < GROUP_RECORDS && (bytes == 0 || bytes + it->bytes <= GROUP_BYTES) &&
           w->group.offset + bytes + it->bytes <= w->open.size;
}

static void begin(struct spool_writer *w)
{
    w->group.n_iov = 0;
    w->group.bytes = 0;
    w->group.fd = w->open.fd;
    w->group.offset = w->open.used;
    items_init(&w->group.items);
}

static void commit_work(void *ctx)
{
    struct group *g = &((struct spool_writer *)ctx)->group;

    g->rc = io_pwritev("spool.append", g->fd, g->iov, g->n_iov, g->offset, &g->err);
    if (g->rc == RC_OK)
        g->rc = io_sync("spool.sync", g->fd, &g->err);
}

static void committed(struct spool_writer *w)
{
    w->open.used = layout_round(w->group.offset + w->group.bytes, PAGE);
    if (!w->open.certain)
        announce(w);
    w->syncs++;
}

/* B6: this file is never written or synced again. */
static void give_up_open(struct spool_writer *w)
{
    close(w->open.fd);
    w->open.fd = -1;
    w->failed_ids[w->n_failed++ % FREE_MOST] = w->open.id;
}

static void commit_done(void *ctx)
{
    struct spool_writer *w = ctx;
    struct group *g = &w->group;
    struct items done = g->items;

    if (g->rc == RC_OK) {
        w->state = WRITER_IDLE;
        w->records += done.n;
        committed(w);
        writer_finish(w, &done, RC_OK);
        return;
    }
    give_up_open(w);
    w->pending_void = (struct spool_void){w->open.id, w->open.generation, g->offset, w->open.size};
    w->limbo = done;
    w->limbo_rc = g->rc == RC_NO_SPACE ? RC_NO_SPACE : RC_IO;
    w->state = WRITER_VOIDING;
}

static void items_move(struct items *to, struct items *from)
{
    struct item *it;

    while ((it = items_take(from)))
        items_add(to, it);
}

static void refuse_waiting(struct spool_writer *w, enum rc rc)
{
    for (struct item *it = w->waiting.first; it; it = it->next)
        it->rc = rc;
    items_move(&w->refused, &w->waiting);
    writer_wake(w, 0);
}

static void group_start(struct spool_writer *w)
{
    struct group *g = &w->group;

    if (!have_room(w, w->waiting.first->bytes)) {
        if (!prepare_start(w, true))
            refuse_waiting(w, w->prepare.rc ? w->prepare.rc : RC_IO);
        return;
    }
    begin(w);
    while (joins(w, g->items.n, g->bytes)) {
        struct item *it = items_take(&w->waiting);

        add_item(w, g, it, joins(w, g->items.n + 1, g->bytes + it->bytes));
    }
    w->first_ms = 0; /* who is left has waited long enough */
    w->state = WRITER_COMMITTING;
    loop_work(w->loop, commit_work, commit_done, w);
}

/* --- after a failure (B6) -------------------------------------------------------------------------------------------- */

static void void_failed(struct spool_writer *w, enum rc rc)
{
    for (struct item *it = w->limbo.first; it; it = it->next)
        it->rc = RC_CLOSED;
    items_move(&w->refused, &w->limbo);
    refuse_waiting(w, rc);
}

static void void_done(void *ctx)
{
    struct spool_writer *w = ctx;
    struct spool_void v = w->pending_void;
    struct items limbo = w->limbo;

    if (w->group.rc != RC_OK) {
        give_up_open(w);
        tell_closed(w, w->open.id, w->open.generation, PAGE, PAGE, w->open.size);
        w->state = WRITER_VOIDING;
        w->retry_ms = loop_now_ms(w->loop) + 1000;
        w->prepare.rc = w->group.rc;
        void_failed(w, w->limbo_rc);
        return;
    }
    items_init(&w->limbo);
    w->state = WRITER_IDLE;
    committed(w);
    tell_closed(w, v.segment, v.generation, v.from, v.from, v.to);
    writer_finish(w, &limbo, w->limbo_rc);
}

static void void_start(struct spool_writer *w)
{
    w->void_record.head = (struct record_header){.kind = RECORD_VOID, .envelope_bytes = VOID_BYTES};
    if (!have_room(w, sizeof w->void_record)) {
        if (!prepare_start(w, true))
            void_failed(w, w->limbo_rc);
        return;
    }
    begin(w);
    layout_void_encode(&w->pending_void, w->void_record.what);
    place(w, &w->void_record.head, false);
    add_iov(&w->group, &w->void_record, sizeof w->void_record);
    w->group.bytes = sizeof w->void_record;
    w->state = WRITER_VOID_COMMITTING;
    loop_work(w->loop, commit_work, void_done, w);
}

/* --- the rule ---------------------------------------------------------------------------------------------------------- */

/* B3: when everyone recent waits, 2 ms after the first, or when a group is full. */
static bool due(struct spool_writer *w)
{
    uint64_t now = loop_now_ms(w->loop);

    return w->waiting.n >= GROUP_RECORDS || w->waiting.bytes >= GROUP_BYTES || now >= w->first_ms + GROUP_WAIT_MS ||
           !transactions_recent(&w->transactions, now > RECENT_MS ? now - RECENT_MS : 0);
}

void group_drive(void *writer)
{
    struct spool_writer *w = writer;

    if (w->state == WRITER_VOIDING && !w->ending)
        void_start(w);
    else if (w->state == WRITER_IDLE && w->waiting.n && !w->ending) {
        if (due(w))
            group_start(w);
        else
            writer_wake(w, GROUP_WAIT_MS);
    }
    if (w->open.fd >= 0 && w->open.certain && w->open.used > w->open.size / 4)
        prepare_start(w, false);
}
