/*
 * The body of a message while it is received: in memory, or in a file of its own when it is large or memory is short.
 *
 * Called by receive (and queue) through spool_body_...; group.c takes the finished body. Owns the memory (counted in the
 * writer's budget) and the temporary file DIR/big/temp-COLUMN-N, which is unlinked when the body is freed and was not put
 * under its name. The CRC is carried along while the octets are in the cache.
 */
#include "base/crc32c.h"
#include "base/io.h"
#include "spool/writer.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

struct spool_body *spool_body_new(struct spool_writer *w)
{
    struct spool_body *b = calloc(1, sizeof *b);

    if (!b)
        return NULL;
    b->w = w;
    b->fd = -1;
    return b;
}

static void temp_path(const struct spool_body *b, char out[SPOOL_PATH])
{
    snprintf(out, SPOOL_PATH, "%s/big/temp-%u-%llu", b->w->dir, b->w->o.column, (unsigned long long)b->temp);
}

static void drop_chunk(struct spool_body *b, unsigned i)
{
    b->w->memory -= b->chunks[i].cap;
    free(b->chunks[i].p);
    b->chunks[i] = (struct chunk){0};
}

void spool_body_free(struct spool_body *b)
{
    char path[SPOOL_PATH];

    if (!b)
        return;
    for (unsigned i = 0; i < b->n_chunks; i++)
        drop_chunk(b, i);
    if (b->fd >= 0) {
        close(b->fd);
        temp_path(b, path);
        if (b->temp)
            io_unlink("spool.unlink", path, NULL);
    }
    free(b);
}

uint64_t spool_body_bytes(const struct spool_body *b)
{
    return b->bytes;
}

struct str spool_body_start(const struct spool_body *b)
{
    return str_of(b->chunks[0].p, b->chunks[0].n);
}

/* The chunk that takes the next octets, with room for at least one; NULL without memory. The start grows 4, 16, 64 KiB. */
static struct chunk *room(struct spool_body *b)
{
    struct chunk *c = b->n_chunks ? &b->chunks[b->n_chunks - 1] : NULL;
    bool start_closed = b->n_chunks == 1 && b->written; /* what follows the start in the file goes into the second chunk */
    size_t cap;
    char *p;

    if (c && c->n < c->cap && !start_closed)
        return c;
    if (!c || start_closed || c->cap == (b->n_chunks == 1 ? BODY_START : BODY_CHUNK)) {
        c = &b->chunks[b->n_chunks++];
        cap = b->n_chunks == 1 ? 4096 : BODY_CHUNK;
    } else {
        cap = c->cap * 4;
    }
    p = realloc(c->p, cap);
    if (!p)
        return NULL;
    b->w->memory += cap - c->cap;
    c->p = p;
    c->cap = cap;
    return c;
}

/* Everything that is not in the file yet goes there; the start stays in memory too. */
enum rc body_flush(struct spool_body *b, struct err *e)
{
    struct iovec iov[1 + BODY_CHUNKS];
    unsigned first = b->written ? 1 : 0;
    int n = 0;
    uint64_t bytes = 0;

    for (unsigned i = first; i < b->n_chunks; i++) {
        iov[n++] = (struct iovec){b->chunks[i].p, b->chunks[i].n};
        bytes += b->chunks[i].n;
    }
    if (!bytes)
        return RC_OK;
    TRY(io_pwritev("spool.big", b->fd, iov, n, b->written, e));
    b->written += bytes;
    while (b->n_chunks > 2)
        drop_chunk(b, --b->n_chunks);
    if (b->n_chunks == 2)
        b->chunks[1].n = 0;
    if (b->written - b->flushed >= BODY_FLUSH) {
        sync_file_range(b->fd, (off_t)b->flushed, (off_t)(b->written - b->flushed), SYNC_FILE_RANGE_WRITE);
        b->flushed = b->written;
    }
    return RC_OK;
}

static enum rc spill(struct spool_body *b, struct err *e)
{
    char path[SPOOL_PATH];

    if (b->fd < 0) {
        b->temp = ++b->w->temps;
        temp_path(b, path);
        TRY(io_create("spool.big", path, O_RDWR | O_TRUNC, &b->fd, e));
    }
    return body_flush(b, e);
}

/* Too large to stay in memory, or to stay there while the process has used its budget up. */
static bool must_spill(const struct spool_body *b, size_t more)
{
    if (b->fd >= 0)
        return b->n_chunks == 2 && b->chunks[1].n == b->chunks[1].cap;
    return b->bytes + more > SPOOL_INLINE_MAX || (b->bytes + more > BODY_SPILL_EARLY && b->w->memory > BODY_MEMORY);
}

enum rc spool_body_add(struct spool_body *b, struct str octets, struct err *e)
{
    while (octets.n) {
        struct chunk *c;
        size_t n;

        if (must_spill(b, octets.n))
            TRY(spill(b, e));
        c = room(b);
        if (!c)
            return err_set(e, RC_NO_MEMORY, "message body");
        n = c->cap - c->n < octets.n ? c->cap - c->n : octets.n;
        memcpy(c->p + c->n, octets.p, n);
        c->n += n;
        b->bytes += n;
        b->crc = crc32c(b->crc, str_first(octets, n));
        octets = str_from(octets, n);
    }
    return RC_OK;
}

int body_iov(const struct spool_body *b, struct iovec *out)
{
    int n = 0;

    for (unsigned i = 0; i < b->n_chunks; i++)
        if (b->chunks[i].n)
            out[n++] = (struct iovec){b->chunks[i].p, b->chunks[i].n};
    return n;
}

enum rc body_finish_file(struct spool_body *b, uint64_t mid, struct err *e)
{
    char from[SPOOL_PATH], to[SPOOL_PATH], dir[SPOOL_PATH];

    snprintf(dir, sizeof dir, "%s/big", b->w->dir);
    temp_path(b, from);
    layout_big_path(to, b->w->dir, mid);
    TRY(io_sync("spool.big_sync", b->fd, e));
    TRY(io_rename("spool.big_name", from, to, e));
    b->temp = 0;
    return io_sync_dir("spool.big_name", dir, e);
}

/* Temporary files that an earlier process of this column left behind. */
void body_sweep(const struct spool_writer *w)
{
    char path[SPOOL_PATH], mine[32];
    struct dirent *entry;
    DIR *d;

    snprintf(path, sizeof path, "%s/big", w->dir);
    snprintf(mine, sizeof mine, "temp-%u-", w->o.column);
    d = opendir(path);
    while (d && (entry = readdir(d))) {
        if (!str_starts(str_c(entry->d_name), str_c(mine)))
            continue;
        snprintf(path, sizeof path, "%s/big/%.50s", w->dir, entry->d_name);
        io_unlink("spool.unlink", path, NULL);
    }
    if (d)
        closedir(d);
}
