/* What resolve.c and resolve_tls.c share. */
#ifndef DELIVER_RESOLVE_H
#define DELIVER_RESOLVE_H

#include "deliver/inside.h"

enum { RESOLVE_ARENA = 1 << 20, RESOLVE_TIMEOUT_MS = 10000, LITERAL_KEEP_S = 3600 };

struct host {
    struct str name;
    struct address_ip ip; /* family 0 = to be looked up */
    uint16_t port;
    uint64_t preference;
    bool secure; /* the name is trusted: settings or validated MX */
};

struct resolve {
    struct destination *to;
    struct arena arena;
    uint64_t ask;  /* at lookup, 0 = none */
    uint64_t call; /* MTA-STS question */
    bool sts;      /* an MTA-STS policy is in force */
    struct host hosts[HOSTS_MAX];
    size_t n_hosts;
    uint64_t ttl; /* least of the answers, seconds */
    struct hop hops[HOPS_MAX];
    size_t n_hops;
    struct str mx;  /* records as found, for hoststatus: lines of preference and host */
    bool implicit;  /* no MX: the domain itself */
    bool temporary; /* some address could not be found out */
    struct str temporary_why;
};

/* One step's questions; fn runs at once or later, and r may be gone when this returns. */
void resolve_ask(struct resolve *r, const struct dns_question *q, size_t n, dns_answers_fn *fn);
/* The ends: no hop, or r->hops are right. r is gone afterwards. */
void resolve_fail(struct resolve *r, bool permanent, const char *enhanced, struct str text);
void resolve_done(struct resolve *r);
/* Steps: MX hosts known -> MTA-STS -> addresses -> DANE -> done. */
void resolve_sts(struct resolve *r);
void resolve_addresses(struct resolve *r);
void resolve_dane(struct resolve *r);
/* Does an "mx" line of a policy fit this host (RFC 8461 4.1)? */
bool resolve_sts_match(struct str pattern, struct str host);

#endif
