/*
 * Reading export segments: files that came from another appliance, so nothing in them is believed. See segment.h.
 *
 * Called by record (imports) and central (digests). Owns the file and at most a few MiB of it, however large it is. Frames
 * of a large window and lines above EVENT_JSON_MAX are refused.
 */
#include "store/segment.h"

#include "base/io.h"
#include "base/json_read.h"
#include "base/must.h"
#include "store/event_json.h"

#include <errno.h>
#include <fcntl.h>
#include <openssl/evp.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>
#include <zstd.h>

enum { CHUNK = 64 << 10, WINDOW_LOG_MOST = 23 };

struct segment_reader {
    struct segment_header head;
    char path[SEGMENT_PATH];
    int fd;
    ZSTD_DStream *codec;
    char in[CHUNK];
    ZSTD_inBuffer input;
    bool file_ended, between_frames;
    bool holds;      /* the decoder has more without further input */
    struct buf text; /* decompressed */
    size_t at;       /* what of it was given out */
    uint64_t next, lines;
};

/* --- header -------------------------------------------------------------------------------------------------------- */

static bool header_fields(const struct json *v, struct segment_header *h)
{
    struct str serial = json_str_of(json_get(v, "serial"));
    uint64_t schema;

    if (!segment_kind_of(json_str_of(json_get(v, "kind")), &h->kind) || !serial.n || serial.n >= SEGMENT_SERIAL ||
        !json_u64(json_get(v, "epoch"), &h->epoch) || !json_u64(json_get(v, "seq"), &h->seq) ||
        !json_u64(json_get(v, "first"), &h->first) || !json_u64(json_get(v, "last"), &h->last) ||
        !json_u64(json_get(v, "start"), &h->start_ms) || !json_u64(json_get(v, "end"), &h->end_ms) ||
        !json_u64(json_get(v, "events"), &h->events) || !json_u64(json_get(v, "schema"), &schema) ||
        schema != SEGMENT_SCHEMA || !str_eq(json_str_of(json_get(v, "codec")), str_lit("zstd")))
        return false;
    memcpy(h->serial, serial.p, serial.n);
    h->serial[serial.n] = '\0';
    return memchr(serial.p, '\0', serial.n) == NULL && h->epoch && h->seq && h->first && h->last + 1 >= h->first &&
           h->events == h->last + 1 - h->first;
}

static bool header_parse(struct str in, struct segment_header *out)
{
    struct segment_header h = {0};
    const struct json *v;
    struct arena a;
    struct str line;
    bool good;

    if (!str_split(&in, '\n', &line) || !str_eq(line, str_lit("POSTERN-EXPORT 1")) || !str_split(&in, '\n', &line) || !in.p)
        return false;
    arena_init(&a, 4096, 64 << 10);
    good = json_read(&a, str_trim(line), &v, NULL) == RC_OK && header_fields(v, &h);
    arena_done(&a);
    if (good)
        *out = h;
    return good;
}

static enum rc open_header(const char *path, int *fd_out, struct segment_header *out, struct err *e)
{
    char text[SEGMENT_HEADER];
    int fd = open(path, O_RDONLY | O_CLOEXEC);

    if (fd < 0)
        return err_errno(e, errno, "%s", path);
    if (io_pread(fd, text, sizeof text, 0, NULL) != RC_OK || !header_parse(str_of(text, sizeof text), out)) {
        close(fd);
        return err_set(e, RC_CORRUPT, "%s is no export segment", path);
    }
    *fd_out = fd;
    return RC_OK;
}

enum rc segment_read_header(const char *path, struct segment_header *out, struct err *e)
{
    int fd;

    TRY(open_header(path, &fd, out, e));
    close(fd);
    return RC_OK;
}

enum rc segment_digest(const char *path, uint64_t *bytes_out, char digest[SEGMENT_DIGEST], struct err *e)
{
    EVP_MD_CTX *sum = EVP_MD_CTX_new();
    unsigned char md[EVP_MAX_MD_SIZE];
    static const char digits[] = "0123456789abcdef";
    unsigned n = 0;
    uint64_t bytes = 0;
    char chunk[CHUNK];
    ssize_t got = 0;
    int fd = open(path, O_RDONLY | O_CLOEXEC), number = errno;

