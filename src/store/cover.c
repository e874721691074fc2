/*
 * Sets of numbers as ranges. See cover.h.
 *
 * Called by the tracking store for what was imported. Owns its array. Reading refuses what is out of order; nothing else
 * fails.
 */
#include "store/cover.h"

#include "base/must.h"

#include <stdlib.h>

void cover_done(struct cover *c)
{
    free(c->items);
    *c = (struct cover){0};
}

/* The first range that ends at or behind `number`. */
static size_t place(const struct cover *c, uint64_t number)
{
    size_t low = 0, high = c->n;

    while (low < high) {
        size_t mid = low + (high - low) / 2;

        if (c->items[mid].last < number)
            low = mid + 1;
        else
            high = mid;
    }
    return low;
}

bool cover_has(const struct cover *c, uint64_t first, uint64_t last)
{
    size_t i = place(c, first);

    return i < c->n && c->items[i].first <= first && last <= c->items[i].last;
}

void cover_add(struct cover *c, uint64_t first, uint64_t last)
{
    size_t i, end;

    if (first > last)
        return;
    i = place(c, first ? first - 1 : 0);
    for (end = i; end < c->n && (last == UINT64_MAX || c->items[end].first <= last + 1); end++) {
        first = c->items[end].first < first ? c->items[end].first : first;
        last = c->items[end].last > last ? c->items[end].last : last;
    }
    if (end == i) {
        if (c->n == c->cap) {
            c->cap = c->cap ? c->cap * 2 : 4;
            must((c->items = realloc(c->items, c->cap * sizeof *c->items)));
        }
        end = i;
        memmove(c->items + i + 1, c->items + i, (c->n - i) * sizeof *c->items);
        c->n++;
    } else {
        memmove(c->items + i + 1, c->items + end, (c->n - end) * sizeof *c->items);
        c->n -= end - i - 1;
    }
    c->items[i] = (struct cover_range){first, last};
}

void cover_add_all(struct cover *c, const struct cover *other)
{
    for (size_t i = 0; i < other->n; i++)
        cover_add(c, other->items[i].first, other->items[i].last);
}

void cover_put(const struct cover *c, struct buf *out)
{
    uint64_t at = 0;

    for (size_t i = 0; i < c->n; i++) {
        buf_put_varint(out, c->items[i].first - at);
        buf_put_varint(out, c->items[i].last - c->items[i].first);
        at = c->items[i].last;
    }
}

bool cover_get(struct cover *c, struct str in)
{
    uint64_t at = 0, gap, length;

    c->n = 0;
    while (in.n) {
        if (!get_varint(&in, &gap) || !get_varint(&in, &length) || gap > UINT64_MAX - at || length > UINT64_MAX - at - gap ||
            (c->n && gap < 2)) {
            c->n = 0;
            return false;
        }
        cover_add(c, at + gap, at + gap + length);
        at += gap + length;
    }
    return true;
}
