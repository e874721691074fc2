/*
 * Event files: a header, then blocks, each written by one write() and complete or void as a whole.
 *
 *   file    magic "PSEV" u32, version u32, id u64 (random), boot u64 (which run of the machine: stamps of another boot do
 * not compare with ours), made_ms u64 block   magic u32, length u32 (payload), crc32c u32 (payload, then the header from
 * `count` on), count u32, wall u64, stamp u64 event   length u32 (fields), type u16, wall - block's wall u16, stamp -
 * block's stamp u32, fields as base/fields.h codes them All numbers little endian. Stamps rise strictly inside a file.
 */
#ifndef EVENT_BLOCK_H
#define EVENT_BLOCK_H

#include "event/record.h"

enum { FILE_HEADER = 32, BLOCK_HEADER = 32, EVENT_HEADER = 12, BLOCK_MAX = 16 << 20, EVENT_STR_MAX = 32 << 10 };

struct event_file_header {
    uint64_t id, boot, made_ms;
};

void event_file_header_put(struct buf *out, const struct event_file_header *h);
bool event_file_header_get(struct str in, struct event_file_header *out);
/* Identifies this run of the machine. */
uint64_t event_boot(void);

/* --- writing: blocks are built at the end of a buffer ------------------------------------------------------------- */

struct block_writer {
    struct buf out; /* closed blocks, then the open one */
    size_t open;    /* where the open block begins; meaningful while count > 0 */
    uint32_t count;
    uint64_t wall_ms, stamp;
};

/* False when there is no room (nothing was added). */
bool block_add(struct block_writer *w, const struct event_info *row, enum event_type type, uint64_t wall_ms, uint64_t stamp,
               const void *fields);
/* Ends the open block; w->out then holds whole blocks only. */
void block_close(struct block_writer *w);

/* --- reading ------------------------------------------------------------------------------------------------------ */

enum block_state { BLOCK_GOOD, BLOCK_SHORT /* more octets may come */, BLOCK_BAD };

struct block {
    struct str events; /* rest that is not read yet */
    uint32_t count;
    uint64_t wall_ms, stamp;
    size_t size; /* header and events */
};

/* Looks at the block at the front of `in`. */
enum block_state block_open(struct str in, struct block *out);
/* Octets of `in` to skip to what may be the next block (at least 1 when in is not empty). */
size_t block_resync(struct str in);

/* Next event of a block, not yet decoded. False at its end or when it is cut. */
struct block_event {
    unsigned type;
    uint64_t wall_ms, stamp;
    struct str fields;
};
bool block_next(struct block *b, struct block_event *out);
/* Decodes; false for unknown types and fields that are cut. Strings are views of e->fields. */
bool block_event_decode(const struct block_event *e, struct event_record *out);

#endif
