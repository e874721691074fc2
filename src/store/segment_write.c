/*
 * Writing export segments. See segment.h.
 *
 * Called by record. Owns the open file and the lines that wait for a frame. A failed write leaves the file as it was: its
 * good part is `length` octets, the next write goes there. Nothing is synced here but by segment_finish(); who resumes a
 * file says how much of it he knows to be good.
 */
#include "store/segment.h"

#include "base/io.h"
#include "base/must.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>
#include <zstd.h>

enum { LINES_MOST = 64 << 20, FRAME_LINES = 256 << 10, LEVEL = 1, WINDOW_LOG = 18, KEEP = 64 << 10 };

static const char *const words[SEGMENT_KINDS] = {"tracking", "reporting"};

struct str segment_kind_word(enum segment_kind kind)
{
    return str_c(words[kind]);
}

bool segment_kind_of(struct str word, enum segment_kind *out)
{
    for (unsigned i = 0; i < SEGMENT_KINDS; i++)
        if (str_eq(word, str_c(words[i]))) {
            *out = (enum segment_kind)i;
            return true;
        }
    return false;
}

void segment_path(char out[SEGMENT_PATH], const char *dir, enum segment_kind kind, uint64_t epoch, uint64_t seq, bool open)
{
    snprintf(out, SEGMENT_PATH, "%s/%s/%llu-%llu.%s", dir, words[kind], (unsigned long long)epoch, (unsigned long long)seq,
             open ? "open" : "seg");
}

bool segment_name(const char *name, uint64_t *epoch_out, uint64_t *seq_out, bool *open_out)
{
    struct str s = str_c(name);
    size_t dash = str_find(s, '-'), dot = str_find(s, '.');
    struct str end = str_from(s, dot + 1);
    bool open = str_eq(end, str_lit("open"));

    if (dash >= dot || !str_u64(str_first(s, dash), epoch_out) ||
        !str_u64(str_of(s.p + dash + 1, dot - dash - 1), seq_out) || (!open && !str_eq(end, str_lit("seg"))))
        return false;
    *open_out = open;
    return true;
}

/* --- the file ------------------------------------------------------------------------------------------------------ */

static void prepare(struct segment_writer *w, const struct segment_header *head)
{
    w->head = *head;
    w->fd = -1;
    if (!w->lines.max) {
        w->lines = BUF(LINES_MOST);
        w->out = BUF(LINES_MOST);
    }
    buf_clear(&w->lines);
    buf_clear(&w->out);
    if (w->codec)
        return;
    must((w->codec = ZSTD_createCCtx()));
    ZSTD_CCtx_setParameter(w->codec, ZSTD_c_compressionLevel, LEVEL);
    ZSTD_CCtx_setParameter(w->codec, ZSTD_c_windowLog, WINDOW_LOG);
    ZSTD_CCtx_setParameter(w->codec, ZSTD_c_checksumFlag, 1);
}

static void header_text(const struct segment_header *h, char out[SEGMENT_HEADER])
{
    int n = snprintf(out, SEGMENT_HEADER,
                     "POSTERN-EXPORT 1\n{\"kind\":\"%s\",\"serial\":\"%s\",\"epoch\":%llu,\"seq\":%llu,\"first\":%llu,"
                     "\"last\":%llu,\"start\":%llu,\"end\":%llu,\"events\":%llu,\"schema\":%d,\"codec\":\"zstd\"}",
                     words[h->kind], h->serial, (unsigned long long)h->epoch, (unsigned long long)h->seq,
                     (unsigned long long)h->first, (unsigned long long)h->last, (unsigned long long)h->start_ms,
                     (unsigned long long)h->end_ms, (unsigned long long)h->events, SEGMENT_SCHEMA);

    must(n > 0 && n < SEGMENT_HEADER - 1); /* the serial has at most SEGMENT_SERIAL octets, checked by conf */
    memset(out + n, ' ', (size_t)(SEGMENT_HEADER - 1 - n));
    out[SEGMENT_HEADER - 1] = '\n';
}

/* The file, empty but for room for its header. */
static enum rc create(struct segment_writer *w, struct err *e)
{
    char blank[SEGMENT_HEADER];
    struct iovec iov = {blank, sizeof blank};
    enum rc rc;

    TRY(io_create("exports.create", w->path, O_RDWR | O_CREAT | O_TRUNC, &w->fd, e));
    memset(blank, ' ', sizeof blank);
    rc = io_pwritev("exports.begin", w->fd, &iov, 1, 0, e);
    w->length = SEGMENT_HEADER;
    if (rc != RC_OK)
        segment_leave(w);
    return rc;
}

