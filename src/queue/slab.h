/*
 * Slabs of equal items addressed by 32-bit numbers: no pointer, no malloc per item, no move when it grows (C11).
 *
 * Number 0 is never given: it means "none". A free item is all zero but for its last four octets, so a walk over
 * 1..slab_end() tells items in use by a field that is never 0. The last four octets of an item in use are the owner's.
 */
#ifndef QUEUE_SLAB_H
#define QUEUE_SLAB_H

#include "base/str.h"

enum { SLAB_CHUNK_BITS = 10, SLAB_CHUNK = 1 << SLAB_CHUNK_BITS };

struct slab {
    char **chunks;
    uint32_t n_chunks, cap_chunks;
    uint32_t end;  /* numbers ever given are below this */
    uint32_t free; /* head of the free list */
    uint32_t used; /* items in use */
    size_t item;   /* octets of one */
};

void slab_init(struct slab *s, size_t item);
void slab_done(struct slab *s);
/* A zeroed item; never fails (the process ends when there is no memory: the queue's size is capped by settings). */
uint32_t slab_take(struct slab *s);
void slab_give(struct slab *s, uint32_t i);
/* Octets this slab holds, for status and the memory test. */
size_t slab_bytes(const struct slab *s);

static inline void *slab_at(const struct slab *s, uint32_t i)
{
    return s->chunks[i >> SLAB_CHUNK_BITS] + (size_t)(i & (SLAB_CHUNK - 1)) * s->item;
}

#endif
