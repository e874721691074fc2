/*
 * Reputation of a sender (FW-07a): -10.0 (worst) to 10.0 in tenths, ranges of it in sender groups, and how DNS says it
 * (spec/settings/reputation.def).
 */
#ifndef POLICY_REPUTATION_H
#define POLICY_REPUTATION_H

#include "mail/dns.h"
#include "net/ip.h"

enum reputation_state {
    REPUTATION_OFF,     /* not asked */
    REPUTATION_NUMBER,  /* there is a score */
    REPUTATION_NONE,    /* nobody has one */
    REPUTATION_PRIVATE, /* an address of RFC 1918 (or IPv6 link-local, unique local, loopback): never asked, no score */
    REPUTATION_FAILED   /* no answer */
};

struct reputation {
    enum reputation_state state;
    int tenths;
};

/* A member of a sender group. */
struct reputation_range {
    bool none;    /* those without a score */
    int from, to; /* tenths, both included */
};

/* "sbrs[-10.0:-3.0]" or "sbrs[none]"; false when it is neither. */
bool reputation_range_read(struct str text, struct reputation_range *out);
bool reputation_fits(const struct reputation_range *range, const struct reputation *r);
/* What logs show: "-3.4", "None", "rfc1918", "not enabled", "unable to retrieve". Into at least 8 octets for a number. */
struct str reputation_text(const struct reputation *r, char out[8]);
/* What an answer says; `by_address`: records A (else TXT). */
struct reputation reputation_of(const struct dns_answer *a, bool by_address);
bool reputation_private(const struct address_ip *ip);

#endif
