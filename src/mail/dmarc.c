/*
 * DMARC evaluation: finds the policy of each author domain, compares it with what SPF and DKIM proved, and says what the
 * owner wants done. See dmarc.h.
 *
 * Called by scan and trace. The methods of the two RFCs differ in two functions, find_by_list() and find_by_walk(); the rest
 * is the same. Owns nothing; everything lies in the caller's arena.
 */
#include "mail/dmarc.h"

#include "mail/domain.h"

struct check {
    struct arena *a;
    const struct dns_source *dns;
    const struct dmarc_query *q;
};

static bool missing(const struct dns_answer *d)
{
    return d->result == DNS_TEMPORARY || d->result == DNS_BOGUS;
}

static enum auth_result no_answer(struct auth_dmarc *out)
{
    out->problem = str_lit("no answer from the DNS");
    return AUTH_TEMPERROR;
}

/* RFC 7489 6.6.3: the domain itself, else its organizational domain. AUTH_PASS: found. */
static enum auth_result find_by_list(const struct check *c, struct auth_dmarc *out)
{
    struct dns_question q[2] = {{DNS_TXT, dmarc_name(c->a, out->from_domain)}, {0}};
    const struct dns_answer *d;
    size_t n = 1;

    out->org_domain = orgdomain_by_list(c->q->suffixes, out->from_domain);
    if (out->org_domain.n != out->from_domain.n)
        q[n++] = (struct dns_question){DNS_TXT, dmarc_name(c->a, out->org_domain)};
    if (c->dns->ask(c->dns->ctx, c->a, q, n, &d) != RC_OK)
        return no_answer(out);
    for (size_t i = 0; i < n && !out->record; i++) {
        if (missing(&d[i]))
            return no_answer(out);
        out->record = dmarc_record_select(c->a, &d[i]);
        out->record_domain = i ? out->org_domain : out->from_domain;
    }
    return out->record ? AUTH_PASS : AUTH_NONE;
}

/* Which record of a walk counts (RFC 9989 4.10.1): that of the domain itself, of its organizational domain, of the public
 * suffix domain above. w->n: none. */
static size_t record_that_counts(const struct tree_walk *w)
{
    size_t suffix = w->n;

    if (w->records[0])
        return 0;
    for (size_t i = 1; i < w->n; i++) {
        if (w->records[i] && w->names[i].n == w->org.n)
            return i;
        if (w->records[i] && w->records[i]->psd == DMARC_PSD_YES)
            suffix = i;
    }
    return suffix;
}

static enum auth_result find_by_walk(const struct check *c, struct auth_dmarc *out)
{
    struct tree_walk w;
    size_t found;

    orgdomain_walk(c->a, c->dns, out->from_domain, &w);
    out->org_domain = w.org;
    found = w.n ? record_that_counts(&w) : 0;
    if (w.temporary && (found > 0 || !w.n))
        return no_answer(out);
    if (found == w.n)
        return AUTH_NONE;
    out->record = w.records[found];
    out->record_domain = w.names[found];
    return AUTH_PASS;
}

static enum auth_result (*const FIND[])(const struct check *, struct auth_dmarc *) = {
    [DMARC_BY_LIST] = find_by_list,
    [DMARC_BY_WALK] = find_by_walk,
};

static struct str org_of(const struct check *c, struct str domain)
{
    struct tree_walk w;

    if (c->q->method == DMARC_BY_LIST)
        return orgdomain_by_list(c->q->suffixes, domain);
    orgdomain_walk(c->a, c->dns, domain, &w);
    return w.org;
}

/* Strict: the same domain. Relaxed: the same organizational domain, which both then lie in (RFC 7489 3.1). */
static bool aligned(const struct check *c, const struct auth_dmarc *x, struct str domain, bool strict)
{
    if (!domain_ascii(c->a, domain, 1, &domain))
        return false;
    if (str_eq(domain, x->from_domain))
        return true;
    return !strict && domain_is_below(domain, x->org_domain) && str_eq(org_of(c, domain), x->org_domain);
}

