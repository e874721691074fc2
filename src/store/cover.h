/* Sets of numbers as ranges: which events of an epoch are in. */
#ifndef STORE_COVER_H
#define STORE_COVER_H

#include "base/buf.h"

struct cover_range {
    uint64_t first, last;
};

struct cover {
    struct cover_range *items; /* in order, neither touching nor overlapping */
    size_t n, cap;
};

void cover_done(struct cover *c);
bool cover_has(const struct cover *c, uint64_t first, uint64_t last);
void cover_add(struct cover *c, uint64_t first, uint64_t last);
void cover_add_all(struct cover *c, const struct cover *other);
void cover_put(const struct cover *c, struct buf *out);
/* Replaces the content; false (and empty) when it is not what cover_put() writes. */
bool cover_get(struct cover *c, struct str in);

#endif
