/*
 * The face of the spool's writing side: makes a writer, takes records, calls back.
 *
 * Called by receive (one writer a process) and queue. Owns the items between spool_append and their callback, the list of
 * free segment files, and the transactions. group.c does the commits, prepare.c the segments, body.c the bodies. Nothing
 * here blocks but statvfs (once a second) and the unlink of a refused large body.
 */
#include "spool/writer.h"

#include "base/io.h"
#include "base/must.h"

#include <stdio.h>
#include <stdlib.h>
#include <sys/statvfs.h>
#include <unistd.h>

void items_init(struct items *l)
{
    *l = (struct items){0};
}

void items_add(struct items *l, struct item *it)
{
    it->next = NULL;
    if (l->last)
        l->last->next = it;
    else
        l->first = it;
    l->last = it;
    l->n++;
    l->bytes += it->bytes;
}

struct item *items_take(struct items *l)
{
    struct item *it = l->first;

    if (!it)
        return NULL;
    l->first = it->next;
    if (!l->first)
        l->last = NULL;
    l->n--;
    l->bytes -= it->bytes;
    return it;
}

static void woke(void *ctx);

void writer_wake(struct spool_writer *w, uint64_t in_ms)
{
    if (!w->timer.slot || w->timer.at_ms > loop_now_ms(w->loop) + in_ms)
        loop_timer_set(w->loop, &w->timer, in_ms, woke, w);
}

/* A large body whose record was refused for certain has no owner any more. */
static void discard_big(struct spool_writer *w, const struct item *it, enum rc rc)
{
    char path[SPOOL_PATH];

    if (rc == RC_OK || rc == RC_CLOSED || it->adopted || it->head.kind != RECORD_BIG || !it->body || it->body->temp)
        return;
    layout_big_path(path, w->dir, it->head.mid);
    io_unlink("spool.unlink", path, NULL);
}

void writer_finish(struct spool_writer *w, struct items *l, enum rc rc)
{
    struct item *it;

    while ((it = items_take(l))) {
        enum rc own = it->rc != RC_OK ? it->rc : rc;

        discard_big(w, it, own);
        spool_body_free(it->body);
        it->done(it->ctx, own, &it->ref);
        free(it);
    }
}

/* Before the phases, so that what the callbacks write to the journal goes ahead of what they send. */
static void woke(void *ctx)
{
    struct spool_writer *w = ctx;
    struct items refused = w->refused;

    items_init(&w->refused);
    writer_finish(w, &refused, RC_IO); /* each has its own rc */
}

/* The segment that an earlier process of this column had made ready and never used: no peer was told of anything in it, and
 * queue leaves it alone while the board names it. */
static void adopt_spare(struct spool_writer *w)
{
    uint64_t id = board_load(&w->board->receivers[w->o.column].spare);

    if (!id || id == board_load(&w->board->receivers[w->o.column].segment) || w->n_free == w->o.keep_free)
        return;
    for (size_t i = 0; i < w->n_free; i++)
        if (w->free_ids[i] == id)
            return;
    if (!segment_is_needed(w->dir, id) && segment_give(w->dir, id, false, NULL) == RC_OK)
        w->free_ids[w->n_free++] = id;
}

struct spool_writer *spool_writer_new(struct loop *loop, struct board *board, const struct spool_options *o,
                                      spool_closed_fn *closed, void *ctx, struct err *e)
{
    struct spool_writer *w;

    must(o->column < BOARD_RECEIVERS);
    if (segment_make_dirs(o->dir, e) != RC_OK)
        return NULL;
    w = calloc(1, sizeof *w);
    must(w);
    *w = (struct spool_writer){.loop = loop, .board = board, .o = *o, .closed = closed, .ctx = ctx};
    if (w->o.segment_bytes < SEGMENT_LEAST)
        w->o.segment_bytes = SEGMENT_LEAST;
    if (!w->o.keep_free || w->o.keep_free > FREE_MOST)
        w->o.keep_free = FREE_MOST;
    snprintf(w->dir, sizeof w->dir, "%s", o->dir);
    w->open.fd = w->spare.fd = -1;
    transactions_init(&w->transactions);
    w->n_free = segment_find_free(w->dir, o->column, w->o.segment_bytes, w->free_ids, w->o.keep_free);
    adopt_spare(w);
    board_store(&board->receivers[o->column].since, board_last(board, NUMBER_GENERATION));
    body_sweep(w);
    loop_at_end(loop, PHASE_STORE, group_drive, w);
    prepare_start(w, true);
    return w;
}

