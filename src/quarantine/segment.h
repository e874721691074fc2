/*
 * Files of held mail: records that are appended in groups, made durable with one sync a file, and die together.
 *
 * A file takes messages of one class whose exits fall on one day, so that whole files are unlinked and nothing is ever
 * moved. A record is header, metadata, body; a body larger than SEGMENT_INLINE lies in a file of its own. Each group begins
 * on a 4 KiB boundary: a page that was acknowledged is never written again, but for the mark `gone`, one aligned word.
 *
 * DIR/data/ID.CLASS.DAY   segments (DAY = days since 1970)      DIR/big/ID   large bodies, by message id
 */
#ifndef QUARANTINE_SEGMENT_H
#define QUARANTINE_SEGMENT_H

#include "base/buf.h"
#include "base/err.h"

enum { SEGMENT_INLINE = 256 << 10, SEGMENT_PAGE = 4096, SEGMENT_MAX = 1 << 30, RECORD_HEAD = 64, SEGMENT_PATH = 4200 };

struct record_head {
    uint64_t magic;
    uint64_t id;
    uint32_t class;
    uint32_t meta_bytes;
    uint64_t body_bytes;
    uint64_t taken_ms;
    uint64_t gone; /* not covered by the CRC: 0 = held */
    uint32_t big;
    uint32_t body_crc; /* of an inline body */
    uint32_t crc;      /* of the header with gone = crc = 0, and the metadata */
    uint32_t reserved;
};

struct segment_name {
    uint64_t id, class, day;
};

void segment_path(char out[SEGMENT_PATH], const char *dir, const struct segment_name *n);
void segment_big_path(char out[SEGMENT_PATH], const char *dir, uint64_t id);
/* "ID.CLASS.DAY" back; false for other files. */
bool segment_name_read(const char *name, struct segment_name *out);

/* Octets a record takes, padded to 8. */
uint64_t record_bytes(const struct record_head *h);
/* Fills magic and CRCs and appends the record's octets to `out`, padded. */
void record_put(struct record_head *h, struct str meta, struct str body, struct buf *out);
/* Is this a whole record? `octets` begins with the header and holds the metadata. */
bool record_fits(struct str octets, struct record_head *out);

/* Reads header and metadata at `offset`; RC_CORRUPT when there is no record. The metadata is appended to `meta`. */
enum rc record_read(int fd, uint64_t offset, struct record_head *out, struct buf *meta, struct err *e);
/* Finds the next whole record from *offset on, at most to `end`: RC_OK with *offset at it, RC_NOT_FOUND at the end. What is
 * no record is skipped to the next page; *skipped counts such places. Inline bodies are checked too. */
enum rc record_next(int fd, uint64_t *offset, uint64_t end, struct record_head *out, struct buf *meta, unsigned *skipped,
                    struct err *e);
/* Marks it as left: an index that must be made anew does not bring it back. Best effort, not synced. */
void record_mark_gone(int fd, uint64_t offset, uint64_t now_ms);

#endif
