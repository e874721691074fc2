/*
 * Bump allocator. See arena.h.
 *
 * Called by every room. Owns its blocks until arena_done(). Running over the cap returns NULL and changes nothing.
 */
#include "base/arena.h"

#include "base/must.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

enum { ALIGN = 16, LARGEST_BLOCK = 65536, KEEP = 4096 };

struct arena_block {
    struct arena_block *next;
    size_t size; /* octets behind this header */
};

struct arena_hook {
    struct arena_hook *next;
    void (*fn)(void *ctx);
    void *ctx;
};

void arena_init(struct arena *a, size_t first_block, size_t max_bytes)
{
    *a = (struct arena){.max = max_bytes, .block = first_block};
}

static void run_hooks(struct arena *a)
{
    while (a->hooks) {
        struct arena_hook *h = a->hooks;

        a->hooks = h->next;
        h->fn(h->ctx);
    }
}

static void free_from(struct arena_block *b)
{
    while (b) {
        struct arena_block *next = b->next;

        free(b);
        b = next;
    }
}

void arena_done(struct arena *a)
{
    run_hooks(a);
    free_from(a->blocks);
    a->blocks = NULL;
    a->at = a->end = NULL;
    a->used = 0;
}

void arena_reset(struct arena *a)
{
    struct arena_block *keep = a->blocks;

    if (!keep || keep->size > KEEP) {
        arena_done(a);
        return;
    }
    run_hooks(a);
    free_from(keep->next);
    keep->next = NULL;
    a->at = (char *)(keep + 1);
    a->end = a->at + keep->size;
    a->used = 0;
}

void arena_rewind(struct arena *a, struct arena_mark to)
{
    while (a->blocks != to.blocks) {
        struct arena_block *next = a->blocks->next;

        free(a->blocks);
        a->blocks = next;
    }
    a->at = to.at;
    a->end = a->blocks ? (char *)(a->blocks + 1) + a->blocks->size : NULL;
    a->used = to.used;
}

static bool add_block(struct arena *a, size_t n)
{
    size_t size = n > a->block ? n : a->block;
    struct arena_block *b = malloc(sizeof *b + size);

    if (!b)
        return false;
    b->next = a->blocks;
    b->size = size;
    a->blocks = b;
    a->at = (char *)(b + 1);
    a->end = a->at + size;
    if (a->block < LARGEST_BLOCK)
        a->block *= 2;
    return true;
}

void *arena_alloc(struct arena *a, size_t n)
{
    char *p;

    if (n > a->max)
        return NULL;
    n = (n + ALIGN - 1) & ~(size_t)(ALIGN - 1);
    if (n == 0)
        n = ALIGN;
    if (n > a->max - a->used || ((size_t)(a->end - a->at) < n && !add_block(a, n)))
        return NULL;
    p = a->at;
    a->at += n;
    a->used += n;
    return memset(p, 0, n);
}

void *arena_must_alloc(struct arena *a, size_t n)
{
    void *p = arena_alloc(a, n);

    must(p != NULL);
    return p;
}

struct str arena_str(struct arena *a, struct str s)
{
    char *p = arena_alloc(a, s.n + 1);

    if (!p)
        return STR_NONE;
    if (s.n)
        memcpy(p, s.p, s.n);
    return str_of(p, s.n);
}

struct str arena_printf(struct arena *a, const char *fmt, ...)
{
    va_list ap;
    char *p;
    int n;

    va_start(ap, fmt);
    n = vsnprintf(NULL, 0, fmt, ap);
    va_end(ap);
    p = n < 0 ? NULL : arena_alloc(a, (size_t)n + 1);
    if (!p)
        return STR_NONE;
    va_start(ap, fmt);
    vsnprintf(p, (size_t)n + 1, fmt, ap);
    va_end(ap);
    return str_of(p, (size_t)n);
}

bool arena_defer(struct arena *a, void (*fn)(void *ctx), void *ctx)
{
    struct arena_hook *h = arena_new(a, struct arena_hook);

    if (!h)
        return false;
    *h = (struct arena_hook){a->hooks, fn, ctx};
    a->hooks = h;
    return true;
}

bool arena_room(struct arena *a, void *list, size_t n, size_t *cap, size_t size)
{
    size_t more = *cap ? *cap * 2 : 8;
    char *items, *grown;

    if (n < *cap)
        return true;
    grown = arena_alloc(a, more * size);
    if (!grown)
        return false;
    memcpy(&items, list, sizeof items);
    if (n)
        memcpy(grown, items, n * size);
    memcpy(list, &grown, sizeof grown);
    *cap = more;
    return true;
}
