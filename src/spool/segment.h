/* Segment files of one writer: made, taken, freed. Everything here blocks and runs in the pool. Only spool/ includes this.
 */
#ifndef SPOOL_SEGMENT_H
#define SPOOL_SEGMENT_H

#include "spool/layout.h"

struct segment {
    int fd; /* -1 = none */
    uint64_t id, generation, salt, size;
    uint64_t used; /* where the next group goes */
    bool certain;  /* a group of it is on stable storage */
};

/* DIR, DIR/seg, DIR/big where missing. */
enum rc segment_make_dirs(const char *dir, struct err *e);
/* A new file of `size` octets. `zeros`: written with zeros (syncs are cheaper then), else only allocated, which is quick. */
enum rc segment_make(const char *dir, uint64_t id, uint64_t generation, unsigned owner, uint64_t size, bool zeros,
                     struct segment *out, struct err *e);
/* A free file again, in its new life. RC_INVALID when it is not free, not the owner's or of another size. */
enum rc segment_take(const char *dir, uint64_t id, uint64_t generation, unsigned owner, uint64_t size, struct segment *out,
                     struct err *e);
/* Writes the header page with the state free, after zeros over the rest when `wipe`. */
enum rc segment_give(const char *dir, uint64_t id, bool wipe, struct err *e);
/* Whether this segment says that a part of another one is void, and that one still lives: then it must stay as it is. */
bool segment_is_needed(const char *dir, uint64_t id);
/* Ids of free files of this owner and size that nobody needs: at most `max`. */
size_t segment_find_free(const char *dir, unsigned owner, uint64_t size, uint64_t *ids_out, size_t max);

#endif
