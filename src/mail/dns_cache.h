/*
 * A cache of DNS answers: fixed number of places, each question has one, so a newer answer simply takes the place.
 *
 * Answers are kept for their TTL, at most `most_ms`; temporary failures and bogus answers are not kept.
 */
#ifndef MAIL_DNS_CACHE_H
#define MAIL_DNS_CACHE_H

#include "mail/dns.h"

struct dns_cache;

enum dns_cached { DNS_CACHE_MISS, DNS_CACHE_HIT, DNS_CACHE_EXPIRED };

struct dns_cache *dns_cache_new(size_t places, uint64_t most_ms);
void dns_cache_free(struct dns_cache *c);
/* Forgets everything. */
void dns_cache_clear(struct dns_cache *c);
/* HIT: *out is a copy in the arena whose ttl is what is left, in seconds. */
enum dns_cached dns_cache_find(struct dns_cache *c, const struct dns_question *q, struct arena *a, struct dns_answer *out);
void dns_cache_put(struct dns_cache *c, const struct dns_answer *answer);

#endif
