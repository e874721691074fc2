/*
 * Finds the good records of a segment after a crash (design-notes C4).
 *
 * Called by queue at its start and when a receive process died. Owns one read window a scan. The walk goes from record to
 * record while segment, generation, salt and CRCs fit. At a bad one it looks whether any later record knows that place to
 * be synced: if none does, this is a torn tail and everything from there on is dropped; else the segment is corrupt and the
 * readable records after the damage are taken too. Unreadable pages count as damage. Fails only when the file cannot be
 * opened or there is no memory.
 */
#include "spool/recover.h"

#include "base/crc32c.h"
#include "base/io.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

enum { WINDOW = 2 << 20 }; /* holds the largest record: header, 1 MiB envelope, 256 KiB body */

struct scan {
    int fd;
    uint64_t end; /* file size, or where the void range begins */
    uint64_t segment, generation, salt;
    char *window;
    uint64_t at;
    size_t n;
    struct record_header h; /* of the last good record */
    struct str envelope;
};

static void load(struct scan *s, uint64_t pos)
{
    size_t want = s->end - pos < WINDOW ? (size_t)(s->end - pos) : WINDOW;

    s->at = pos;
    s->n = want;
    if (io_pread(s->fd, s->window, want, pos, NULL) == RC_OK)
        return;
    for (size_t i = 0; i < want; i += PAGE) {
        size_t n = want - i < PAGE ? want - i : PAGE;

        if (io_pread(s->fd, s->window + i, n, pos + i, NULL) != RC_OK)
            memset(s->window + i, 0, n);
    }
}

/* n octets at pos, or NULL beyond the end. */
static const char *view(struct scan *s, uint64_t pos, uint64_t n)
{
    if (pos > s->end || n > s->end - pos || n > WINDOW)
        return NULL;
    if (pos < s->at || pos + n > s->at + s->n)
        load(s, pos);
    return s->window + (pos - s->at);
}

/* Whether a good record of this life begins at pos; then s->h and s->envelope are its. Salt 0 = not known. */
static bool good(struct scan *s, uint64_t pos)
{
    const char *p = view(s, pos, RECORD_HEADER);
    struct record_header h;

    if (!p)
        return false;
    memcpy(&h, p, sizeof h);
    if (!layout_record_plausible(&h) || h.segment != s->segment || h.generation != s->generation || h.salt != s->salt)
        return false;
    p = view(s, pos, layout_record_bytes(&h));
    if (!p || !layout_record_fits(&h, str_of(p + RECORD_HEADER, h.envelope_bytes)))
        return false;
    if (h.kind == RECORD_MESSAGE && crc32c(0, str_of(p + RECORD_HEADER + h.envelope_bytes, h.body_bytes)) != h.body_crc)
        return false;
    s->h = h;
    s->envelope = str_of(p + RECORD_HEADER, h.envelope_bytes);
    return true;
}

static uint64_t behind(const struct scan *s, uint64_t pos)
{
    uint64_t end = pos + layout_record_bytes(&s->h);

    return s->h.more ? end : layout_round(end, PAGE);
}

/* The next good record after pos; 0 when there is none. */
static uint64_t seek(struct scan *s, uint64_t pos)
{
    for (pos += RECORD_ALIGN; pos < s->end; pos += RECORD_ALIGN)
        if (good(s, pos))
            return pos;
    return 0;
}

/* Whether a record behind `bad` knows that place as synced. */
static bool was_synced(struct scan *s, uint64_t bad)
{
    uint64_t pos = bad;

    while ((pos = seek(s, pos)))
        if (s->h.synced_to > bad)
            return true;
    return false;
}

static void give(struct scan *s, uint64_t pos, uint64_t from, uint64_t to, spool_found_fn *fn, void *ctx)
{
    struct spool_head head;

    if (s->h.kind == RECORD_VOID || pos < from || (to && pos >= to) || !fn)
        return;
    layout_head(&s->h, pos, &head);
    fn(ctx, &head, s->envelope);
}

/* Older lives of the file may lie behind the end: they are not of this one. */
static uint64_t torn(struct scan *s, uint64_t pos)
{
    const char *p = view(s, pos, RECORD_HEADER);
    struct record_header h;

    if (!p)
        return 0;
    memcpy(&h, p, sizeof h);
    if (!layout_record_plausible(&h) || h.segment != s->segment || h.generation != s->generation || h.salt != s->salt)
        return 0;
    return layout_record_bytes(&h);
}

