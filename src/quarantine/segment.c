/*
 * Names, form and reading of the files of held mail. See segment.h.
 *
 * Called by store.c (writing, in the pool too) and catch_up.c. Owns nothing; descriptors are the caller's. A record that
 * does not fit its CRC is none: at the end of a file it is the tail of a group that was never acknowledged.
 */
#include "quarantine/segment.h"

#include "base/crc32c.h"
#include "base/io.h"
#include "mail/cpq_meta.h"

#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

static const uint64_t MAGIC = 0x31434552544e5251ULL; /* "QRNTREC1" */

enum { BODY_CHUNK = 64 << 10 };

void segment_path(char out[SEGMENT_PATH], const char *dir, const struct segment_name *n)
{
    snprintf(out, SEGMENT_PATH, "%s/data/%llu.%llu.%llu", dir, (unsigned long long)n->id, (unsigned long long)n->class,
             (unsigned long long)n->day);
}

void segment_big_path(char out[SEGMENT_PATH], const char *dir, uint64_t id)
{
    snprintf(out, SEGMENT_PATH, "%s/big/%llu", dir, (unsigned long long)id);
}

bool segment_name_read(const char *name, struct segment_name *out)
{
    struct str rest = str_c(name), a, b;

    return str_split(&rest, '.', &a) && rest.p && str_split(&rest, '.', &b) && rest.p && str_u64(a, &out->id) &&
           str_u64(b, &out->class) && str_u64(rest, &out->day);
}

static uint64_t padded(uint64_t n)
{
    return (n + 7) & ~7ULL;
}

uint64_t record_bytes(const struct record_head *h)
{
    return padded(RECORD_HEAD + h->meta_bytes + (h->big ? 0 : h->body_bytes));
}

static uint32_t head_crc(const struct record_head *h, struct str meta)
{
    struct record_head copy = *h;

    copy.gone = 0;
    copy.crc = 0;
    return crc32c(crc32c(0, str_of(&copy, sizeof copy)), meta);
}

void record_put(struct record_head *h, struct str meta, struct str body, struct buf *out)
{
    static const char zeros[8];
    size_t begin = out->n;

    _Static_assert(sizeof *h == RECORD_HEAD, "layout of a record");
    h->magic = MAGIC;
    h->gone = 0;
    h->meta_bytes = (uint32_t)meta.n;
    h->body_crc = h->big ? 0 : crc32c(0, body);
    h->crc = head_crc(h, meta);
    buf_add(out, str_of(h, sizeof *h));
    buf_add(out, meta);
    if (!h->big)
        buf_add(out, body);
    buf_add(out, str_of(zeros, (size_t)(padded(out->n - begin) - (out->n - begin))));
}

static bool plausible(const struct record_head *h)
{
    return h->magic == MAGIC && h->meta_bytes <= CPQ_META_MAX && h->class < CPQ_CLASS_COUNT &&
           (h->big || h->body_bytes <= SEGMENT_INLINE);
}

bool record_fits(struct str octets, struct record_head *out)
{
    struct record_head h;

    if (octets.n < RECORD_HEAD)
        return false;
    memcpy(&h, octets.p, sizeof h);
    if (!plausible(&h) || octets.n < RECORD_HEAD + (size_t)h.meta_bytes)
        return false;
    if (head_crc(&h, str_of(octets.p + RECORD_HEAD, h.meta_bytes)) != h.crc)
        return false;
    *out = h;
    return true;
}

enum rc record_read(int fd, uint64_t offset, struct record_head *out, struct buf *meta, struct err *e)
{
    struct record_head h;
    char *to;

    TRY(io_pread(fd, &h, sizeof h, offset, e));
    if (!plausible(&h))
        return err_set(e, RC_CORRUPT, "no record at offset %llu", (unsigned long long)offset);
    to = buf_reserve(meta, h.meta_bytes);
    if (!to)
        return err_set(e, RC_NO_MEMORY, "out of memory");
    TRY(io_pread(fd, to, h.meta_bytes, offset + RECORD_HEAD, e));
    if (head_crc(&h, str_of(to, h.meta_bytes)) != h.crc)
        return err_set(e, RC_CORRUPT, "the record at offset %llu does not fit its CRC", (unsigned long long)offset);
    meta->n += h.meta_bytes;
    *out = h;
    return RC_OK;
}

static bool body_fits(int fd, uint64_t offset, const struct record_head *h)
{
    uint64_t at = offset + RECORD_HEAD + h->meta_bytes, left = h->body_bytes;
    char chunk[BODY_CHUNK];
    uint32_t crc = 0;

    if (h->big)
        return true;
    while (left) {
        size_t n = left < sizeof chunk ? (size_t)left : sizeof chunk;

        if (io_pread(fd, chunk, n, at, NULL) != RC_OK)
            return false;
        crc = crc32c(crc, str_of(chunk, n));
        at += n;
        left -= n;
    }
    return crc == h->body_crc;
}

enum rc record_next(int fd, uint64_t *offset, uint64_t end, struct record_head *out, struct buf *meta, unsigned *skipped,
                    struct err *e)
{
    while (*offset + RECORD_HEAD <= end) {
        uint64_t word = 0;
        enum rc rc;

        buf_clear(meta);
        TRY(io_pread(fd, &word, sizeof word, *offset, e));
        rc = word ? record_read(fd, *offset, out, meta, NULL) : RC_CORRUPT;
        if (rc == RC_NO_MEMORY)
            return err_set(e, rc, "out of memory");
        if (rc == RC_OK && *offset + record_bytes(out) <= end + 7 && body_fits(fd, *offset, out))
            return RC_OK;
        if (word)
            ++*skipped;
        *offset = (*offset / SEGMENT_PAGE + 1) * SEGMENT_PAGE;
    }
    return RC_NOT_FOUND;
}

void record_mark_gone(int fd, uint64_t offset, uint64_t now_ms)
{
    uint64_t word = now_ms;
    struct iovec iov = {&word, sizeof word};

    io_pwritev("quarantine.gone", fd, &iov, 1, offset + offsetof(struct record_head, gone), NULL);
}
