/*
 * Sets of segments. See ranges.h.
 *
 * Called by the pulls on the loop. The owner of the struct owns the memory. Cannot fail but for memory (the process ends).
 */
#include "central/ranges.h"

#include "base/buf.h"
#include "base/must.h"

#include <stdlib.h>

void ranges_done(struct ranges *r)
{
    free(r->items);
    *r = (struct ranges){0};
}

/* Index of the first range that ends at or behind (epoch, seq). */
static size_t place(const struct ranges *r, uint64_t epoch, uint64_t seq)
{
    size_t low = 0, high = r->n;

    while (low < high) {
        size_t mid = (low + high) / 2;

        if (r->items[mid].epoch < epoch || (r->items[mid].epoch == epoch && r->items[mid].last < seq))
            low = mid + 1;
        else
            high = mid;
    }
    return low;
}

bool ranges_has(const struct ranges *r, uint64_t epoch, uint64_t seq)
{
    size_t at = place(r, epoch, seq);

    return at < r->n && r->items[at].epoch == epoch && r->items[at].first <= seq;
}

static void insert(struct ranges *r, size_t at, struct range one)
{
    if (r->n == r->cap) {
        r->cap = r->cap ? r->cap * 2 : 8;
        must((r->items = realloc(r->items, r->cap * sizeof *r->items)));
    }
    memmove(r->items + at + 1, r->items + at, (r->n - at) * sizeof *r->items);
    r->items[at] = one;
    r->n++;
}

void ranges_add(struct ranges *r, uint64_t epoch, uint64_t seq)
{
    size_t at = place(r, epoch, seq);
    struct range *after = at < r->n ? &r->items[at] : NULL, *before = at ? &r->items[at - 1] : NULL;
    bool joins_before = before && before->epoch == epoch && before->last + 1 == seq;
    bool joins_after = after && after->epoch == epoch && after->first == seq + 1;

    if (ranges_has(r, epoch, seq))
        return;
    if (joins_before && joins_after) {
        before->last = after->last;
        memmove(after, after + 1, (r->n - at - 1) * sizeof *after);
        r->n--;
    } else if (joins_before) {
        before->last = seq;
    } else if (joins_after) {
        after->first = seq;
    } else {
        insert(r, at, (struct range){epoch, seq, seq});
    }
}

bool ranges_read(struct ranges *r, struct str have)
{
    struct range one;

    r->n = 0;
    while (have.n) {
        const struct range *end = r->n ? &r->items[r->n - 1] : NULL;

        if (!get_varint(&have, &one.epoch) || !get_varint(&have, &one.first) || !get_varint(&have, &one.last) ||
            one.last < one.first || (end && (one.epoch < end->epoch || (one.epoch == end->epoch && one.first <= end->last))))
            return false;
        insert(r, r->n, one);
    }
    return true;
}

void ranges_gap(const struct ranges *r, uint64_t *epoch, uint64_t *seq)
{
    *epoch = r->n ? r->items[0].epoch : 0;
    *seq = r->n ? r->items[0].last + 1 : 0;
}
