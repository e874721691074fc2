/*
 * Bump allocator with a size cap and clean-up hooks: one arena per lifetime (snapshot, conversation, message,
 * request, scratch). A function that allocates takes the arena first: the argument says who owns the result.
 */
#ifndef BASE_ARENA_H
#define BASE_ARENA_H

#include "base/str.h"

struct arena_block;
struct arena_hook;

struct arena {
    struct arena_block *blocks; /* newest first */
    struct arena_hook *hooks;   /* newest first */
    char *at, *end;             /* free part of the newest block */
    size_t used, max;           /* octets handed out; hard limit */
    size_t block;               /* size of the next block */
};

/* An arena that hands out at most max_bytes, in blocks of first_block octets doubling to 64 KiB.
 * Allocates nothing before the first use. */
void arena_init(struct arena *a, size_t first_block, size_t max_bytes);
/* Runs the hooks, newest first, and gives all memory back; the arena can be used again. */
void arena_done(struct arena *a);
/* The same, but keeps the newest block when it is no larger than 4 KiB, for the next message of a conversation. */
void arena_reset(struct arena *a);

/* Zeroed memory aligned to 16, or NULL beyond the cap. arena_must_alloc ends the process instead: only for sizes
 * that no peer can drive. */
void *arena_alloc(struct arena *a, size_t n);
void *arena_must_alloc(struct arena *a, size_t n);
/* Copies; result.p is NULL when there was no room. The copy has a NUL behind it, not counted. */
struct str arena_str(struct arena *a, struct str s);
struct str arena_printf(struct arena *a, const char *fmt, ...) __attribute__((format(printf, 2, 3)));
/* fn(ctx) runs when the arena ends. False when there was no room (fn was not taken). */
bool arena_defer(struct arena *a, void (*fn)(void *ctx), void *ctx);

/* What was handed out after arena_mark() is given back at once by arena_rewind(): for parts of one life that turned out
 * not to be wanted. No clean-up hook may have been added in between. */
struct arena_mark {
    struct arena_block *blocks;
    char *at;
    size_t used;
};
static inline struct arena_mark arena_mark(const struct arena *a)
{
    return (struct arena_mark){a->blocks, a->at, a->used};
}
void arena_rewind(struct arena *a, struct arena_mark to);

/* Room for one more item in a list of the arena that doubles: `list` points to the pointer to its n items of `size` octets,
 * *cap is how many fit. False when there is none; the list is as before. */
bool arena_room(struct arena *a, void *list, size_t n, size_t *cap, size_t size);

#define arena_new(a, type) ((type *)arena_alloc((a), sizeof(type)))
#define arena_array(a, type, n) ((type *)arena_alloc((a), sizeof(type) * (n)))

#endif
