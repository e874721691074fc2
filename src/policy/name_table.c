/*
 * Names to ranks. See name_table.h.
 *
 * Called by HAT and RAT, when a snapshot is compiled and for each peer and recipient. All memory is the arena's.
 */
#include "policy/name_table.h"

#include <stdlib.h>

void name_table_begin(struct name_table *t, struct arena *a)
{
    *t = (struct name_table){.arena = a};
}

static struct str lower(struct arena *a, struct str s)
{
    char *p = arena_alloc(a, s.n + 1);

    if (!p)
        return STR_NONE;
    for (size_t i = 0; i < s.n; i++)
        p[i] = ascii_lower(s.p[i]);
    return str_of(p, s.n);
}

enum rc name_table_add(struct name_table *t, struct str name, uint32_t rank, struct err *e)
{
    struct str copy = lower(t->arena, name);

    if (t->n == t->max) {
        size_t more = t->max ? t->max * 2 : 8;
        struct name_entry *items = arena_array(t->arena, struct name_entry, more);

        if (!items)
            return err_set(e, RC_NO_MEMORY, "too many names");
        if (t->n)
            memcpy(items, t->items, t->n * sizeof *items);
        t->items = items;
        t->max = more;
    }
    if (!copy.p)
        return err_set(e, RC_NO_MEMORY, "too many names");
    t->items[t->n++] = (struct name_entry){copy, rank};
    return RC_OK;
}

static int compare(const void *left, const void *right)
{
    const struct name_entry *a = left, *b = right;
    int by_name = str_cmp(a->name, b->name);

    return by_name ? by_name : a->rank < b->rank ? -1 : a->rank > b->rank;
}

void name_table_build(struct name_table *t)
{
    if (t->n)
        qsort(t->items, t->n, sizeof *t->items, compare);
    t->sorted = true;
}

/* Like str_cmp with the letters of `b` lowered. */
static int compare_lower(struct str a, struct str b)
{
    size_t n = a.n < b.n ? a.n : b.n;

    for (size_t i = 0; i < n; i++) {
        unsigned char x = (unsigned char)a.p[i], y = (unsigned char)ascii_lower(b.p[i]);

        if (x != y)
            return x < y ? -1 : 1;
    }
    return a.n < b.n ? -1 : a.n > b.n;
}

uint32_t name_table_find(const struct name_table *t, struct str name)
{
    size_t from = 0, to = t->n;

    while (from < to) {
        size_t mid = from + (to - from) / 2;

        if (compare_lower(t->items[mid].name, name) < 0)
            from = mid + 1;
        else
            to = mid;
    }
    return from < t->n && compare_lower(t->items[from].name, name) == 0 ? t->items[from].rank : NAME_TABLE_NONE;
}

uint32_t name_table_find_suffix(const struct name_table *t, struct str host, uint32_t *longest_out)
{
    uint32_t best = NAME_TABLE_NONE, longest = NAME_TABLE_NONE;

    for (size_t i = 1; t->n && i < host.n; i++) {
        uint32_t rank = host.p[i] == '.' ? name_table_find(t, str_from(host, i)) : NAME_TABLE_NONE;

        if (longest == NAME_TABLE_NONE)
            longest = rank;
        if (rank < best)
            best = rank;
    }
    if (longest_out)
        *longest_out = longest;
    return best;
}