/* Fills the alignments; true when a failed look-up of SPF or DKIM could have given an aligned pass. */
static bool align(const struct check *c, struct auth_dmarc *out)
{
    const struct auth_spf *spf = c->q->mailfrom;
    bool doubtful = false;

    if (spf && spf->checked && (spf->result == AUTH_PASS || spf->result == AUTH_TEMPERROR) &&
        aligned(c, out, spf->domain, out->record->strict_spf)) {
        out->spf_aligned = spf->result == AUTH_PASS;
        doubtful = spf->result == AUTH_TEMPERROR;
    }
    for (size_t i = 0; i < c->q->n_dkim && !out->dkim_aligned; i++) {
        const struct auth_dkim *k = &c->q->dkim[i];

        if ((k->result == AUTH_PASS || k->result == AUTH_TEMPERROR) &&
            aligned(c, out, k->domain, out->record->strict_dkim)) {
            out->dkim_aligned = k->result == AUTH_PASS;
            doubtful = doubtful || k->result == AUTH_TEMPERROR;
        }
    }
    return doubtful;
}

/* Whether the author domain exists: by the list (RFC 9091 2.7) it needs an address or an MX record, by the walk (RFC
 * 9989 3.2) any answer but "no such name" will do. Asked only where it matters. */
static bool author_exists(const struct check *c, struct str domain)
{
    struct dns_question q[] = {{DNS_A, domain}, {DNS_AAAA, domain}, {DNS_MX, domain}};
    const struct dns_answer *d;
    bool any = false, nxdomain = false;

    if (c->dns->ask(c->dns->ctx, c->a, q, 3, &d) != RC_OK)
        return true;
    for (size_t i = 0; i < 3; i++) {
        any = any || missing(&d[i]) || (d[i].result == DNS_OK && d[i].n > 0);
        nxdomain = nxdomain || d[i].result == DNS_NXDOMAIN;
    }
    return any || (c->q->method == DMARC_BY_WALK && !nxdomain);
}

static enum dmarc_policy published_policy(const struct check *c, const struct auth_dmarc *x)
{
    const struct dmarc_record *r = x->record;

    if (str_eq(x->record_domain, x->from_domain))
        return r->p;
    if (r->np == r->sp || author_exists(c, x->from_domain))
        return r->sp;
    return r->np;
}

/* One step milder: what pct= and t= do to those they exempt (RFC 7489 6.6.4, RFC 9989 4.7). */
static enum dmarc_policy milder(enum dmarc_policy p)
{
    return p == DMARC_REJECT ? DMARC_QUARANTINE : DMARC_NONE;
}

static void dispose(const struct check *c, struct auth_dmarc *out)
{
    bool sampled_out = c->q->method == DMARC_BY_LIST && c->q->sample >= out->record->percent;

    out->policy = published_policy(c, out);
    if (out->result != AUTH_FAIL)
        return;
    out->disposition = out->policy;
    if (out->policy == DMARC_NONE || (!sampled_out && !out->record->testing))
        return;
    out->disposition = milder(out->policy);
    out->override = out->record->testing ? str_lit("policy_test_mode") : str_lit("sampled_out");
}

static void check_author(const struct check *c, struct str domain, struct auth_dmarc *out)
{
    bool doubtful;

    *out = (struct auth_dmarc){.checked = true, .from_domain = domain, .org_domain = domain};
    out->result = FIND[c->q->method](c, out);
    if (out->result != AUTH_PASS) {
        out->record = NULL;
        out->record_domain = STR_NONE;
        return;
    }
    doubtful = align(c, out);
    if (!out->spf_aligned && !out->dkim_aligned)
        out->result = doubtful ? AUTH_TEMPERROR : AUTH_FAIL;
    if (doubtful && out->result == AUTH_TEMPERROR)
        out->problem = str_lit("SPF or DKIM had no answer from the DNS");
    dispose(c, out);
}

/* How bad an outcome is: a fail by what it asks for, then a temporary error, then a pass, then nothing known. */
static int badness(const struct auth_dmarc *x)
{
    return x->result == AUTH_FAIL ? 10 + (int)x->disposition : x->result == AUTH_TEMPERROR ? 5 : x->result == AUTH_NONE;
}

void dmarc_check(struct arena *a, const struct dns_source *dns, const struct dmarc_query *q, struct auth_dmarc *out)
{
    struct check c = {a, dns, q};
    struct str authors[DMARC_AUTHORS_MAX];
    size_t n;
    bool fits = dmarc_author_domains(a, q->headers, authors, &n);

    *out = (struct auth_dmarc){.checked = true};
    if (n == 0) {
        out->problem = str_lit("no author domain in a From field");
        return;
    }
    for (size_t i = 0; i < n; i++) {
        struct auth_dmarc one;

        check_author(&c, authors[i], &one);
        if (i == 0 || badness(&one) > badness(out))
            *out = one;
    }
    if (!fits && out->result != AUTH_FAIL) {
        out->result = AUTH_PERMERROR;
        out->problem = str_lit("too many author domains");
    }
}