void spool_writer_free(struct spool_writer *w)
{
    if (!w)
        return;
    w->ending = true;
    while (w->state == WRITER_COMMITTING || w->state == WRITER_VOID_COMMITTING || w->prepare.busy || w->jobs)
        loop_turn(w->loop, true);
    loop_at_end_cancel(w->loop, PHASE_STORE, group_drive, w);
    loop_timer_cancel(w->loop, &w->timer);
    writer_finish(w, &w->refused, RC_IO);
    writer_finish(w, &w->limbo, RC_CLOSED);
    writer_finish(w, &w->waiting, RC_SHUTTING_DOWN);
    group_close_open(w);
    if (w->spare.fd >= 0) {
        close(w->spare.fd);
        segment_give(w->dir, w->spare.id, false, NULL);
    }
    transactions_done(&w->transactions);
    free(w);
}

/* --- records -------------------------------------------------------------------------------------------------------- */

static struct item *item_new(struct spool_writer *w, uint64_t mid, uint64_t flags, struct str envelope, spool_done_fn *done,
                             void *ctx)
{
    bool fits = envelope.n <= ENVELOPE_MAX;
    struct item *it = fits ? malloc(sizeof *it + envelope.n) : NULL;
    enum rc rc = fits ? RC_NO_MEMORY : RC_TOO_LARGE;

    if (it)
        rc = RC_OK;
    else
        it = malloc(sizeof *it);
    must(it);
    *it = (struct item){.w = w, .done = done, .ctx = ctx, .rc = rc};
    it->head = (struct record_header){.kind = RECORD_MESSAGE, .flags = (uint16_t)flags, .mid = mid};
    if (rc == RC_OK && envelope.n) {
        it->head.envelope_bytes = (uint32_t)envelope.n;
        memcpy(&it->head + 1, envelope.p, envelope.n);
    }
    return it;
}

static void join(struct spool_writer *w, struct item *it)
{
    if (it->rc != RC_OK) {
        items_add(&w->refused, it);
        writer_wake(w, 0);
        return;
    }
    it->bytes = layout_record_bytes(&it->head);
    if (!w->waiting.n)
        w->first_ms = loop_now_ms(w->loop);
    items_add(&w->waiting, it);
}

static void big_work(void *ctx)
{
    struct item *it = ctx;

    it->rc = body_finish_file(it->body, it->head.mid, NULL);
}

static void big_done(void *ctx)
{
    struct item *it = ctx;

    it->w->jobs--;
    join(it->w, it);
}

void spool_append(struct spool_writer *w, uint64_t token, uint64_t mid, uint64_t flags, struct str envelope,
                  struct spool_body *body, spool_done_fn *done, void *ctx)
{
    struct item *it = item_new(w, mid, flags, envelope, done, ctx);

    transactions_end(&w->transactions, token);
    it->body = body;
    if (body) {
        it->head.body_bytes = body->bytes;
        it->head.body_crc = body->crc;
    }
    if (!body || body->fd < 0 || it->rc != RC_OK) {
        join(w, it);
        return;
    }
    it->head.kind = RECORD_BIG;
    it->rc = body_flush(body, NULL);
    if (it->rc != RC_OK) {
        join(w, it);
        return;
    }
    w->jobs++;
    loop_work(w->loop, big_work, big_done, it);
}

static enum rc copy_body(struct spool_body *b, struct spool_reader *r, const struct spool_head *head)
{
    char part[16384];
    uint32_t crc = 0;

    for (uint64_t at = 0; at < head->body_bytes;) {
        size_t n = head->body_bytes - at < sizeof part ? head->body_bytes - at : sizeof part;

        TRY(spool_read_body(r, head, at, part, n, &crc, NULL));
        TRY(spool_body_add(b, str_of(part, n), NULL));
        at += n;
    }
    return crc == head->body_crc ? RC_OK : RC_CORRUPT;
}

