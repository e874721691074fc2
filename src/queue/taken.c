/*
 * The file and table of taken releases. See taken.h.
 *
 * Called by queue.c, intake.c and release.c. Owns the descriptor and the table (open addressing, linear probing). A record
 * is two hashes of the key, the MID, the time and a CRC; a torn last record is cut off. Once most of the file is too old it
 * is written anew. 128 bits of hash: two keys that meet would cost a message, and do not.
 */
#include "queue/taken.h"

#include "base/clock.h"
#include "base/crc32c.h"
#include "base/io.h"
#include "base/must.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

enum { RECORD = 40, SUMMED = 32, READ_AT_ONCE = 1000, FIRST_ROOM = 256 };

static const uint64_t SEEDS[2] = {0x9e3779b97f4a7c15, 0xc2b2ae3d27d4eb4f};

struct taken_row {
    uint64_t hash[2], mid, at_ms;
};

struct taken {
    int fd;
    uint64_t end; /* of the file */
    bool dirty;
    struct taken_row *rows; /* mid 0 = free */
    size_t room, used;
};

/* ---- the table -------------------------------------------------------------------------------------------------------- */

static struct taken_row *place(const struct taken *t, const uint64_t hash[2])
{
    size_t at = hash[0] & (t->room - 1);

    while (t->rows[at].mid && (t->rows[at].hash[0] != hash[0] || t->rows[at].hash[1] != hash[1]))
        at = (at + 1) & (t->room - 1);
    return &t->rows[at];
}

static void put(struct taken *t, const struct taken_row *row)
{
    struct taken_row *to;

    if (t->used * 4 >= t->room * 3) {
        struct taken old = *t;

        t->room = old.room ? old.room * 2 : FIRST_ROOM;
        t->rows = calloc(t->room, sizeof *t->rows);
        must(t->rows);
        for (size_t i = 0; i < old.room; i++)
            if (old.rows[i].mid)
                *place(t, old.rows[i].hash) = old.rows[i];
        free(old.rows);
    }
    to = place(t, row->hash);
    t->used += !to->mid;
    *to = *row;
}

static void hash_of(struct str key, uint64_t out[2])
{
    out[0] = str_hash_seed(key, SEEDS[0]);
    out[1] = str_hash_seed(key, SEEDS[1]);
}

uint64_t taken_find(const struct queue *q, struct str key)
{
    uint64_t hash[2];

    if (!q->taken || !q->taken->room)
        return 0;
    hash_of(key, hash);
    return place(q->taken, hash)->mid;
}

/* ---- the file --------------------------------------------------------------------------------------------------------- */

static void record_put(const struct taken_row *row, unsigned char out[RECORD])
{
    uint32_t crc;

    memset(out, 0, RECORD);
    memcpy(out, row, SUMMED);
    crc = crc32c(0, str_of(out, SUMMED));
    memcpy(out + SUMMED, &crc, sizeof crc);
}

static bool record_get(const unsigned char in[RECORD], struct taken_row *row)
{
    uint32_t crc;

    memcpy(row, in, SUMMED);
    memcpy(&crc, in + SUMMED, sizeof crc);
    return crc == crc32c(0, str_of(in, SUMMED)) && row->mid;
}

static void path_of(const struct queue *q, char out[4200])
{
    snprintf(out, 4200, "%s/released", q->dir);
}

/* All good records up to the first bad one; how many were too old. */
static enum rc load(struct queue *q, uint64_t since_ms, uint64_t *old_out, struct err *e)
{
    unsigned char part[READ_AT_ONCE * RECORD];
    struct taken *t = q->taken;
    struct taken_row row;

    for (;;) {
        ssize_t n = pread(t->fd, part, sizeof part, (off_t)t->end);

        if (n < 0)
            return err_errno(e, errno, "released");
        for (size_t i = 0; i + RECORD <= (size_t)n; i += RECORD) {
            if (!record_get(part + i, &row))
                return RC_OK;
            t->end += RECORD;
            if (row.at_ms >= since_ms)
                put(t, &row);
            else
                ++*old_out;
        }
        if (n < RECORD)
            return RC_OK;
    }
}

static enum rc write_anew(struct queue *q, struct err *e)
{
    struct taken *t = q->taken;
    struct buf all = BUF((t->used + 1) * RECORD);
    char path[4200];
    enum rc rc;

    for (size_t i = 0; i < t->room; i++)
        if (t->rows[i].mid) {
            unsigned char record[RECORD];

            record_put(&t->rows[i], record);
            buf_add(&all, str_of(record, RECORD));
        }
    path_of(q, path);
    rc = all.failed ? err_set(e, RC_NO_MEMORY, "out of memory") : io_replace_file("queue.released", path, buf_str(&all), e);
    if (rc == RC_OK) {
        close(t->fd);
        rc = io_create("queue.released", path, O_RDWR, &t->fd, e);
        t->end = all.n;
    }
    buf_done(&all);
    return rc;
}

enum rc taken_open(struct queue *q, struct err *e)
{
    uint64_t keep = conf_now(q->conf)->quarantine_service.keep_keys_ms, now = clock_wall_ms(), old = 0;
    struct taken *t = calloc(1, sizeof *t);
    char path[4200];

    must(t);
    t->fd = -1;
    q->taken = t;
    path_of(q, path);
    if (mkdir(q->dir, 0700) != 0 && errno != EEXIST) /* the journal, opened later, makes it too */
        return err_errno(e, errno, "mkdir %s", q->dir);
    TRY(io_create("queue.released", path, O_RDWR | O_CREAT, &t->fd, e));
    TRY(io_sync_dir("queue.released", q->dir, e));
    TRY(load(q, now > keep ? now - keep : 0, &old, e));
    return old > t->used ? write_anew(q, e) : RC_OK;
}

void taken_close(struct queue *q)
{
    if (!q->taken)
        return;
    if (q->taken->fd >= 0)
        close(q->taken->fd);
    free(q->taken->rows);
    free(q->taken);
    q->taken = NULL;
}

static void failed(struct queue *q, const struct err *e)
{
    event(q->events, spool_write_failed, .why = str_c(err_text(e)));
}

void taken_add(struct queue *q, struct str key, uint64_t mid)
{
    struct taken_row row = {.mid = mid, .at_ms = clock_wall_ms()};
    struct taken *t = q->taken;
    unsigned char record[RECORD];
    struct iovec iov = {record, RECORD};
    struct err e = ERR_NONE;

    if (!t)
        return;
    hash_of(key, row.hash);
    put(t, &row);
    record_put(&row, record);
    if (io_pwritev("queue.released", t->fd, &iov, 1, t->end, &e) != RC_OK) {
        failed(q, &e);
        return;
    }
    t->end += RECORD;
    t->dirty = true;
}

void taken_sync(struct queue *q)
{
    struct err e = ERR_NONE;

    if (!q->taken || !q->taken->dirty)
        return;
    q->taken->dirty = false;
    if (io_sync("queue.released", q->taken->fd, &e) != RC_OK)
        failed(q, &e);
}
