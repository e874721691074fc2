/* A set of segments (epoch, seq), as ranges: what was imported. */
#ifndef CENTRAL_RANGES_H
#define CENTRAL_RANGES_H

#include "base/str.h"

struct range {
    uint64_t epoch, first, last;
};
struct ranges {
    struct range *items; /* rising, never touching */
    size_t n, cap;
};

void ranges_done(struct ranges *r);
bool ranges_has(const struct ranges *r, uint64_t epoch, uint64_t seq);
void ranges_add(struct ranges *r, uint64_t epoch, uint64_t seq);
/* All of them from the form of bus row imports_state; false when that is malformed. */
bool ranges_read(struct ranges *r, struct str have);
/* The first that is missing behind the beginning; 0 0 when nothing is there. */
void ranges_gap(const struct ranges *r, uint64_t *epoch, uint64_t *seq);

#endif
