/*
 * The directory of a zip archive (APPNOTE 4.3) held against its local headers. See zip.h.
 *
 * Called by content.c with octets of strangers. Every offset is checked against the view before it is used.
 */
#include "scan/zip.h"

#include "base/buf.h"

#include <stdlib.h>

enum { END_SIZE = 22, ENTRY_SIZE = 46, LOCAL_SIZE = 30, COMMENT_MOST = 65535, ENCRYPTED = 1, DESCRIPTOR = 8 };

struct extent {
    uint64_t from, to;
};

struct entry {
    struct str name;
    uint64_t packed, unpacked, local;
    uint16_t flags, method;
};

static uint16_t u16(struct str s, size_t at)
{
    const unsigned char *p = (const unsigned char *)s.p + at;

    return (uint16_t)(p[0] | p[1] << 8);
}

static uint32_t u32(struct str s, size_t at)
{
    return (uint32_t)u16(s, at) | (uint32_t)u16(s, at + 2) << 16;
}

/* The last end record whose comment fits. */
static bool find_end(struct str z, size_t *at_out)
{
    size_t least = z.n > END_SIZE + COMMENT_MOST ? z.n - END_SIZE - COMMENT_MOST : 0;

    if (z.n < END_SIZE)
        return false;
    for (size_t at = z.n - END_SIZE + 1; at-- > least;) {
        if (u32(z, at) == 0x06054b50 && at + END_SIZE + u16(z, at + 20) <= z.n) {
            *at_out = at;
            return true;
        }
    }
    return false;
}

/* One record of the directory off the front of *d. */
static bool next_entry(struct str *d, struct entry *e)
{
    size_t n;

    if (d->n < ENTRY_SIZE || u32(*d, 0) != 0x02014b50)
        return false;
    n = ENTRY_SIZE + (size_t)u16(*d, 28) + u16(*d, 30) + u16(*d, 32);
    if (n > d->n)
        return false;
    e->flags = u16(*d, 8);
    e->method = u16(*d, 10);
    e->packed = u32(*d, 20);
    e->unpacked = u32(*d, 24);
    e->local = u32(*d, 42);
    e->name = str_of(d->p + ENTRY_SIZE, u16(*d, 28));
    *d = str_from(*d, n);
    return true;
}

static void look_name(struct str local, struct str directory, struct zip_look *out)
{
    if (str_eq(local, directory))
        return;
    out->differs = true;
    if (out->n_renamed < ZIP_RENAMED)
        out->renamed[out->n_renamed++] = (struct zip_renamed){local, directory};
}

/* Holds the entry against its local header; the octets it takes. */
static struct extent look_local(struct str z, size_t base, const struct entry *e, struct zip_look *out)
{
    uint64_t at = base + e->local;
    struct extent x = {at, at};
    uint16_t flags;
    size_t names;

    if (at + LOCAL_SIZE > z.n || u32(z, at) != 0x04034b50) {
        out->differs = true;
        return x;
    }
    flags = u16(z, at + 6);
    names = (size_t)u16(z, at + 26) + u16(z, at + 28);
    x.to = at + LOCAL_SIZE + names + e->packed;
    if (at + LOCAL_SIZE + names > z.n || u16(z, at + 8) != e->method || ((flags ^ e->flags) & ENCRYPTED))
        out->differs = true;
    else if (!(flags & DESCRIPTOR) && e->packed != UINT32_MAX && u32(z, at + 18) != e->packed)
        out->differs = true;
    else
        look_name(str_of(z.p + at + LOCAL_SIZE, u16(z, at + 26)), e->name, out);
    return x;
}

static int by_from(const void *a, const void *b)
{
    const struct extent *x = a, *y = b;

    return x->from < y->from ? -1 : x->from > y->from;
}

/* Between and before the entries there may be nothing that is a member too. */
static void look_between(struct str z, size_t base, const struct extent *x, size_t n, size_t end, struct zip_look *out)
{
    uint64_t at = base;

    for (size_t i = 0; i <= n; i++) {
        uint64_t to = i < n ? x[i].from : end;

        if (i < n && i && x[i].from < x[i - 1].to)
            out->overlap = true;
        if (to > at && to <= z.n && to - at >= LOCAL_SIZE) {
            struct str gap = str_of(z.p + at, (size_t)(to - at));

            out->differs |= str_find_str(gap, str_lit("PK\3\4")) < gap.n;
        }
        if (i < n && x[i].to > at)
            at = x[i].to;
    }
}

void zip_look(struct arena *a, struct str z, uint64_t max_entries, struct zip_look *out)
{
    struct extent *x;
    struct entry e;
    struct str d;
    size_t end, start, size, base, n = 0;

    memset(out, 0, sizeof *out);
    if (!find_end(z, &end))
        return;
    size = u32(z, end + 12);
    start = u32(z, end + 16);
    if (size > end || start == UINT32_MAX) /* ZIP64: left to libarchive */
        return;
    base = end - size >= start ? end - size - start : 0; /* octets before the archive */
    d = str_of(z.p + end - size, size);
    out->directory = true;
    x = arena_array(a, struct extent, (size / ENTRY_SIZE < max_entries ? size / ENTRY_SIZE : max_entries) + 1);
    while (x && n < max_entries && next_entry(&d, &e)) {
        out->encrypted |= e.flags & ENCRYPTED;
        out->unpacked += e.unpacked;
        x[n++] = look_local(z, base, &e, out);
    }
    out->entries = n;
    out->differs |= d.n > 0 && n < max_entries;
    if (!x)
        return;
    qsort(x, n, sizeof *x, by_from);
    look_between(z, base, x, n, end - size, out);
}
