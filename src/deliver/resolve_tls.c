/*
 * What a destination publishes about TLS: MTA-STS policy (RFC 8461) and TLSA records (DANE, RFC 7672).
 *
 * Steps of resolve.c. MTA-STS narrows the MX hosts to those of the policy; DANE gives each host with a validated name and
 * address its records. A TLSA answer that is bogus or missing by failure takes the host out: it is never a fall-back to
 * plain opportunistic TLS.
 */
#include "deliver/resolve.h"

enum { STS_TIMEOUT_MS = 15000, STS_ENFORCE = 2, TLSA_RECORDS_MAX = 32 };

/* ---- MTA-STS ------------------------------------------------------------------------------------------------------ */

bool resolve_sts_match(struct str pattern, struct str host)
{
    size_t dot = str_find(host, '.');

    if (str_starts(pattern, str_lit("*.")))
        return dot > 0 && dot < host.n && str_eqi(str_from(host, dot), str_from(pattern, 1));
    return str_eqi(pattern, host);
}

static bool in_policy(struct str lines, struct str host)
{
    struct str line;

    while (str_split(&lines, '\n', &line))
        if (resolve_sts_match(str_trim(line), host))
            return true;
    return false;
}

static void on_policy(void *ctx, enum rc rc, const void *msg)
{
    struct resolve *r = ctx;
    const struct bus_sts_policy *policy = msg;
    size_t n = 0;

    r->call = 0;
    if (rc == RC_OK && policy->mode == STS_ENFORCE) {
        for (size_t i = 0; i < r->n_hosts; i++)
            if (in_policy(policy->mx, r->hosts[i].name))
                r->hosts[n++] = r->hosts[i];
        r->n_hosts = n;
        r->sts = true;
        if (n == 0) {
            resolve_fail(
                r, false, "4.7.0",
                arena_printf(&r->arena, "The MTA-STS policy of %.*s fits none of its mail hosts", STR(r->to->name)));
            return;
        }
    }
    resolve_addresses(r);
}

void resolve_sts(struct resolve *r)
{
    struct deliver *d = r->to->d;
    struct bus_peer *lookup = d->o.bus && deliver_conf(d)->dns.sts ? bus_peer(d->o.bus, ROLE_lookup, 0) : NULL;

    if (lookup)
        r->call = bus_call(d->o.bus, lookup, BUS_sts_question, &(struct bus_sts_question){.domain = r->to->name},
                           STS_TIMEOUT_MS, on_policy, r);
    else
        resolve_addresses(r);
}

/* ---- DANE --------------------------------------------------------------------------------------------------------- */

static bool same_host(const struct hop *a, const struct hop *b)
{
    return str_eqi(a->host, b->host) && a->ip.port == b->ip.port;
}

/* Usage 2 and 3 only (RFC 7672 3.1.3). */
static void records_take(struct resolve *r, struct hop *h, const struct dns_answer *a)
{
    struct tls_record *list = arena_must_alloc(&r->arena, TLSA_RECORDS_MAX * sizeof *list);
    size_t n = 0;

    for (size_t i = 0; i < a->n && n < TLSA_RECORDS_MAX; i++) {
        const unsigned char *p = (const unsigned char *)a->records[i].data.p;

        if (a->records[i].data.n < 4 || (p[0] != 2 && p[0] != 3) || p[1] > 1 || p[2] > 2)
            continue;
        list[n++] = (struct tls_record){p[0], p[1], p[2], arena_str(&r->arena, str_from(a->records[i].data, 3))};
    }
    h->records = list;
    h->n_records = n;
    h->dane = n > 0;
    h->encrypt = n == 0;
}

/* False: this host must not be used. */
static bool judge(struct resolve *r, struct hop *h, const struct dns_answer *a, bool mandatory)
{
    if (a && a->result >= DNS_TEMPORARY) {
        event(r->to->d->o.events, dns_temporary_failure, .domain = h->host, .type = str_lit("TLSA"), .why = a->why);
        return false;
    }
    if (a && a->result == DNS_OK && a->secure)
        records_take(r, h, a);
    return h->dane || !mandatory;
}

static bool is_mandatory(const struct resolve *r)
{
    const struct conf_destination *row = destination_settings(deliver_conf(r->to->d), r->to->name);

    return row && row->dane == DANE_MANDATORY;
}

static const struct dns_answer *answer_for(const struct resolve *r, size_t hop, const struct dns_answer *answers, size_t n)
{
    size_t at = 0;

    for (size_t i = 0; i <= hop; i++) {
        bool first = r->hops[i].validated;

        for (size_t k = 0; k < i && first; k++)
            first = !r->hops[k].validated || !same_host(&r->hops[k], &r->hops[i]);
        if (first && r->hops[hop].validated && same_host(&r->hops[i], &r->hops[hop]))
            return at < n ? &answers[at] : NULL;
        at += first;
    }
    return NULL;
}

static void on_tlsa(void *ctx, const struct dns_answer *answers, size_t n)
{
    struct resolve *r = ctx;
    const struct dns_answer *of[HOPS_MAX];
    bool mandatory = is_mandatory(r);
    size_t kept = 0;

    r->ask = 0;
    for (size_t i = 0; i < r->n_hops; i++)
        of[i] = answer_for(r, i, answers, n);
    for (size_t i = 0; i < r->n_hops; i++)
        if (judge(r, &r->hops[i], of[i], mandatory))
            r->hops[kept++] = r->hops[i];
    r->n_hops = kept;
    if (kept)
        resolve_done(r);
    else
        resolve_fail(r, false, "4.7.0",
                     arena_printf(&r->arena,
                                  mandatory ? "DANE is mandatory for %.*s but no mail host has usable TLSA records"
                                            : "The TLSA records of %.*s cannot be validated",
                                  STR(r->to->name)));
}

void resolve_dane(struct resolve *r)
{
    const struct conf_destination *row = destination_settings(deliver_conf(r->to->d), r->to->name);
    struct dns_question q[HOPS_MAX];
    size_t n = 0;

    if (!row || row->dane == DANE_NONE || (row->tls == TLS_MODE_NONE && row->dane != DANE_MANDATORY)) {
        resolve_done(r);
        return;
    }
    for (size_t i = 0; i < r->n_hops; i++) {
        const struct hop *h = &r->hops[i];
        bool first = h->validated;

        for (size_t k = 0; k < i && first; k++)
            first = !r->hops[k].validated || !same_host(&r->hops[k], h);
        if (first)
            q[n++] = (struct dns_question){DNS_TLSA,
                                           arena_printf(&r->arena, "_%u._tcp.%.*s", (unsigned)h->ip.port, STR(h->host))};
    }
    if (n)
        resolve_ask(r, q, n, on_tlsa);
    else
        on_tlsa(r, NULL, 0);
}
