/*
 * What the pipeline changes in a message: a list over the stored octets, carried beside them (design section 3).
 * Coded for the bus, the journal and the spool; applied while the body is read (spool/rope.h).
 */
#ifndef MAIL_EDITS_H
#define MAIL_EDITS_H

#include "base/arena.h"
#include "base/buf.h"
#include "base/err.h"

enum { EDITS_MOST = 10000 };

/* `length` octets of the original at `offset` are replaced; length 0 inserts before `offset`. */
struct edit {
    uint64_t offset, length;
    struct str replacement;
};
struct edits {
    const struct edit *items; /* ascending, not overlapping */
    size_t n;
};

void edits_encode(struct edits edits, struct buf *out);
/* Views into `in`, the array from the arena. RC_CORRUPT when the list is cut, out of order or beyond body_bytes. An empty
 * `in` is the empty list. */
enum rc edits_decode(struct arena *a, struct str in, uint64_t body_bytes, struct edits *out, struct err *e);

#endif
