/*
 * Reads records by reference with pread, from a small cache of open segments. See spool.h.
 *
 * Called by queue, deliver and the scan windows. Owns the descriptors and one read-ahead buffer: the first read of a record
 * takes 8 KiB, which for most messages is all of it, so its body costs no second call. A segment may be recycled at any time
 * while it is read: segment, generation and CRCs decide, and whoever sends a body on checks its CRC first (C6).
 */
#include "spool/layout.h"

#include "base/crc32c.h"
#include "base/io.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

enum { CACHE = 64, AHEAD = 8192 };

struct open_file {
    uint64_t id, used;
    bool big;
    int fd;
};

struct spool_reader {
    char dir[SPOOL_PATH - 64];
    struct open_file files[CACHE];
    uint64_t clock;
    struct spool_ref ahead_ref; /* whose record the buffer holds, segment 0 = nobody's */
    size_t ahead_n;
    char ahead[AHEAD];
};

struct spool_reader *spool_reader_new(const char *dir)
{
    struct spool_reader *r = calloc(1, sizeof *r);

    if (!r)
        return NULL;
    snprintf(r->dir, sizeof r->dir, "%s", dir);
    for (size_t i = 0; i < CACHE; i++)
        r->files[i].fd = -1;
    return r;
}

static void drop(struct open_file *f)
{
    if (f->fd >= 0)
        close(f->fd);
    *f = (struct open_file){.fd = -1};
}

void spool_reader_free(struct spool_reader *r)
{
    if (!r)
        return;
    for (size_t i = 0; i < CACHE; i++)
        drop(&r->files[i]);
    free(r);
}

static void forget(struct spool_reader *r, uint64_t id, bool big)
{
    for (size_t i = 0; i < CACHE; i++)
        if (r->files[i].fd >= 0 && r->files[i].id == id && r->files[i].big == big)
            drop(&r->files[i]);
}

void spool_reader_forget(struct spool_reader *r, uint64_t segment)
{
    forget(r, segment, false);
    if (r->ahead_ref.segment == segment)
        r->ahead_ref.segment = 0;
}

static enum rc open_path(const struct spool_reader *r, uint64_t id, bool big, int *fd_out, struct err *e)
{
    char path[SPOOL_PATH];

    if (big)
        layout_big_path(path, r->dir, id);
    else
        layout_segment_path(path, r->dir, id);
    *fd_out = open(path, O_RDONLY | O_CLOEXEC);
    return *fd_out >= 0 ? RC_OK : err_errno(e, errno, "open %s", path);
}

static enum rc cached(struct spool_reader *r, uint64_t id, bool big, int *fd_out, struct err *e)
{
    struct open_file *oldest = &r->files[0];
    int fd;

    for (size_t i = 0; i < CACHE; i++) {
        struct open_file *f = &r->files[i];

        if (f->fd >= 0 && f->id == id && f->big == big) {
            f->used = ++r->clock;
            *fd_out = f->fd;
            return RC_OK;
        }
        if (f->used < oldest->used)
            oldest = f;
    }
    TRY(open_path(r, id, big, &fd, e));
    drop(oldest);
    *oldest = (struct open_file){.id = id, .big = big, .fd = fd, .used = ++r->clock};
    *fd_out = fd;
    return RC_OK;
}

static enum rc read_ahead(struct spool_reader *r, int fd, struct spool_ref ref, struct err *e)
{
    ssize_t n;

    r->ahead_ref.segment = 0;
    do
        n = pread(fd, r->ahead, AHEAD, (off_t)ref.offset);
    while (n < 0 && errno == EINTR);
    if (n < 0)
        return err_errno(e, errno, "segment %llu", (unsigned long long)ref.segment);
    if (n < RECORD_HEADER)
        return err_set(e, RC_CORRUPT, "segment %llu ends before offset %llu", (unsigned long long)ref.segment,
                       (unsigned long long)ref.offset);
    r->ahead_n = (size_t)n;
    r->ahead_ref = ref;
    return RC_OK;
}

static enum rc wrong(struct spool_ref ref, const char *what, struct err *e)
{
    return err_set(e, RC_CORRUPT, "segment %llu offset %llu: %s", (unsigned long long)ref.segment,
                   (unsigned long long)ref.offset, what);
}

/* Octets [at, at + n) of the record: from the buffer as far as it goes, the rest from the file. */
static enum rc read_part(struct spool_reader *r, int fd, struct spool_ref ref, uint64_t at, char *out, size_t n,
                         struct err *e)
{
    bool mine = r->ahead_ref.segment == ref.segment && r->ahead_ref.generation == ref.generation &&
                r->ahead_ref.offset == ref.offset;

    if (mine && at < r->ahead_n) {
        size_t here = r->ahead_n - at < n ? r->ahead_n - at : n;

        memcpy(out, r->ahead + at, here);
        out += here;
        n -= here;
        at += here;
    }
    return n ? io_pread(fd, out, n, ref.offset + at, e) : RC_OK;
}

enum rc spool_read_head(struct spool_reader *r, struct spool_ref ref, struct arena *a, struct spool_head *head_out,
                        struct str *envelope_out, struct err *e)
{
    struct record_header h;
    char *envelope;
    int fd;

    TRY(cached(r, ref.segment, false, &fd, e));
    TRY(read_ahead(r, fd, ref, e));
    memcpy(&h, r->ahead, sizeof h);
    if (!layout_record_plausible(&h) || h.kind == RECORD_VOID)
        return wrong(ref, "no record", e);
    if (h.segment != ref.segment || h.generation != ref.generation)
        return wrong(ref, "record of another generation", e);
    envelope = arena_alloc(a, h.envelope_bytes + 1);
    if (!envelope)
        return err_set(e, RC_NO_MEMORY, "envelope of %u octets", h.envelope_bytes);
    TRY(read_part(r, fd, ref, RECORD_HEADER, envelope, h.envelope_bytes, e));
    if (!layout_record_fits(&h, str_of(envelope, h.envelope_bytes)))
        return wrong(ref, "header and envelope do not fit their CRC", e);
    layout_head(&h, ref.offset, head_out);
    *envelope_out = str_of(envelope, h.envelope_bytes);
    return RC_OK;
}

enum rc spool_read_body(struct spool_reader *r, const struct spool_head *head, uint64_t at, void *out, size_t n,
                        uint32_t *crc, struct err *e)
{
    int fd;

    if (at > head->body_bytes || n > head->body_bytes - at)
        return err_set(e, RC_INVALID, "read beyond the body");
    if (n == 0)
        return RC_OK;
    TRY(cached(r, head->big ? head->mid : head->ref.segment, head->big, &fd, e));
    if (head->big)
        TRY(io_pread(fd, out, n, at, e));
    else
        TRY(read_part(r, fd, head->ref, RECORD_HEADER + head->envelope_bytes + at, out, n, e));
    *crc = crc32c(*crc, str_of(out, n));
    if (head->big && at + n == head->body_bytes)
        forget(r, head->mid, true);
    return RC_OK;
}

enum rc spool_open_big(struct spool_reader *r, const struct spool_head *head, int *fd_out, struct err *e)
{
    if (!head->big)
        return err_set(e, RC_INVALID, "body is inline");
    return open_path(r, head->mid, true, fd_out, e);
}

enum rc spool_remove_big(const char *dir, const struct spool_head *head, struct err *e)
{
    char path[SPOOL_PATH];

    if (!head->big)
        return RC_OK;
    layout_big_path(path, dir, head->mid);
    return io_unlink("spool.unlink", path, e);
}
