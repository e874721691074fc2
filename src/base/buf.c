/*
 * Byte buffers and the little-endian codings that bus, events and spool share. See buf.h.
 *
 * Called by every room. A buffer owns its memory until buf_done(); failure is sticky and never loses what was there.
 */
#include "base/buf.h"

#include <stdio.h>
#include <stdlib.h>

void buf_done(struct buf *b)
{
    free(b->p);
    *b = (struct buf){.max = b->max};
}

void buf_clear(struct buf *b)
{
    b->n = 0;
    b->failed = false;
}

void buf_shrink(struct buf *b, size_t keep)
{
    if (b->n == 0 && b->cap > keep) {
        free(b->p);
        b->p = NULL;
        b->cap = 0;
    }
}

static bool grow(struct buf *b, size_t need)
{
    size_t cap = b->cap ? b->cap : 64;
    char *p;

    while (cap < need)
        cap *= 2;
    if (cap > b->max)
        cap = b->max;
    p = realloc(b->p, cap);
    if (!p)
        return false;
    b->p = p;
    b->cap = cap;
    return true;
}

char *buf_reserve(struct buf *b, size_t n)
{
    if (b->failed)
        return NULL;
    if (n > b->max - b->n || (b->n + n > b->cap && !grow(b, b->n + n))) {
        b->failed = true;
        return NULL;
    }
    return b->p + b->n;
}

void buf_add(struct buf *b, struct str s)
{
    char *to = s.n ? buf_reserve(b, s.n) : NULL;

    if (!to)
        return;
    memcpy(to, s.p, s.n);
    b->n += s.n;
}

void buf_addc(struct buf *b, char c)
{
    char *to = buf_reserve(b, 1);

    if (to) {
        *to = c;
        b->n++;
    }
}

void buf_addfv(struct buf *b, const char *fmt, va_list ap)
{
    va_list again;
    int n;
    char *to;

    va_copy(again, ap);
    n = vsnprintf(NULL, 0, fmt, again);
    va_end(again);
    if (n < 0 || !(to = buf_reserve(b, (size_t)n + 1))) {
        b->failed = true;
        return;
    }
    vsnprintf(to, (size_t)n + 1, fmt, ap);
    b->n += (size_t)n;
}

void buf_addf(struct buf *b, const char *fmt, ...)
{
    va_list ap;

    va_start(ap, fmt);
    buf_addfv(b, fmt, ap);
    va_end(ap);
}

void buf_add_u64(struct buf *b, uint64_t v)
{
    char tmp[20];
    size_t i = sizeof tmp;

    do {
        tmp[--i] = (char)('0' + v % 10);
        v /= 10;
    } while (v);
    buf_add(b, str_of(tmp + i, sizeof tmp - i));
}

void buf_drop(struct buf *b, size_t n)
{
    if (n >= b->n) {
        b->n = 0;
        return;
    }
    memmove(b->p, b->p + n, b->n - n);
    b->n -= n;
}

static void put(struct buf *b, uint64_t v, size_t octets)
{
    char *to = buf_reserve(b, octets);

    if (!to)
        return;
    for (size_t i = 0; i < octets; i++)
        to[i] = (char)(v >> 8 * i);
    b->n += octets;
}

void buf_put_u8(struct buf *b, uint8_t v)
{
    put(b, v, 1);
}

void buf_put_u16(struct buf *b, uint16_t v)
{
    put(b, v, 2);
}

void buf_put_u32(struct buf *b, uint32_t v)
{
    put(b, v, 4);
}

void buf_put_u64(struct buf *b, uint64_t v)
{
    put(b, v, 8);
}

void buf_put_varint(struct buf *b, uint64_t v)
{
    char *to = buf_reserve(b, 10);
    size_t i = 0;

    if (!to)
        return;
    while (v >= 0x80) {
        to[i++] = (char)(v | 0x80);
        v >>= 7;
    }
    to[i++] = (char)v;
    b->n += i;
}

void buf_put_str(struct buf *b, struct str s)
{
    buf_put_varint(b, s.n);
    buf_add(b, s);
}

static bool get(struct str *in, size_t octets, uint64_t *out)
{
    uint64_t v = 0;

    if (in->n < octets)
        return false;
    for (size_t i = 0; i < octets; i++)
        v |= (uint64_t)(unsigned char)in->p[i] << 8 * i;
    *in = str_from(*in, octets);
    *out = v;
    return true;
}

bool get_u8(struct str *in, uint8_t *out)
{
    uint64_t v;

    if (!get(in, 1, &v))
        return false;
    *out = (uint8_t)v;
    return true;
}

bool get_u16(struct str *in, uint16_t *out)
{
    uint64_t v;

    if (!get(in, 2, &v))
        return false;
    *out = (uint16_t)v;
    return true;
}

bool get_u32(struct str *in, uint32_t *out)
{
    uint64_t v;

    if (!get(in, 4, &v))
        return false;
    *out = (uint32_t)v;
    return true;
}

bool get_u64(struct str *in, uint64_t *out)
{
    return get(in, 8, out);
}

bool get_varint(struct str *in, uint64_t *out)
{
    uint64_t v = 0;

    for (size_t i = 0; i < 10 && i < in->n; i++) {
        unsigned char c = (unsigned char)in->p[i];

        if (i == 9 && c > 1)
            return false;
        v |= (uint64_t)(c & 0x7f) << 7 * i;
        if (!(c & 0x80)) {
            *in = str_from(*in, i + 1);
            *out = v;
            return true;
        }
    }
    return false;
}

bool get_str(struct str *in, struct str *out)
{
    struct str rest = *in;
    uint64_t n;

    if (!get_varint(&rest, &n) || n > rest.n)
        return false;
    *out = str_first(rest, (size_t)n);
    *in = str_from(rest, (size_t)n);
    return true;
}
