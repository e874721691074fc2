/* A set of addresses in an arena: one look-up by hash. Compared octet by octet: domains are expected in lower case. */
#ifndef POLICY_ADDRESS_SET_H
#define POLICY_ADDRESS_SET_H

#include "base/arena.h"
#include "base/err.h"

struct address_set {
    struct arena *arena;
    struct str *slots; /* p NULL = free; a power of two of them, at most half in use */
    size_t n, max;
};

void address_set_begin(struct address_set *s, struct arena *a);
/* The view is kept, not its octets. RC_EXISTS: it is there already. RC_NO_MEMORY. */
enum rc address_set_add(struct address_set *s, struct str address);

#endif
