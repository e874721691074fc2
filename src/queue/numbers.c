/*
 * Ceilings of the number counters on disk (D1): numbers skip after a crash, they never repeat.
 *
 * Called at start (before the counters may be used), once a second and while messages come, and at an orderly end. Owns
 * HOME/spool/numbers: one line "NAME NUMBER" a counter, and CLEAN when the queue ended in order; replaced as a whole. When
 * it cannot be written the old ceiling holds and the queue says so; at the ceiling it stops taking mail.
 */
#include "queue/state.h"

#include "base/io.h"

#include <limits.h>
#include <stdio.h>

enum { AHEAD = 100000, MARGIN = 50000, AT_END = 100 };

static const char *const names[NUMBER_COUNT] = {"MID", "ICID", "DCID", "RCID", "SEGMENT", "GENERATION"};

static bool path_of(const struct queue *q, char out[PATH_MAX])
{
    return snprintf(out, PATH_MAX, "%s/numbers", q->dir) < PATH_MAX;
}

static enum rc write_ceilings(struct queue *q, uint64_t ahead, bool clean, struct err *e)
{
    char path[PATH_MAX];
    uint64_t ceilings[NUMBER_COUNT];
    struct buf b = BUF(4096);
    enum rc rc;

    for (int i = 0; i < NUMBER_COUNT; i++) {
        ceilings[i] = board_last(q->board, (enum board_number)i) + ahead;
        buf_addf(&b, "%s %llu\n", names[i], (unsigned long long)ceilings[i]);
    }
    if (clean)
        buf_add(&b, str_lit("CLEAN 1\n"));
    rc = path_of(q, path) ? io_replace_file("queue.numbers", path, buf_str(&b), e) : err_set(e, RC_INVALID, "path too long");
    buf_done(&b);
    if (rc == RC_OK)
        memcpy(q->ceilings, ceilings, sizeof ceilings);
    return rc;
}

static void read_ceilings(struct queue *q, struct str text)
{
    struct str line, word, number;

    while (str_split(&text, '\n', &line))
        for (int i = 0; str_word(&line, &word) && i < NUMBER_COUNT; i++) {
            struct str rest = line;
            uint64_t v;

            for (int k = 0; k < NUMBER_COUNT; k++)
                if (str_eq(word, str_c(names[k])) && str_word(&rest, &number) && str_u64(number, &v))
                    board_raise(q->board, (enum board_number)k, v);
        }
}

enum rc numbers_init(struct queue *q, struct err *e)
{
    char path[PATH_MAX];
    struct buf b = BUF(4096);
    enum rc rc;

    if (!path_of(q, path))
        return err_set(e, RC_INVALID, "path too long");
    rc = board_load(&q->board->numbers_ready) ? RC_OK : io_read_file(path, &b, e); /* a living board is ahead of the file */
    if (rc == RC_OK)
        read_ceilings(q, buf_str(&b));
    q->power_cut = q->fresh_boot && b.n && str_find_str(buf_str(&b), str_lit("CLEAN")) == b.n;
    buf_done(&b);
    if (rc != RC_OK && rc != RC_NOT_FOUND)
        return rc;
    for (uint32_t i = 1; i < q->messages.end; i++) /* a lost file must not give old numbers to new mail */
        if (message_at(q, i)->mid > board_last(q->board, NUMBER_MID))
            board_raise(q->board, NUMBER_MID, message_at(q, i)->mid);
    for (uint32_t i = 1; i < q->segments.end; i++) {
        board_raise(q->board, NUMBER_SEGMENT, segment_at(q, i)->id);
        board_raise(q->board, NUMBER_GENERATION, segment_at(q, i)->generation);
    }
    if (q->fresh_boot)
        big_sweep(q);
    TRY(write_ceilings(q, AHEAD, false, e));
    board_store(&q->board->numbers_ready, 1);
    return RC_OK;
}

void numbers_check(struct queue *q)
{
    struct err e = ERR_NONE;

    for (int i = 0; i < NUMBER_COUNT; i++)
        if (board_last(q->board, (enum board_number)i) + MARGIN > q->ceilings[i]) {
            if (write_ceilings(q, AHEAD, false, &e) != RC_OK)
                event(q->events, spool_write_failed, .why = str_c(err_text(&e)));
            return;
        }
}

void numbers_stop(struct queue *q)
{
    write_ceilings(q, AT_END, true, NULL);
}
