/*
 * The spool: accepted messages in segment files (design section 3, design-notes C).
 *
 * A writer (one per receive process, one in queue) appends records and makes them durable in groups with one sync. Readers
 * (queue, scan windows, deliver) pread records by reference and check segment, generation, MID and CRC; nobody maps a
 * segment.
 *
 * Layout of a record: 64-byte header (magic, kind, flags, segment, generation, mid, lengths, synced_to, CRC of header +
 * envelope, CRC of body), envelope (mail/envelope.h), body without dot-stuffing and with CRLF line ends. Bodies over
 * SPOOL_INLINE_MAX lie in a file of their own (DIR/big/MID) and the record names it.
 *
 * Files: DIR/seg/ID segments, DIR/big/MID large bodies, DIR/aside/ID.N corrupt segments, DIR/journal/ the queue's.
 * A segment's header page says generation, owner column and whether it is in use or free for its owner to be used again.
 */
#ifndef SPOOL_SPOOL_H
#define SPOOL_SPOOL_H

#include "base/arena.h"
#include "base/board.h"
#include "base/buf.h"
#include "base/err.h"
#include "net/loop.h"

enum { SPOOL_INLINE_MAX = 256 * 1024 };

struct spool_ref {
    uint64_t segment, generation, offset;
};

/* What was found while receiving (C2): decides dot-stuffing, 8BITMIME and scanning shortcuts without another look. */
enum { BODY_HAS_DOT = 1, BODY_HAS_8BIT = 2, BODY_HAS_BARE = 4, BODY_LONG_LINE = 8, BODY_HAS_8BIT_HEADER = 16 };

struct spool_head {
    struct spool_ref ref;
    uint64_t mid;
    uint64_t flags; /* BODY_... */
    uint64_t envelope_bytes;
    uint64_t body_bytes;
    uint64_t record_bytes; /* header + envelope + inline body, padded: next record of the group begins there */
    uint64_t body_crc;
    bool big; /* body in its own file */
};

/* ---- writing ----------------------------------------------------------------------------------------------------- */
struct spool_options {
    const char *dir;         /* HOME/spool */
    uint64_t segment_bytes;  /* 64 MiB, 8 in the lab */
    uint64_t min_free_bytes; /* refuse new mail below this much free space (I3) */
    unsigned column;         /* process index: board column and owner of the segments; queue's own = BOARD_RECEIVERS - 1 */
    unsigned keep_free;      /* most emptied segments kept for use again; 0 = 16 */
    bool wipe;               /* zero an emptied segment before it is kept */
};

/* The writer keeps the words `segment`, `generation` and `spare` of its column in board->receivers up to date; `segment` is
 * set when the first group of a segment is on stable storage, just before the callbacks of that group (and `answering` and
 * `answered` are zeroed then). A segment of a living column that is neither `segment` nor `spare` is closed. Segment and
 * generation numbers are taken only while board->numbers_ready is set: until then appended records wait. */
struct spool_writer;
/* Called by the writer when a segment is closed for good (full, failed or at close): tell queue. void range empty = none. */
typedef void spool_closed_fn(void *ctx, uint64_t segment, uint64_t generation, uint64_t size, uint64_t void_from,
                             uint64_t void_to);

/* Makes the directories; the first segment is made in the pool. `closed` may be NULL. */
struct spool_writer *spool_writer_new(struct loop *loop, struct board *board, const struct spool_options *o,
                                      spool_closed_fn *closed, void *ctx, struct err *e);
/* Waits for the group under way (turning the loop), fails what is not yet written with RC_SHUTTING_DOWN, tells `closed`.
 * Not from inside a callback of the loop. */
void spool_writer_free(struct spool_writer *w);
/* An emptied segment file of this writer to be used again (queue's segment_free): marked free on disk, kept or unlinked. */
void spool_writer_reuse(struct spool_writer *w, uint64_t segment, bool drop);

/* A body being received. Gathers in memory (64 MiB a process, then spills early), beyond SPOOL_INLINE_MAX in its own file.
 */
struct spool_body;
struct spool_body *spool_body_new(struct spool_writer *w);
/* RC_NO_SPACE / RC_IO / RC_NO_MEMORY: the body is unusable, free it. */
enum rc spool_body_add(struct spool_body *b, struct str octets, struct err *e);
uint64_t spool_body_bytes(const struct spool_body *b);
/* The first octets (header section) while they are in memory: at most 64 KiB. */
struct str spool_body_start(const struct spool_body *b);
void spool_body_free(struct spool_body *b);

/* A transaction passed MAIL / ended without data: feeds the commit window rule (B3). */
void spool_transaction_begin(struct spool_writer *w, uint64_t *token_out);
void spool_transaction_end(struct spool_writer *w, uint64_t token);

/* rc RC_OK: on stable storage, `ref` says where. RC_IO, RC_NO_SPACE, RC_NO_MEMORY, RC_SHUTTING_DOWN: nothing was stored, and
 * that is itself certain (B6). RC_CLOSED: neither is certain: close the connection without a reply. */
