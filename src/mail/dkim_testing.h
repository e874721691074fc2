/* What the tests of DKIM and ARC share: key records from a list instead of the DNS. */
#ifndef MAIL_DKIM_TESTING_H
#define MAIL_DKIM_TESTING_H

#include "mail/dkim.h"

struct dkim_zone {
    const char *name;
    const char *records[4]; /* TXT; none: NODATA. A name that is not in the zone: NXDOMAIN */
    enum dns_result result; /* instead, when not DNS_OK */
};
struct dkim_world {
    const struct dkim_zone *zone; /* ended by a NULL name */
    unsigned asks;                /* calls */
    enum rc rc;                   /* of the next calls */
    struct dns_source asker;
};

static inline const struct dkim_zone *dkim_world_find(const struct dkim_world *w, struct str name)
{
    for (const struct dkim_zone *z = w->zone; z->name; z++)
        if (str_eqi(name, str_c(z->name)))
            return z;
    return NULL;
}

static inline enum rc dkim_world_ask(void *ctx, struct arena *a, const struct dns_question *q, size_t n,
                                     const struct dns_answer **out)
{
    struct dkim_world *w = ctx;
    struct dns_answer *answers = arena_array(a, struct dns_answer, n);

    w->asks++;
    if (w->rc != RC_OK)
        return w->rc;
    for (size_t i = 0; i < n; i++) {
        const struct dkim_zone *z = dkim_world_find(w, q[i].name);
        struct dns_record *r = arena_array(a, struct dns_record, 4);

        answers[i] = (struct dns_answer){.question = q[i], .result = z ? z->result : DNS_NXDOMAIN, .records = r};
        for (; z && answers[i].n < 4 && z->records[answers[i].n]; answers[i].n++)
            r[answers[i].n].data = str_c(z->records[answers[i].n]);
        if (z && z->result == DNS_OK && !answers[i].n)
            answers[i].result = DNS_NODATA;
    }
    *out = answers;
    return RC_OK;
}

static inline const struct dns_source *dkim_world_asker(struct dkim_world *w)
{
    w->asker = (struct dns_source){dkim_world_ask, w};
    return &w->asker;
}

#endif
