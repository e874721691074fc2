/*
 * Domains that are left alone for a while. See dns_slow.h.
 *
 * Called by world_auth.c. Owns nothing; two domains that share a place push each other out, which costs a wait.
 */
#include "scan/dns_slow.h"

void dns_slow_add(struct dns_slow *s, struct str domain, uint64_t now_ms)
{
    uint64_t hash = str_hashi(domain);

    s->places[hash % DNS_SLOW_PLACES].hash = hash;
    s->places[hash % DNS_SLOW_PLACES].until_ms = now_ms + DNS_SLOW_REST_MS;
}

bool dns_slow_has(const struct dns_slow *s, struct str domain, uint64_t now_ms)
{
    uint64_t hash = str_hashi(domain);

    return s->places[hash % DNS_SLOW_PLACES].hash == hash && now_ms < s->places[hash % DNS_SLOW_PLACES].until_ms;
}
