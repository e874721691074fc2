/*
 * Slabs with 32-bit numbers. See slab.h.
 *
 * Called by the other files of this room. Owns the chunks; items stay where they are until slab_done(). Chunks are not given
 * back one by one: a queue that was long once keeps its memory for the next time.
 */
#include "queue/slab.h"

#include "base/must.h"

#include <stdlib.h>

void slab_init(struct slab *s, size_t item)
{
    must(item >= 8 && item % 4 == 0);
    *s = (struct slab){.item = item, .end = 1};
}

void slab_done(struct slab *s)
{
    for (uint32_t i = 0; i < s->n_chunks; i++)
        free(s->chunks[i]);
    free(s->chunks);
    slab_init(s, s->item);
}

static void grow(struct slab *s)
{
    if (s->n_chunks == s->cap_chunks) {
        uint32_t cap = s->cap_chunks ? s->cap_chunks * 2 : 16;
        char **chunks = realloc(s->chunks, cap * sizeof *chunks);

        must(chunks);
        s->chunks = chunks;
        s->cap_chunks = cap;
    }
    s->chunks[s->n_chunks] = calloc(SLAB_CHUNK, s->item);
    must(s->chunks[s->n_chunks]);
    s->n_chunks++;
}

static uint32_t *link_of(const struct slab *s, uint32_t i)
{
    return (uint32_t *)(void *)((char *)slab_at(s, i) + s->item - sizeof(uint32_t));
}

uint32_t slab_take(struct slab *s)
{
    uint32_t i = s->free;

    s->used++;
    if (i) {
        s->free = *link_of(s, i);
        *link_of(s, i) = 0;
        return i;
    }
    must(s->end < UINT32_MAX);
    if (s->end >> SLAB_CHUNK_BITS >= s->n_chunks)
        grow(s);
    return s->end++;
}

void slab_give(struct slab *s, uint32_t i)
{
    must(i && i < s->end && s->used);
    memset(slab_at(s, i), 0, s->item);
    *link_of(s, i) = s->free;
    s->free = i;
    s->used--;
}

size_t slab_bytes(const struct slab *s)
{
    return (size_t)s->n_chunks * SLAB_CHUNK * s->item + s->cap_chunks * sizeof *s->chunks;
}
