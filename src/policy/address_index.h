/*
 * Addresses, domains and ALL -> the ranks (of policies, rules ...) that name them; several ranks may name the same.
 *
 * Compiled into an arena, read-only afterwards. Letters of either case.
 */
#ifndef POLICY_ADDRESS_INDEX_H
#define POLICY_ADDRESS_INDEX_H

#include "base/arena.h"
#include "base/err.h"

struct address_index_entry;

struct address_index {
    struct arena *arena;
    struct address_index_entry **buckets;
    size_t n_buckets, n;
};

/* Is it user@domain, user@, @domain, domain, .domain, ALL? */
bool address_pattern_fits(struct str pattern);
/* Room for about that many entries. */
enum rc address_index_init(struct address_index *x, struct arena *a, size_t entries, struct err *e);
enum rc address_index_add(struct address_index *x, struct str pattern, uint32_t rank, struct err *e);
/* Calls hit(ctx, rank) for each rank that names the address (the empty one, <>, is named by ALL alone); a rank may come more
 * than once. */
void address_index_find(const struct address_index *x, struct str address, void (*hit)(void *ctx, uint32_t rank), void *ctx);

#endif
