/*
 * Answers of directories that are kept for a while: at most so many a server, each for so long.
 */
#ifndef LOOKUP_LDAP_CACHE_H
#define LOOKUP_LDAP_CACHE_H

#include "mail/ldap.h"

struct ldap_cache;

struct ldap_cache *ldap_cache_new(void);
void ldap_cache_free(struct ldap_cache *c);
/* A copy in the arena; false when there is none (any more). */
bool ldap_cache_find(struct ldap_cache *c, struct str key, uint64_t now_ms, struct arena *a, struct ldap_answer *out);
/* Keeps it; the oldest of this server go when there are more than `most`. Temporary answers are not kept. */
void ldap_cache_put(struct ldap_cache *c, struct str server, struct str key, const struct ldap_answer *answer,
                    uint64_t expires_ms, uint64_t most);
/* Forgets those of a server (empty: all); how many. */
size_t ldap_cache_flush(struct ldap_cache *c, struct str server);

/* A copy of an answer in the arena; false on lack of memory. */
bool ldap_answer_copy(struct arena *a, const struct ldap_answer *from, struct ldap_answer *to);

#endif