static void walk(struct scan *s, uint64_t from, uint64_t to, spool_found_fn *fn, void *ctx, struct spool_found *out)
{
    uint64_t pos = PAGE;

    out->good_to = PAGE;
    while (pos < s->end) {
        if (!good(s, pos)) {
            if (!out->corrupt && !was_synced(s, pos)) {
                out->torn = torn(s, pos);
                return;
            }
            out->corrupt = true;
            pos = seek(s, pos);
            if (!pos)
                return;
        }
        out->empty = out->empty && s->h.kind == RECORD_VOID;
        give(s, pos, from, to, fn, ctx);
        pos = behind(s, pos);
        out->good_to = pos;
    }
}

/* A damaged header page: the first record tells what life this is, if it fits itself. */
static bool adopt(struct scan *s)
{
    const char *p = view(s, PAGE, RECORD_HEADER);
    struct record_header h;

    if (!p)
        return false;
    memcpy(&h, p, sizeof h);
    s->generation = h.generation;
    s->salt = h.salt;
    return good(s, PAGE);
}

static bool all_zero(const char *p, size_t n)
{
    return n == 0 || (p[0] == 0 && memcmp(p, p + 1, n - 1) == 0);
}

/* Reads the header page into out and s. False when there is nothing to walk. */
static bool identify(struct scan *s, struct spool_found *out)
{
    const char *page = view(s, 0, PAGE);
    struct segment_header h;

    if (!page)
        return false;
    memcpy(&h, page, sizeof h);
    if (!layout_segment_fits(&h, s->segment)) {
        out->corrupt = !all_zero(page, PAGE) || adopt(s);
        if (out->corrupt && adopt(s))
            out->generation = s->generation;
        return out->generation != 0;
    }
    out->generation = s->generation = h.generation;
    out->owner = h.owner;
    s->salt = h.salt;
    out->free = h.state == SEGMENT_FREE;
    return !out->free;
}

static void cut_void(struct scan *s, const struct spool_voids *voids)
{
    for (size_t i = 0; voids && i < voids->n; i++)
        if (voids->items[i].segment == s->segment && voids->items[i].generation == s->generation &&
            voids->items[i].from < s->end)
            s->end = voids->items[i].from;
}

enum rc recover_scan(int fd, uint64_t segment, uint64_t from, uint64_t to, const struct spool_voids *voids,
                     spool_found_fn *fn, void *ctx, struct spool_found *out, struct err *e)
{
    struct scan s = {.fd = fd, .segment = segment};
    struct stat st;

    if (fstat(fd, &st) != 0)
        return err_errno(e, errno, "segment %llu", (unsigned long long)segment);
    s.window = malloc(WINDOW);
    if (!s.window)
        return err_set(e, RC_NO_MEMORY, "scan of segment %llu", (unsigned long long)segment);
    s.end = (uint64_t)st.st_size;
    *out = (struct spool_found){.segment = segment, .size = s.end, .empty = true};
    if (identify(&s, out)) {
        cut_void(&s, voids);
        walk(&s, from, to, fn, ctx, out);
    }
    free(s.window);
    return RC_OK;
}

static enum rc open_segment(const char *dir, uint64_t segment, int *fd_out, struct err *e)
{
    char path[SPOOL_PATH];

    layout_segment_path(path, dir, segment);
    *fd_out = open(path, O_RDONLY | O_CLOEXEC);
    return *fd_out >= 0 ? RC_OK : err_errno(e, errno, "open %s", path);
}

enum rc spool_scan(const char *dir, uint64_t segment, uint64_t from, uint64_t to, const struct spool_voids *voids,
                   spool_found_fn *fn, void *ctx, struct spool_found *out, struct err *e)
{
    enum rc rc;
    int fd;

    TRY(open_segment(dir, segment, &fd, e));
    posix_fadvise(fd, 0, 0, POSIX_FADV_SEQUENTIAL);
    rc = recover_scan(fd, segment, from, to, voids, fn, ctx, out, e);
    close(fd);
    return rc;
}

enum rc spool_look(const char *dir, uint64_t segment, struct spool_found *out, struct err *e)
{
    char page[PAGE];
    struct segment_header h;
    struct stat st;
    int fd;
    enum rc rc;

