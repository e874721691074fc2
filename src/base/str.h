/*
 * Views of bytes: pointer and length always travel together.
 *
 * A struct str never owns what it points to; whoever made the bytes (an arena, a buffer, a literal) does.
 * Nothing here allocates and nothing fails except the number parsers, which say so by returning false.
 */
#ifndef BASE_STR_H
#define BASE_STR_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

struct str {
    const char *p;
    size_t n;
};

/* A list of views, itself owned by the arena that holds the array. */
struct strs {
    const struct str *items;
    size_t n;
};

#define STR_NONE ((struct str){NULL, 0})
#define str_lit(s) ((struct str){"" s, sizeof(s) - 1})
/* For printf: printf("%.*s", STR(s)). */
#define STR(s) (int)(s).n, ((s).p ? (s).p : "")

static inline struct str str_of(const void *p, size_t n)
{
    return (struct str){p, n};
}

/* View of a C string; NULL gives the empty view. */
static inline struct str str_c(const char *s)
{
    return (struct str){s, s ? strlen(s) : 0};
}

static inline bool str_eq(struct str a, struct str b)
{
    return a.n == b.n && (a.n == 0 || memcmp(a.p, b.p, a.n) == 0);
}

/* ASCII letters compare without case, all other octets exactly; never uses the locale. */
bool str_eqi(struct str a, struct str b);
int str_cmp(struct str a, struct str b);
bool str_starts(struct str s, struct str prefix);
bool str_startsi(struct str s, struct str prefix);
bool str_ends(struct str s, struct str suffix);
bool str_endsi(struct str s, struct str suffix);

/* The part from octet `from` on; empty when `from` lies beyond the end. */
struct str str_from(struct str s, size_t from);
/* The first `n` octets, or all when shorter. */
struct str str_first(struct str s, size_t n);
/* Without spaces, tabs, CR and LF at both ends. */
struct str str_trim(struct str s);
/* Position of the octet or of the text, or s.n when absent. */
size_t str_find(struct str s, char c);
size_t str_find_last(struct str s, char c);
size_t str_find_str(struct str s, struct str needle);

/* Cuts the part before `c` off `*rest` and returns it; without `c` the whole rest. False when `*rest` was used up
 * (rest->p == NULL). An empty input gives one empty part. */
bool str_split(struct str *rest, char c, struct str *part_out);
/* Next word separated by runs of spaces or tabs; false at the end. */
bool str_word(struct str *rest, struct str *word_out);

/* Whole view as a decimal number; false on anything else, on overflow and on the empty view. */
bool str_u64(struct str s, uint64_t *out);
bool str_hex(struct str s, uint64_t *out);

uint64_t str_hash(struct str s);  /* FNV-1a with final mixing; not for hostile keys without a seed */
uint64_t str_hashi(struct str s); /* the same for ASCII-lowered octets */
uint64_t str_hash_seed(struct str s, uint64_t seed);

static inline char ascii_lower(char c)
{
    return c >= 'A' && c <= 'Z' ? (char)(c | 0x20) : c;
}

static inline bool ascii_digit(char c)
{
    return c >= '0' && c <= '9';
}

static inline bool ascii_alpha(char c)
{
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z');
}

/* A copy with a NUL behind it, the caller's to free; never NULL. */
char *str_copy(struct str s);

#endif
