/*
 * Domains whose name servers kept a worker waiting in vain: for a while they are not asked again, so that mail of a dead
 * zone cannot hold up everybody else's.
 */
#ifndef SCAN_DNS_SLOW_H
#define SCAN_DNS_SLOW_H

#include "mail/dns.h"
#include "mail/orgdomain.h"

enum { DNS_SLOW_PLACES = 512, DNS_SLOW_MS = 2000, DNS_SLOW_REST_MS = 30000 };

/* Hashes of organizational domains, each in one place: a later one takes it. */
struct dns_slow {
    struct {
        uint64_t hash, until_ms;
    } places[DNS_SLOW_PLACES];
};

/* Questions about domains that do not rest, in their order; how many. `out` has room for n. */
size_t dns_slow_awake(const struct dns_slow *s, const struct suffixes *suffixes, const struct dns_question *q, size_t n,
                      uint64_t now_ms, struct dns_question *out);
/* All answers in the order of the n questions: those that came for the awake ones, temporary failures for the others. NULL:
 * no memory. */
const struct dns_answer *dns_slow_merge(struct arena *a, const struct dns_question *q, size_t n,
                                        const struct dns_question *awake, const struct dns_answer *answers, size_t n_awake);
/* Waiting for these took DNS_SLOW_MS or more: domains without an answer rest from now on. `answers` NULL: none came. */
void dns_slow_note(struct dns_slow *s, const struct suffixes *suffixes, const struct dns_question *q, size_t n,
                   const struct dns_answer *answers, uint64_t now_ms);

#endif