enum rc segment_begin(struct segment_writer *w, const char *dir, const struct segment_header *head, struct err *e)
{
    prepare(w, head);
    w->head.last = head->first - 1;
    w->head.events = 0;
    w->length = 0;
    segment_path(w->path, dir, head->kind, head->epoch, head->seq, true);
    return create(w, e);
}

enum rc segment_resume(struct segment_writer *w, const char *dir, const struct segment_header *head, uint64_t length,
                       struct err *e)
{
    struct stat st;

    prepare(w, head);
    segment_path(w->path, dir, head->kind, head->epoch, head->seq, true);
    TRY(io_create("exports.create", w->path, O_RDWR, &w->fd, e));
    w->length = length;
    if (length >= SEGMENT_HEADER && fstat(w->fd, &st) == 0 && (uint64_t)st.st_size >= length &&
        ftruncate(w->fd, (off_t)length) == 0)
        return RC_OK;
    close(w->fd);
    w->fd = -1;
    return err_set(e, RC_CORRUPT, "%s is shorter than it was", w->path);
}

/* --- lines --------------------------------------------------------------------------------------------------------- */

void segment_added(struct segment_writer *w)
{
    w->head.last++;
    w->head.events++;
}

bool segment_wants_flush(const struct segment_writer *w)
{
    return w->lines.n >= FRAME_LINES;
}

static enum rc compress(struct segment_writer *w, struct err *e)
{
    size_t bound = ZSTD_compressBound(w->lines.n), n;
    char *to = buf_reserve(&w->out, bound);

    if (!to) {
        buf_clear(&w->out);
        return err_set(e, RC_NO_MEMORY, "%s", w->path);
    }
    n = ZSTD_compress2(w->codec, to, bound, w->lines.p, w->lines.n);
    must(!ZSTD_isError(n)); /* only without memory */
    w->out.n += n;
    buf_clear(&w->lines);
    buf_shrink(&w->lines, KEEP * 8);
    return RC_OK;
}

enum rc segment_flush(struct segment_writer *w, struct err *e)
{
    struct iovec iov;

    if (w->fd < 0 && w->length > SEGMENT_HEADER)
        return err_set(e, RC_UNAVAILABLE, "%s is not open", w->path);
    if (w->fd < 0)
        TRY(create(w, e));
    for (;;) { /* a frame that could not be written before comes first */
        if (w->out.n) {
            iov = (struct iovec){w->out.p, w->out.n};
            TRY(io_pwritev("exports.write", w->fd, &iov, 1, w->length, e));
            w->length += w->out.n;
            buf_clear(&w->out);
            buf_shrink(&w->out, KEEP);
        }
        if (!w->lines.n)
            return RC_OK;
        TRY(compress(w, e));
    }
}

void segment_leave(struct segment_writer *w)
{
    if (w->fd >= 0)
        close(w->fd);
    w->fd = -1;
}

void segment_writer_done(struct segment_writer *w)
{
    segment_leave(w);
    buf_done(&w->lines);
    buf_done(&w->out);
    ZSTD_freeCCtx(w->codec);
    *w = (struct segment_writer){.fd = -1};
}

/* --- finishing ----------------------------------------------------------------------------------------------------- */

static enum rc write_header(const char *open_path, const struct segment_header *head, struct err *e)
{
    char text[SEGMENT_HEADER];
    struct iovec iov = {text, sizeof text};
    enum rc rc;
    int fd;

    header_text(head, text);
    TRY(io_create("exports.finish", open_path, O_RDWR, &fd, e));
    rc = io_pwritev("exports.header", fd, &iov, 1, 0, e);
    if (rc == RC_OK)
        rc = io_sync("exports.sync", fd, e);
    close(fd);
    return rc;
}

enum rc segment_finish(const char *dir, const struct segment_header *head, uint64_t *bytes_out, char digest[SEGMENT_DIGEST],
                       struct err *e)
{
    char open_path[SEGMENT_PATH], path[SEGMENT_PATH], folder[SEGMENT_PATH];

    segment_path(open_path, dir, head->kind, head->epoch, head->seq, true);
    segment_path(path, dir, head->kind, head->epoch, head->seq, false);
    if (access(path, F_OK) != 0) {
        if (access(open_path, F_OK) != 0)
            return err_errno(e, errno, "%s", open_path);
        TRY(write_header(open_path, head, e));
        TRY(io_rename("exports.name", open_path, path, e));
        snprintf(folder, sizeof folder, "%.400s/%s", dir, words[head->kind]);
        TRY(io_sync_dir("exports.dir", folder, e));
    }
    return segment_digest(path, bytes_out, digest, e);
}
