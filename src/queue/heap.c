/*
 * The heap of pieces that wait. See heap.h.
 *
 * Called by pieces.c. Owns the array of numbers; the pieces belong to their slab.
 */
#include "queue/heap.h"

#include "base/must.h"
#include "queue/state.h"

#include <stdlib.h>

void heap_init(struct heap *h, struct slab *pieces)
{
    *h = (struct heap){.pieces = pieces};
}

void heap_done(struct heap *h)
{
    free(h->items);
    heap_init(h, h->pieces);
}

static struct piece *at(const struct heap *h, uint32_t place)
{
    return slab_at(h->pieces, h->items[place]);
}

static void put(struct heap *h, uint32_t place, uint32_t piece)
{
    h->items[place] = piece;
    at(h, place)->prev = place;
}

static void up(struct heap *h, uint32_t place)
{
    uint32_t piece = h->items[place];
    uint64_t key = at(h, place)->next_try_ms;

    for (; place > 1 && at(h, place / 2)->next_try_ms > key; place /= 2)
        put(h, place, h->items[place / 2]);
    put(h, place, piece);
}

static void down(struct heap *h, uint32_t place)
{
    uint32_t piece = h->items[place], child;
    uint64_t key = at(h, place)->next_try_ms;

    for (; (child = place * 2) <= h->n; place = child) {
        if (child < h->n && at(h, child + 1)->next_try_ms < at(h, child)->next_try_ms)
            child++;
        if (at(h, child)->next_try_ms >= key)
            break;
        put(h, place, h->items[child]);
    }
    put(h, place, piece);
}

void heap_add(struct heap *h, uint32_t piece)
{
    if (h->n + 2 > h->cap) {
        uint32_t cap = h->cap ? h->cap + h->cap / 2 : 256;
        uint32_t *items = realloc(h->items, cap * sizeof *items);

        must(items);
        h->items = items;
        h->cap = cap;
    }
    h->n++;
    put(h, h->n, piece);
    up(h, h->n);
}

void heap_remove(struct heap *h, uint32_t piece)
{
    uint32_t place = ((struct piece *)slab_at(h->pieces, piece))->prev, last;

    must(place && place <= h->n && h->items[place] == piece);
    last = h->items[h->n--];
    if (last != piece) {
        put(h, place, last);
        up(h, place);
        down(h, at(h, place) == slab_at(h->pieces, last) ? place : ((struct piece *)slab_at(h->pieces, last))->prev);
    }
    ((struct piece *)slab_at(h->pieces, piece))->prev = 0;
}
