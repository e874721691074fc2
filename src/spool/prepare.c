/*
 * Keeps one segment ready ahead of need, so that no record waits for a file to be made.
 *
 * Called by group.c when the open segment is a quarter full or none is there. The pool takes a free file of this writer or
 * makes a new one: zero-filled when there is time, merely allocated when records wait. Owns w->spare and the board's word
 * of the same name. After a failure the next attempt comes a second later; what waits meanwhile is refused.
 */
#include "spool/writer.h"

#include <unistd.h>

enum { NUMBERS_POLL_MS = 20, RETRY_MS = 1000 };

static uint64_t new_id(struct spool_writer *w)
{
    char path[SPOOL_PATH];
    uint64_t id;

    do {
        id = board_next(w->board, NUMBER_SEGMENT);
        layout_segment_path(path, w->dir, id);
    } while (access(path, F_OK) == 0);
    board_store(&w->board->receivers[w->o.column].spare, id);
    return id;
}

static void prepare_work(void *ctx)
{
    struct spool_writer *w = ctx;
    struct prepare *p = &w->prepare;

    if (p->take) {
        p->rc = segment_take(w->dir, p->id, p->generation, w->o.column, w->o.segment_bytes, &p->made, &p->err);
        if (p->rc == RC_OK)
            return;
    }
    p->id = new_id(w);
    p->rc = segment_make(w->dir, p->id, p->generation, w->o.column, w->o.segment_bytes, !p->quick, &p->made, &p->err);
}

static void prepare_done(void *ctx)
{
    struct spool_writer *w = ctx;
    struct prepare *p = &w->prepare;

    p->busy = false;
    if (p->rc == RC_OK) {
        w->spare = p->made;
        return;
    }
    w->retry_ms = loop_now_ms(w->loop) + RETRY_MS;
    writer_wake(w, RETRY_MS);
}

bool prepare_start(struct spool_writer *w, bool urgent)
{
    struct prepare *p = &w->prepare;

    if (p->busy || w->spare.fd >= 0)
        return true;
    if (w->ending || loop_now_ms(w->loop) < w->retry_ms)
        return false;
    if (!board_load(&w->board->numbers_ready)) {
        writer_wake(w, NUMBERS_POLL_MS);
        return true;
    }
    *p = (struct prepare){.busy = true, .quick = urgent, .take = w->n_free > 0};
    p->generation = board_next(w->board, NUMBER_GENERATION);
    if (p->take) {
        p->id = w->free_ids[--w->n_free];
        board_store(&w->board->receivers[w->o.column].spare, p->id);
    }
    loop_work(w->loop, prepare_work, prepare_done, w);
    return true;
}