    must(sum && EVP_DigestInit_ex(sum, EVP_sha256(), NULL));
    while (fd >= 0 && (got = read(fd, chunk, sizeof chunk)) > 0) {
        EVP_DigestUpdate(sum, chunk, (size_t)got);
        bytes += (uint64_t)got;
    }
    EVP_DigestFinal_ex(sum, md, &n);
    EVP_MD_CTX_free(sum);
    if (fd < 0)
        return err_errno(e, number, "%s", path);
    number = errno;
    close(fd);
    if (got < 0)
        return err_errno(e, number, "%s", path);
    for (unsigned i = 0; i < 32; i++) {
        digest[i * 2] = digits[md[i] >> 4];
        digest[i * 2 + 1] = digits[md[i] & 15];
    }
    digest[64] = '\0';
    *bytes_out = bytes;
    return RC_OK;
}

/* --- lines --------------------------------------------------------------------------------------------------------- */

enum rc segment_open(const char *path, struct segment_reader **out, struct err *e)
{
    struct segment_reader *r;
    struct segment_header head;
    int fd;

    TRY(open_header(path, &fd, &head, e));
    must((r = calloc(1, sizeof *r)));
    r->head = head;
    r->fd = fd;
    snprintf(r->path, sizeof r->path, "%s", path);
    must(lseek(fd, SEGMENT_HEADER, SEEK_SET) == SEGMENT_HEADER && (r->codec = ZSTD_createDStream()));
    ZSTD_initDStream(r->codec);
    ZSTD_DCtx_setParameter(r->codec, ZSTD_d_windowLogMax, WINDOW_LOG_MOST);
    r->input.src = r->in;
    r->between_frames = true;
    r->text = BUF(EVENT_JSON_MAX + CHUNK * 4);
    r->next = head.first;
    *out = r;
    return RC_OK;
}

const struct segment_header *segment_head(const struct segment_reader *r)
{
    return &r->head;
}

void segment_close(struct segment_reader *r)
{
    if (!r)
        return;
    close(r->fd);
    ZSTD_freeDStream(r->codec);
    buf_done(&r->text);
    free(r);
}

static enum rc corrupt(struct segment_reader *r, const char *what, struct err *e)
{
    return err_set(e, RC_CORRUPT, "%s: %s", r->path, what);
}

static enum rc read_file(struct segment_reader *r, struct err *e)
{
    ssize_t n = read(r->fd, r->in, sizeof r->in);

    if (n < 0)
        return err_errno(e, errno, "%s", r->path);
    r->file_ended = n == 0;
    r->input.size = (size_t)n;
    r->input.pos = 0;
    return RC_OK;
}

/* More text, or RC_NOT_FOUND at the end of a whole file. */
static enum rc more(struct segment_reader *r, struct err *e)
{
    ZSTD_outBuffer to = {NULL, CHUNK, 0};
    size_t left;

    buf_drop(&r->text, r->at);
    r->at = 0;
    if (r->input.pos == r->input.size && !r->holds)
        TRY(read_file(r, e));
    if (r->file_ended)
        return r->between_frames ? RC_NOT_FOUND : corrupt(r, "it is cut", e);
    to.dst = buf_reserve(&r->text, CHUNK);
    if (!to.dst)
        return corrupt(r, "a line is too long", e);
    left = ZSTD_decompressStream(r->codec, &to, &r->input);
    if (ZSTD_isError(left))
        return corrupt(r, ZSTD_getErrorName(left), e);
    r->between_frames = left == 0;
    r->holds = to.pos == to.size && left != 0;
    r->text.n += to.pos;
    return RC_OK;
}

/* {"n":NUMBER, at its front, and the number that is due. */
static bool is_next(struct segment_reader *r, struct str line)
{
    struct str rest = str_from(line, 5);
    uint64_t n;

    return str_starts(line, str_lit("{\"n\":")) && str_find(rest, ',') < rest.n &&
           str_u64(str_first(rest, str_find(rest, ',')), &n) && n == r->next;
}

static enum rc ended(struct segment_reader *r, struct err *e)
{
    if (r->text.n > r->at)
        return corrupt(r, "its last line is cut", e);
    return r->next == r->head.last + 1 ? RC_NOT_FOUND : corrupt(r, "lines are missing", e);
}

enum rc segment_read(struct segment_reader *r, struct str *line_out, struct err *e)
{
    size_t looked = 0;

    for (;;) {
        struct str rest = str_from(buf_str(&r->text), r->at), unseen = str_from(rest, looked);
        size_t end = looked + str_find(unseen, '\n');
        enum rc rc;

        if (end < rest.n) {
            struct str line = str_first(rest, end);

            if (r->next > r->head.last || !is_next(r, line))
                return corrupt(r, "its numbers are not in order", e);
            r->next++;
            r->at += end + 1;
            *line_out = line;
            return RC_OK;
        }
        looked = rest.n;
        rc = more(r, e);
        if (rc == RC_NOT_FOUND)
            return ended(r, e);
        if (rc != RC_OK)
            return rc;
    }
}
