/*
 * Export segments (central.md 5): what a gateway hands to its managers, one file each.
 *
 *   file    "POSTERN-EXPORT 1\n", one line of JSON (kind serial epoch seq first last start end events schema codec) padded
 * with spaces up to SEGMENT_HEADER octets, then zstd frames of JSON lines. Each line begins with {"n":NUMBER, and the
 * numbers go from `first` to `last` without a hole; frames end between lines and carry their own sums. name
 * HOME/exports/KIND/EPOCH-SEQ.seg; EPOCH-SEQ.open while it is written
 *
 * tracking segments hold events (event_json.h), reporting segments counters (reporting.h). `start` and `end` say which time
 * a segment covers, also when it holds nothing: then last = first - 1.
 */
#ifndef STORE_SEGMENT_H
#define STORE_SEGMENT_H

#include "base/arena.h"
#include "base/buf.h"
#include "base/err.h"

enum segment_kind { SEGMENT_TRACKING, SEGMENT_REPORTING, SEGMENT_KINDS };
enum { SEGMENT_HEADER = 512, SEGMENT_SCHEMA = 1, SEGMENT_SERIAL = 80, SEGMENT_DIGEST = 65, SEGMENT_PATH = 512 };

/* "tracking", "reporting" */
struct str segment_kind_word(enum segment_kind kind);
bool segment_kind_of(struct str word, enum segment_kind *out);

struct segment_header {
    enum segment_kind kind;
    char serial[SEGMENT_SERIAL];
    uint64_t epoch, seq;
    uint64_t first, last; /* numbers; last = first - 1: none */
    uint64_t start_ms, end_ms;
    uint64_t events; /* lines */
};

/* "DIR/KIND/EPOCH-SEQ.seg" */
void segment_path(char out[SEGMENT_PATH], const char *dir, enum segment_kind kind, uint64_t epoch, uint64_t seq, bool open);
/* From the name of a file (without directory); false when it is no segment's. */
bool segment_name(const char *name, uint64_t *epoch_out, uint64_t *seq_out, bool *open_out);

/* --- writing ------------------------------------------------------------------------------------------------------- */

struct segment_writer {
    struct segment_header head;
    int fd;                  /* -1: none */
    uint64_t length;         /* octets of the file that count */
    struct buf lines;        /* not compressed yet */
    void *codec;             /* ZSTD_CCtx, kept from one segment to the next */
    struct buf out;          /* one frame, not written yet */
    char path[SEGMENT_PATH]; /* while open */
};

/* Makes the file of head->epoch, head->seq anew, whatever lies there. head: kind, serial, epoch, seq, first, start_ms. When
 * that fails (a full disk) lines may be added all the same: segment_flush() tries again. */
enum rc segment_begin(struct segment_writer *w, const char *dir, const struct segment_header *head, struct err *e);
/* Goes on with a file whose first `length` octets are known to be good; more is cut off. RC_CORRUPT: it is shorter. */
enum rc segment_resume(struct segment_writer *w, const char *dir, const struct segment_header *head, uint64_t length,
                       struct err *e);
/* Where the next line goes: append it whole, with its \n, then call segment_added(). */
static inline struct buf *segment_line(struct segment_writer *w)
{
    return &w->lines;
}
static inline uint64_t segment_next(const struct segment_writer *w)
{
    return w->head.last + 1;
}
void segment_added(struct segment_writer *w);
/* Enough lines wait for a frame of their own. */
bool segment_wants_flush(const struct segment_writer *w);
/* Writes what was added as one frame (not synced). A failure changes nothing: it is tried again by the next call. */
enum rc segment_flush(struct segment_writer *w, struct err *e);
/* Gives the file away: it is complete but for its header and name, which segment_finish() gives it. */
void segment_leave(struct segment_writer *w);
void segment_writer_done(struct segment_writer *w);

/* Writes the header into the .open file, syncs it and gives it its name; a file that has its name already is good too. Runs
 * in the thread pool. bytes_out and digest: as listed. */
enum rc segment_finish(const char *dir, const struct segment_header *head, uint64_t *bytes_out, char digest[SEGMENT_DIGEST],
                       struct err *e);

/* --- reading ------------------------------------------------------------------------------------------------------- */

/* SHA-256 of the file in hex, and its size. */
enum rc segment_digest(const char *path, uint64_t *bytes_out, char digest[SEGMENT_DIGEST], struct err *e);
/* The header of a file. RC_CORRUPT: none. */
enum rc segment_read_header(const char *path, struct segment_header *out, struct err *e);

struct segment_reader;

/* RC_CORRUPT whatever is wrong with the content, here and below: nothing of it may be used then. */
enum rc segment_open(const char *path, struct segment_reader **out, struct err *e);
const struct segment_header *segment_head(const struct segment_reader *r);
/* The next line without its \n, valid until the next call. RC_NOT_FOUND: the end was reached, and all of it was there: the
 * numbers without a hole, as many as the header says. */
enum rc segment_read(struct segment_reader *r, struct str *line_out, struct err *e);
void segment_close(struct segment_reader *r);

#endif
