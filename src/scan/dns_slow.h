/*
 * Domains whose name servers kept a worker waiting in vain: for a while they are not asked again, so that mail of a dead
 * zone cannot hold up everybody else's.
 */
#ifndef SCAN_DNS_SLOW_H
#define SCAN_DNS_SLOW_H

#include "base/str.h"

enum { DNS_SLOW_PLACES = 512, DNS_SLOW_MS = 2000, DNS_SLOW_REST_MS = 30000 };

/* Hashes of organizational domains, each in one place: a later one takes it. */
struct dns_slow {
    struct {
        uint64_t hash, until_ms;
    } places[DNS_SLOW_PLACES];
};

/* Waited DNS_SLOW_MS or more for a name of this domain, and no answer came. */
void dns_slow_add(struct dns_slow *s, struct str domain, uint64_t now_ms);
bool dns_slow_has(const struct dns_slow *s, struct str domain, uint64_t now_ms);

#endif
