/* Mail authentication in a worker: the DNS by waiting, keys and the public suffix list kept for all messages. */
#ifndef SCAN_WORLD_AUTH_H
#define SCAN_WORLD_AUTH_H

#include "policy/authenticate.h"

struct scan_world;
struct world_auth;

/* Sets `dns` and `auth` of w->calls. Call before the process gives up its files: the public suffix list is read here. */
struct world_auth *world_auth_new(struct scan_world *w);
/* The public suffix list; NULL when there is none. */
const struct suffixes *world_auth_suffixes(const struct world_auth *x);
void world_auth_free(struct world_auth *x); /* NULL is fine */

#endif