    TRY(open_segment(dir, segment, &fd, e));
    rc = fstat(fd, &st) == 0 ? io_pread(fd, page, sizeof page, 0, e) : err_errno(e, errno, "segment");
    close(fd);
    TRY(rc);
    memcpy(&h, page, sizeof h);
    if (!layout_segment_fits(&h, segment))
        return spool_scan(dir, segment, 0, 0, NULL, NULL, NULL, out, e);
    *out = (struct spool_found){.segment = segment,
                                .generation = h.generation,
                                .owner = h.owner,
                                .size = (uint64_t)st.st_size,
                                .free = h.state == SEGMENT_FREE};
    return RC_OK;
}

/* --- the directory ------------------------------------------------------------------------------------------------------
 */

static int by_id(const void *a, const void *b)
{
    uint64_t x = *(const uint64_t *)a, y = *(const uint64_t *)b;

    return x < y ? -1 : x > y;
}

enum rc spool_list(const char *dir, struct arena *a, const uint64_t **ids_out, size_t *n_out, struct err *e)
{
    char path[SPOOL_PATH];
    struct buf ids = BUF(64 << 20);
    struct dirent *entry;
    uint64_t id, *out;
    DIR *d;

    snprintf(path, sizeof path, "%s/seg", dir);
    d = opendir(path);
    if (!d && errno != ENOENT)
        return err_errno(e, errno, "open %s", path);
    while (d && (entry = readdir(d)))
        if (str_u64(str_c(entry->d_name), &id))
            buf_put_u64(&ids, id);
    if (d)
        closedir(d);
    out = ids.failed ? NULL : arena_alloc(a, ids.n + 1);
    if (out) {
        if (ids.n)
            memcpy(out, ids.p, ids.n);
        *n_out = ids.n / sizeof *out;
        qsort(out, *n_out, sizeof *out, by_id);
        *ids_out = out;
    }
    buf_done(&ids);
    return out ? RC_OK : err_set(e, RC_NO_MEMORY, "list of segments");
}

bool recover_void(int fd, uint64_t segment, struct spool_void *out)
{
    char page[2 * PAGE];
    struct segment_header sh;
    struct record_header h;
    struct str what;

    if (io_pread(fd, page, sizeof page, 0, NULL) != RC_OK)
        return false;
    memcpy(&sh, page, sizeof sh);
    memcpy(&h, page + PAGE, sizeof h);
    what = str_of(page + PAGE + RECORD_HEADER, h.envelope_bytes);
    return layout_segment_fits(&sh, segment) && layout_record_plausible(&h) && h.kind == RECORD_VOID &&
           h.generation == sh.generation && h.salt == sh.salt && what.n == VOID_BYTES && layout_record_fits(&h, what) &&
           layout_void_decode(what, out);
}

enum rc spool_read_voids(const char *dir, struct arena *a, struct spool_voids *out, struct err *e)
{
    const uint64_t *ids;
    struct spool_void *items;
    size_t n, found = 0;

    TRY(spool_list(dir, a, &ids, &n, e));
    items = arena_alloc(a, (n + 1) * sizeof *items);
    if (!items)
        return err_set(e, RC_NO_MEMORY, "void records");
    for (size_t i = 0; i < n; i++) {
        int fd;

        if (open_segment(dir, ids[i], &fd, NULL) != RC_OK)
            continue;
        found += recover_void(fd, ids[i], &items[found]);
        close(fd);
    }
    *out = (struct spool_voids){items, found};
    return RC_OK;
}

enum rc spool_set_aside(const char *dir, uint64_t segment, struct err *e)
{
    char from[SPOOL_PATH], aside[SPOOL_PATH], to[SPOOL_PATH + 64];
    unsigned n = 0;

    layout_segment_path(from, dir, segment);
    snprintf(aside, sizeof aside, "%s/aside", dir);
    if (mkdir(aside, 0700) != 0 && errno != EEXIST)
        return err_errno(e, errno, "mkdir %s", aside);
    do
        snprintf(to, sizeof to, "%s/%08llu.%u", aside, (unsigned long long)segment, n++);
    while (access(to, F_OK) == 0);
    TRY(io_rename("spool.aside", from, to, e));
    return io_sync_dir("spool.aside", aside, e);
}

enum rc spool_unlink(const char *dir, uint64_t segment, struct err *e)
{
    char path[SPOOL_PATH];

    layout_segment_path(path, dir, segment);
    return io_unlink("spool.unlink", path, e);
}
