/*
 * The header section as DKIM selects from it (RFC 6376 5.4.2). See dkim_inside.h.
 *
 * Called by dkim_verify, arc_read and dkim_sign. Memory is the arena's. Sorted once, so that a section of many thousand
 * fields and an h= of as many names stay cheap.
 */
#include "mail/dkim_inside.h"

#include <stdlib.h>

static size_t line_length(struct str s)
{
    size_t lf = str_find(s, '\n');

    return lf == s.n ? s.n : lf + 1;
}

static bool is_empty_line(struct str s)
{
    return s.n == 0 || s.p[0] == '\n' || (s.n > 1 && s.p[0] == '\r' && s.p[1] == '\n');
}

/* Fields up to `most`, counted even when items is NULL. */
static size_t walk(struct str rest, struct header_field *items, size_t most)
{
    struct header_field f;
    size_t n = 0;

    while (n < most && rest.n) {
        if (header_next(&rest, &f)) {
            if (items)
                items[n] = f;
            n++;
        } else if (is_empty_line(rest)) {
            break;
        } else {
            rest = str_from(rest, line_length(rest)); /* no field: some clients go on behind it */
        }
    }
    return n;
}

static int compare_names(struct str a, struct str b)
{
    for (size_t i = 0; i < a.n && i < b.n; i++) {
        int d = (unsigned char)ascii_lower(a.p[i]) - (unsigned char)ascii_lower(b.p[i]);

        if (d)
            return d;
    }
    return a.n < b.n ? -1 : a.n > b.n;
}

static int by_name(const void *a, const void *b, void *items)
{
    uint32_t x = *(const uint32_t *)a, y = *(const uint32_t *)b;
    const struct header_field *f = items;
    int d = compare_names(f[x].name, f[y].name);

    return d ? d : x > y ? -1 : x < y;
}

enum rc dkim_fields_read(struct arena *a, struct str message, struct dkim_fields *out)
{
    size_t length = header_length(message);
    struct str section = str_first(message, length);

    *out = (struct dkim_fields){.body = str_from(message, length), .turn = 1};
    out->cut = length > DKIM_HEADER_MAX;
    if (out->cut)
        return RC_OK;
    out->n = walk(section, NULL, DKIM_FIELDS_MAX + 1);
    if (out->n > DKIM_FIELDS_MAX) {
        out->cut = true;
        out->n = 0;
        return RC_OK;
    }
    out->items = arena_array(a, struct header_field, out->n + 1);
    out->sorted = arena_array(a, uint32_t, 3 * out->n + 3);
    if (!out->items || !out->sorted)
        return RC_NO_MEMORY;
    out->taken = out->sorted + out->n + 1;
    out->turns = out->taken + out->n + 1;
    walk(section, out->items, out->n);
    for (uint32_t i = 0; i < out->n; i++)
        out->sorted[i] = i;
    qsort_r(out->sorted, out->n, sizeof *out->sorted, by_name, out->items);
    return RC_OK;
}

void dkim_fields_restart(struct dkim_fields *f)
{
    f->turn++;
}

/* Place of the first of that name in `sorted`, or where it would be. */
static size_t lower_bound(const struct dkim_fields *f, struct str name)
{
    size_t low = 0, high = f->n;

    while (low < high) {
        size_t mid = low + (high - low) / 2;

        if (compare_names(f->items[f->sorted[mid]].name, name) < 0)
            low = mid + 1;
        else
            high = mid;
    }
    return low;
}

const struct header_field *dkim_fields_take(struct dkim_fields *f, struct str name)
{
    size_t first = lower_bound(f, name), at;
    const struct header_field *found;

    if (first == f->n)
        return NULL;
    if (f->turns[first] != f->turn) {
        f->turns[first] = f->turn;
        f->taken[first] = 0;
    }
    at = first + f->taken[first];
    if (at >= f->n)
        return NULL;
    found = &f->items[f->sorted[at]];
    if (!str_eqi(found->name, name))
        return NULL;
    f->taken[first]++;
    return found;
}