typedef void spool_done_fn(void *ctx, enum rc rc, const struct spool_ref *ref);
/* Queues the record for the next group; `done` runs on the loop once its fate is known, never from inside this call. Takes
 * the body (frees it at the end; NULL = empty). `token` as from spool_transaction_begin (0 = none), which ends here. */
void spool_append(struct spool_writer *w, uint64_t token, uint64_t mid, uint64_t flags, struct str envelope,
                  struct spool_body *body, spool_done_fn *done, void *ctx);
/* Room for a message of this size now? RC_OK or RC_NO_SPACE (statvfs, cached 1 s). */
enum rc spool_space(struct spool_writer *w, uint64_t bytes);
/* Free octets as spool_space() saw them last. */
uint64_t spool_space_free(const struct spool_writer *w);
/* Another min_free_bytes, from the next spool_space() on. */
void spool_space_keep(struct spool_writer *w, uint64_t min_free_bytes);
/* Syncs made so far, records written so far: for status and the bench. */
void spool_writer_counts(const struct spool_writer *w, uint64_t *syncs_out, uint64_t *records_out);

/* ---- reading ----------------------------------------------------------------------------------------------------- */
struct spool_reader; /* cache of open segment fds */
struct spool_reader *spool_reader_new(const char *dir);
void spool_reader_free(struct spool_reader *r);
void spool_reader_forget(struct spool_reader *r, uint64_t segment);
/* Header and envelope of one record, CRC checked. The envelope's octets come from the arena. RC_CORRUPT: not this record. */
enum rc spool_read_head(struct spool_reader *r, struct spool_ref ref, struct arena *a, struct spool_head *head_out,
                        struct str *envelope_out, struct err *e);
/* n octets of the body from `at` into out; *crc is carried along and equals head.body_crc after the last octet: the reader
 * checks that before it lets the message go (C6). */
enum rc spool_read_body(struct spool_reader *r, const struct spool_head *head, uint64_t at, void *out, size_t n,
                        uint32_t *crc, struct err *e);
/* Opens the file of a big body read-only (caller closes), or RC_INVALID when it is inline. */
enum rc spool_open_big(struct spool_reader *r, const struct spool_head *head, int *fd_out, struct err *e);
enum rc spool_remove_big(const char *dir, const struct spool_head *head, struct err *e);
/* Writes the same message again with another writer, body checked on the way (copy-forward C7). A big body stays where it
 * is. `done` as in spool_append; RC_CORRUPT when the old record does not fit. */
void spool_append_copy(struct spool_writer *w, struct spool_reader *r, const struct spool_head *head, struct str envelope,
                       spool_done_fn *done, void *ctx);

/* ---- recovery ---------------------------------------------------------------------------------------------------- */
struct spool_found {
    uint64_t segment, generation, owner, size;
    uint64_t good_to; /* where the next group begins or would begin */
    uint64_t torn;    /* octets of a record of this life that begins at good_to and is not whole, 0 = none */
    bool corrupt;     /* a bad record lies below a synced_to mark: set aside whole (C4) */
    bool empty;       /* no record in it */
    bool free;        /* marked as free for its owner: no record in it counts, leave it alone */
};
/* Ranges of segments that a failed sync made void (B6). Read once before the scans; void records come first in a segment. */
struct spool_void {
    uint64_t segment, generation, from, to;
};
struct spool_voids {
    const struct spool_void *items;
    size_t n;
};
enum rc spool_read_voids(const char *dir, struct arena *a, struct spool_voids *out, struct err *e);
/* Walks one segment from `from` (0 = start) to `to` (0 = end): fn for each good record that begins there, in order, bodies
 * checked. Void ranges are skipped. In a corrupt segment the readable records after the damage come too. The envelope is a
 * view valid during the call. `voids` may be NULL. */
typedef void spool_found_fn(void *ctx, const struct spool_head *head, struct str envelope);
enum rc spool_scan(const char *dir, uint64_t segment, uint64_t from, uint64_t to, const struct spool_voids *voids,
                   spool_found_fn *fn, void *ctx, struct spool_found *out, struct err *e);
/* What the header page alone says (the whole segment is read only when the page is damaged): `good_to` and `empty` are not
 * set. */
enum rc spool_look(const char *dir, uint64_t segment, struct spool_found *out, struct err *e);
/* Every segment id in the directory, ascending, into the arena. */
enum rc spool_list(const char *dir, struct arena *a, const uint64_t **ids_out, size_t *n_out, struct err *e);
/* Marks a segment as free on disk and syncs that, so that no later recovery takes its old records for mail. The queue calls
 * it before it forgets the segment and tells its owner. RC_CORRUPT when the file holds another generation by now. */
enum rc spool_mark_free(const char *dir, uint64_t segment, uint64_t generation, struct err *e);
/* Moves a corrupt segment to DIR/aside/. */
enum rc spool_set_aside(const char *dir, uint64_t segment, struct err *e);
enum rc spool_unlink(const char *dir, uint64_t segment, struct err *e);

#endif
