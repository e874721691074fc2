/*
 * MTA-STS policies (RFC 8461): record, policy file, cache.
 */
#ifndef LOOKUP_STS_H
#define LOOKUP_STS_H

#include "lookup/resolver.h"

enum sts_mode { STS_NONE, STS_TESTING, STS_ENFORCE };

struct sts_policy {
    enum sts_mode mode;
    uint64_t max_age_s;
    struct str mx; /* patterns, one a line */
};

/* id of a TXT record "v=STSv1; id=...;" (RFC 8461 3.1); false when it is none. */
bool sts_record_id(struct str txt, struct str *id_out);
/* Policy file (RFC 8461 3.2); mx lives in the arena. RC_SYNTAX. */
enum rc sts_policy_parse(struct arena *a, struct str text, struct sts_policy *out);

struct sts;

/* Asks DNS; the answers are valid during the call. fn runs once, perhaps inside the call. */
typedef void sts_dns_fn(void *owner, const struct dns_question *q, size_t n,
                        void (*fn)(void *ctx, const struct dns_answer *a, size_t n), void *ctx);
/* `dns` is called with `owner`. `conf` is looked at for each fetch (port, authorities). */
struct sts *sts_new(struct loop *loop, const struct conf_source *conf, sts_dns_fn *dns, void *owner);
/* Questions under way end without their callbacks. */
void sts_free(struct sts *s);
void sts_flush(struct sts *s);
/* Policy of a recipient domain: fn runs once; mode STS_NONE when there is none. expires_ms is wall time. */
typedef void sts_fn(void *ctx, const struct sts_policy *policy, uint64_t expires_ms);
void sts_ask(struct sts *s, struct str domain, sts_fn *fn, void *ctx);

#endif
