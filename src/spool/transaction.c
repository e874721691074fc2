/*
 * A doubly linked list in an array, so that begin, end and "is any recent" cost no search. See transaction.h.
 *
 * Called by the writer. Owns the array, which grows to the most transactions ever open at once and never shrinks. A token is
 * the place and the life of that place, so an old token never ends a newer transaction.
 */
#include "spool/transaction.h"

#include <stdlib.h>

struct transaction {
    uint64_t begin_ms;
    uint32_t prev, next, life;
    bool open;
};

void transactions_init(struct transactions *t)
{
    *t = (struct transactions){0};
}

void transactions_done(struct transactions *t)
{
    free(t->items);
    *t = (struct transactions){0};
}

static bool grow(struct transactions *t)
{
    uint32_t n = t->n ? t->n * 2 : 64;
    struct transaction *items = realloc(t->items, n * sizeof *items);

    if (!items)
        return false;
    memset(items + t->n, 0, (n - t->n) * sizeof *items);
    for (uint32_t i = t->n ? t->n : 1; i < n; i++)
        items[i].next = i + 1 < n ? i + 1 : 0;
    t->unused = t->n ? t->n : 1;
    t->items = items;
    t->n = n;
    return true;
}

uint64_t transactions_begin(struct transactions *t, uint64_t now_ms)
{
    struct transaction *x;
    uint32_t at;

    if (!t->unused && !grow(t))
        return 0;
    at = t->unused;
    x = &t->items[at];
    t->unused = x->next;
    x->begin_ms = now_ms;
    x->open = true;
    x->next = 0;
    x->prev = t->items[0].prev;
    t->items[x->prev].next = at;
    t->items[0].prev = at;
    return (uint64_t)x->life << 32 | at;
}

void transactions_end(struct transactions *t, uint64_t token)
{
    uint32_t at = (uint32_t)token;
    struct transaction *x;

    if (!at || at >= t->n)
        return;
    x = &t->items[at];
    if (!x->open || x->life != token >> 32)
        return;
    t->items[x->prev].next = x->next;
    t->items[x->next].prev = x->prev;
    x->open = false;
    x->life++;
    x->next = t->unused;
    t->unused = at;
}

bool transactions_recent(const struct transactions *t, uint64_t since_ms)
{
    uint32_t newest = t->n ? t->items[0].prev : 0;

    return newest && t->items[newest].begin_ms >= since_ms;
}
