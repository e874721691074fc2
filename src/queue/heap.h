/* Pieces of work that wait for a time, the earliest on top: a binary heap of 32-bit numbers. */
#ifndef QUEUE_HEAP_H
#define QUEUE_HEAP_H

#include "queue/slab.h"

struct heap {
    uint32_t *items; /* from 1 */
    uint32_t n, cap;
    struct slab *pieces; /* struct piece of state.h: next_try_ms is the key, prev the place in the heap */
};

void heap_init(struct heap *h, struct slab *pieces);
void heap_done(struct heap *h);
void heap_add(struct heap *h, uint32_t piece);
void heap_remove(struct heap *h, uint32_t piece);

/* The earliest, or 0. */
static inline uint32_t heap_top(const struct heap *h)
{
    return h->n ? h->items[1] : 0;
}

#endif