void spool_append_copy(struct spool_writer *w, struct spool_reader *r, const struct spool_head *head, struct str envelope,
                       spool_done_fn *done, void *ctx)
{
    struct item *it = item_new(w, head->mid, head->flags, envelope, done, ctx);

    it->head.body_bytes = head->body_bytes;
    it->head.body_crc = (uint32_t)head->body_crc;
    if (head->big) {
        it->head.kind = RECORD_BIG;
        it->adopted = true;
    } else if (it->rc == RC_OK && head->body_bytes) {
        it->body = spool_body_new(w);
        it->rc = it->body ? copy_body(it->body, r, head) : RC_NO_MEMORY;
        if (it->rc == RC_OK && it->body->fd >= 0)
            it->rc = RC_NO_MEMORY; /* spilled early: copy it another time */
    }
    join(w, it);
}

void spool_transaction_begin(struct spool_writer *w, uint64_t *token_out)
{
    *token_out = transactions_begin(&w->transactions, loop_now_ms(w->loop));
}

void spool_transaction_end(struct spool_writer *w, uint64_t token)
{
    transactions_end(&w->transactions, token);
}

/* --- free segments, space, counts -------------------------------------------------------------------------------------- */

struct reuse {
    struct spool_writer *w;
    uint64_t id;
    bool drop;
    enum rc rc;
};

static void reuse_work(void *ctx)
{
    struct reuse *u = ctx;

    if (segment_is_needed(u->w->dir, u->id)) { /* a later start of this writer finds it */
        segment_give(u->w->dir, u->id, false, NULL);
        u->rc = RC_CONFLICT;
        return;
    }
    u->rc = u->drop ? spool_unlink(u->w->dir, u->id, NULL) : segment_give(u->w->dir, u->id, u->w->o.wipe, NULL);
    if (u->rc != RC_OK && !u->drop)
        spool_unlink(u->w->dir, u->id, NULL);
}

static void reuse_done(void *ctx)
{
    struct reuse *u = ctx;
    struct spool_writer *w = u->w;

    w->jobs--;
    w->reserved -= !u->drop;
    if (!u->drop && u->rc == RC_OK)
        w->free_ids[w->n_free++] = u->id;
    free(u);
}

static bool known(const struct spool_writer *w, uint64_t id)
{
    for (size_t i = 0; i < w->n_free; i++)
        if (w->free_ids[i] == id)
            return true;
    return (w->open.fd >= 0 && w->open.id == id) || (w->spare.fd >= 0 && w->spare.id == id) ||
           (w->prepare.busy && w->prepare.id == id);
}

static bool has_failed(const struct spool_writer *w, uint64_t id)
{
    for (size_t i = 0; i < FREE_MOST; i++)
        if (w->failed_ids[i] == id)
            return true;
    return false;
}

void spool_writer_reuse(struct spool_writer *w, uint64_t segment, bool drop)
{
    struct reuse *u;

    if (known(w, segment))
        return;
    u = malloc(sizeof *u);
    must(u);
    *u = (struct reuse){
        .w = w, .id = segment, .drop = drop || has_failed(w, segment) || w->n_free + w->reserved >= w->o.keep_free};
    w->reserved += !u->drop;
    w->jobs++;
    loop_work(w->loop, reuse_work, reuse_done, u);
}

/* C8: when space is short a few free files are enough; one goes at a time. */
static void trim_free(struct spool_writer *w)
{
    if (w->space < w->o.min_free_bytes && w->n_free > FREE_LEAST)
        spool_writer_reuse(w, w->free_ids[--w->n_free], true);
}

enum rc spool_space(struct spool_writer *w, uint64_t bytes)
{
    uint64_t now = loop_now_ms(w->loop);
    struct statvfs fs;

    if (!w->space_ms || now >= w->space_ms + 1000) {
        w->space_ms = now ? now : 1;
        w->space = statvfs(w->dir, &fs) == 0 ? (uint64_t)fs.f_bavail * fs.f_frsize : 0;
        trim_free(w);
    }
    return w->space >= w->o.min_free_bytes && w->space - w->o.min_free_bytes >= bytes ? RC_OK : RC_NO_SPACE;
}

uint64_t spool_space_free(const struct spool_writer *w)
{
    return w->space;
}

void spool_space_keep(struct spool_writer *w, uint64_t min_free_bytes)
{
    w->o.min_free_bytes = min_free_bytes;
    w->space_ms = 0;
}

void spool_writer_counts(const struct spool_writer *w, uint64_t *syncs_out, uint64_t *records_out)
{
    *syncs_out = w->syncs;
    *records_out = w->records;
}
