/*
 * A growing byte buffer with a hard maximum and a sticky error.
 *
 * The owner of the struct owns the memory and calls buf_done(). Adding beyond `max` (or without memory) sets
 * `failed`, adds nothing and makes every later add do nothing, so a writer checks once at the end.
 */
#ifndef BASE_BUF_H
#define BASE_BUF_H

#include "base/str.h"

#include <stdarg.h>

struct buf {
    char *p;
    size_t n;   /* octets in use */
    size_t cap; /* octets allocated */
    size_t max; /* never more than this */
    bool failed;
};

#define BUF(max_bytes) ((struct buf){.max = (max_bytes)})

void buf_done(struct buf *b);
/* Forgets the content and the error, keeps the memory. */
void buf_clear(struct buf *b);
/* Gives memory beyond `keep` octets back when the buffer is empty. */
void buf_shrink(struct buf *b, size_t keep);

/* Room for n more octets at the end; NULL (and failed) when there is none. The caller adds to b->n what it used. */
char *buf_reserve(struct buf *b, size_t n);
void buf_add(struct buf *b, struct str s);
void buf_addc(struct buf *b, char c);
void buf_addf(struct buf *b, const char *fmt, ...) __attribute__((format(printf, 2, 3)));
void buf_addfv(struct buf *b, const char *fmt, va_list ap);
void buf_add_u64(struct buf *b, uint64_t v); /* decimal, much faster than buf_addf */
/* Drops the first n octets, moving the rest down. */
void buf_drop(struct buf *b, size_t n);

/* Binary, little endian. */
void buf_put_u8(struct buf *b, uint8_t v);
void buf_put_u16(struct buf *b, uint16_t v);
void buf_put_u32(struct buf *b, uint32_t v);
void buf_put_u64(struct buf *b, uint64_t v);
void buf_put_varint(struct buf *b, uint64_t v); /* LEB128, at most 10 octets */
void buf_put_str(struct buf *b, struct str s);  /* varint length, octets */

static inline struct str buf_str(const struct buf *b)
{
    return str_of(b->p, b->n);
}

/* Reading the binary forms back: each cuts the value off the front of *in, false when it does not fit. */
bool get_u8(struct str *in, uint8_t *out);
bool get_u16(struct str *in, uint16_t *out);
bool get_u32(struct str *in, uint32_t *out);
bool get_u64(struct str *in, uint64_t *out);
bool get_varint(struct str *in, uint64_t *out);
bool get_str(struct str *in, struct str *out); /* a view into in */

#endif
