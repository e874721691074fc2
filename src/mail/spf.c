/*
 * check_host() of RFC 7208: finds the record of a domain, evaluates its terms in order, follows include and redirect, and
 * reads the explanation of a fail. See spf.h.
 *
 * Called by scan and trace. One struct run for one check; depth is bounded by the ten terms that may ask. Owns nothing: all
 * memory is the caller's arena. What goes wrong is told in `problem` of the result.
 */
#include "mail/spf.h"

#include "mail/domain.h"
#include "mail/spf_macro.h"
#include "mail/spf_record.h"

struct run {
    struct arena *a;
    const struct dns_source *dns;
    struct str ip; /* 4 octets, or 16 that are no mapped IPv4 address */
    struct spf_macros macros;
    struct auth_spf *out;
    unsigned lookups, voids;
    bool names_known; /* PTR names of ip are looked up once per check */
    const struct dns_record *names;
    size_t n_names;
};

enum match { NO_MATCH, MATCH, TEMPORARY, PERMANENT };

static enum auth_result check_host(struct run *run, struct str domain, bool included);

static void problem(struct run *run, const char *text, struct str about)
{
    if (!run->out->problem.p)
        run->out->problem = arena_printf(run->a, "%s%s%.*s", text, about.n ? " " : "", STR(str_first(about, 120)));
}

static enum match permanent(struct run *run, const char *text, struct str about)
{
    problem(run, text, about);
    return PERMANENT;
}

/* Asks n questions. False: temporary failure of all. */
static bool ask(struct run *run, const struct dns_question *q, size_t n, const struct dns_answer **out)
{
    return run->dns->ask(run->dns->ctx, run->a, q, n, out) == RC_OK;
}

static bool found_nothing(const struct dns_answer *d)
{
    return d->result == DNS_NXDOMAIN || d->result == DNS_NODATA || (d->result == DNS_OK && d->n == 0);
}

static const struct dns_answer ANSWER_NO_NAME = {.result = DNS_NXDOMAIN}, ANSWER_NONE = {.result = DNS_TEMPORARY};

/* One question; a name that the DNS cannot hold does not exist and is not asked for. */
static const struct dns_answer *ask_one(struct run *run, uint64_t type, struct str name)
{
    struct dns_question q = {type, name};
    const struct dns_answer *d;

    if (!domain_fits_dns(name))
        return &ANSWER_NO_NAME;
    return ask(run, &q, 1, &d) ? d : &ANSWER_NONE;
}

static bool failed(const struct dns_answer *d)
{
    return d->result == DNS_TEMPORARY || d->result == DNS_BOGUS;
}

static enum match temporary(struct run *run, struct str name)
{
    problem(run, "no answer from the DNS for", name);
    return TEMPORARY;
}

static uint64_t address_type(const struct run *run)
{
    return run->ip.n == 4 ? DNS_A : DNS_AAAA;
}

static bool same_network(struct str a, const void *b, unsigned bits)
{
    const unsigned char *x = (const unsigned char *)a.p, *y = b;
    unsigned whole = bits / 8, rest = bits % 8;

    return memcmp(x, y, whole) == 0 && (rest == 0 || (x[whole] ^ y[whole]) >> (8 - rest) == 0);
}

static bool has_address(const struct run *run, const struct dns_answer *d, unsigned bits)
{
    for (size_t i = 0; d->result == DNS_OK && i < d->n; i++)
        if (d->records[i].data.n == run->ip.n && same_network(run->ip, d->records[i].data.p, bits))
            return true;
    return false;
}

/* A term that found nothing: at most two of them (4.6.4). */
static enum match nothing_found(struct run *run, struct str name)
{
    if (++run->voids > SPF_VOIDS_MAX)
        return permanent(run, "too many names without records, the last is", name);
    return NO_MATCH;
}

static unsigned prefix_of(const struct run *run, const struct spf_term *t)
{
    return run->ip.n == 4 ? t->bits4 : t->bits6;
}

static enum match eval_ALL(struct run *run, const struct spf_term *t, struct str name)
{
    (void)run, (void)t, (void)name;
    return MATCH;
}

static enum match eval_INCLUDE(struct run *run, const struct spf_term *t, struct str name)
{
    (void)t;
    switch (check_host(run, name, true)) {
    case AUTH_PASS:
        return MATCH;
    case AUTH_TEMPERROR:
        return TEMPORARY;
    case AUTH_PERMERROR:
        return PERMANENT;
    case AUTH_NONE:
        return permanent(run, "an include without SPF record:", name);
    default:
        return NO_MATCH;
    }
}

static enum match eval_A(struct run *run, const struct spf_term *t, struct str name)
{
    const struct dns_answer *d = ask_one(run, address_type(run), name);

    if (failed(d))
        return temporary(run, name);
    if (found_nothing(d))
        return nothing_found(run, name);
    return has_address(run, d, prefix_of(run, t)) ? MATCH : NO_MATCH;
}

/* The hosts of an MX answer, asked for all at once, looked at in order of preference. */
static enum match mx_hosts(struct run *run, const struct dns_answer *mx, unsigned bits)
{
    struct dns_question q[SPF_NAMES_MAX];
    struct dns_record sorted[SPF_NAMES_MAX];
    const struct dns_answer *d;
    size_t n = 0;

    for (size_t i = 0; i < mx->n; i++) {
        size_t at = n;

        if (!domain_fits_dns(mx->records[i].data))
            continue;
        for (; at > 0 && sorted[at - 1].preference > mx->records[i].preference; at--)
            sorted[at] = sorted[at - 1];
        sorted[at] = mx->records[i];
        n++;
    }
    for (size_t i = 0; i < n; i++)
        q[i] = (struct dns_question){address_type(run), sorted[i].data};
    if (n && !ask(run, q, n, &d))
        return temporary(run, sorted[0].data);
    for (size_t i = 0; i < n; i++) {
        if (failed(&d[i]))
            return temporary(run, sorted[i].data);
        if (has_address(run, &d[i], bits))
            return MATCH;
    }
    return NO_MATCH;
}

static enum match eval_MX(struct run *run, const struct spf_term *t, struct str name)
{
    const struct dns_answer *d = ask_one(run, DNS_MX, name);

    if (failed(d))
        return temporary(run, name);
    if (found_nothing(d))
        return nothing_found(run, name);
    if (d->n > SPF_NAMES_MAX)
        return permanent(run, "more than 10 MX hosts of", name);
    return mx_hosts(run, d, prefix_of(run, t));
}

/* The PTR names of ip whose addresses include ip (5.5); at most 10 are looked at, names whose look-up fails are left out. */
static void find_names(struct run *run)
{
    struct str reverse = dns_reverse_name(run->a, run->ip);
    const struct dns_answer *d = ask_one(run, DNS_PTR, reverse), *forward;
    struct dns_question q[SPF_NAMES_MAX];
    struct dns_record *names = arena_array(run->a, struct dns_record, SPF_NAMES_MAX);
    size_t n = 0, good = 0;

    run->names_known = true;
    if (found_nothing(d))
        run->voids++;
    if (d->result != DNS_OK || !names)
        return;
    for (size_t i = 0; i < d->n && i < SPF_NAMES_MAX; i++)
        if (domain_fits_dns(d->records[i].data))
            q[n++] = (struct dns_question){address_type(run), d->records[i].data};
    if (n == 0 || !ask(run, q, n, &forward))
        return;
    for (size_t i = 0; i < n; i++)
        if (has_address(run, &forward[i], run->ip.n == 4 ? 32 : 128))
            names[good++].data = q[i].name;
    run->names = names;
    run->n_names = good;
}

static enum match eval_PTR(struct run *run, const struct spf_term *t, struct str name)
{
    (void)t;
    if (!run->names_known)
        find_names(run);
    if (run->voids > SPF_VOIDS_MAX)
        return permanent(run, "too many names without records, the last is that of the client", STR_NONE);
    for (size_t i = 0; i < run->n_names; i++)
        if (domain_is_below(run->names[i].data, name))
            return MATCH;
    return NO_MATCH;
}

static enum match eval_IP4(struct run *run, const struct spf_term *t, struct str name)
{
    (void)name;
    return run->ip.n == 4 && same_network(run->ip, t->ip, t->bits4) ? MATCH : NO_MATCH;
}

static enum match eval_IP6(struct run *run, const struct spf_term *t, struct str name)
{
    (void)name;
    return run->ip.n == 16 && same_network(run->ip, t->ip, t->bits6) ? MATCH : NO_MATCH;
}

static enum match eval_EXISTS(struct run *run, const struct spf_term *t, struct str name)
{
    const struct dns_answer *d = ask_one(run, DNS_A, name);

    (void)t;
    if (failed(d))
        return temporary(run, name);
    return found_nothing(d) ? nothing_found(run, name) : MATCH;
}

static enum match (*const EVALUATE[])(struct run *, const struct spf_term *, struct str) = {
#define SPF_EVAL(constant, name, argument, cidr, asks) eval_##constant,
    SPF_MECHANISM_ROWS(SPF_EVAL)
#undef SPF_EVAL
};

/* Macro p (7.3): the domain itself, else a name below it, else any validated name. */
static struct str validated_name(void *ctx, struct str domain)
{
    struct run *run = ctx;
    struct str best = STR_NONE;

    if (!run->names_known)
        find_names(run);
    for (size_t i = 0; i < run->n_names; i++) {
        struct str name = run->names[i].data;

        if (str_eqi(name, domain))
            return name;
        if (!best.p || (domain_is_below(name, domain) && !domain_is_below(best, domain)))
            best = name;
    }
    return best.p ? best : str_lit("unknown");
}

/* Expands the domain-spec of a term for the current domain. */
static bool target(struct run *run, struct str spec, struct str domain, struct str *out)
{
    *out = domain;
    if (!spec.n)
        return true;
    run->macros.domain = domain;
    return spf_macro_domain(run->a, spec, &run->macros, out) == RC_OK;
}

static enum match evaluate(struct run *run, const struct spf_term *t, struct str domain)
{
    struct str name;

    if (spf_mechanism_asks(t->mechanism) && ++run->lookups > SPF_LOOKUPS_MAX)
        return permanent(run, "more than 10 terms that ask the DNS, the last is", t->text);
    if (!target(run, t->domain, domain, &name))
        return permanent(run, "macros that cannot be expanded:", t->text);
    return EVALUATE[t->mechanism](run, t, name);
}

/* The one v=spf1 record of the domain (4.4, 4.5). AUTH_PASS when there is one. */
static enum auth_result find_record(struct run *run, struct str domain, struct str *out)
{
    const struct dns_answer *d = ask_one(run, DNS_TXT, domain);
    size_t n = 0;

    if (failed(d)) {
        temporary(run, domain);
        return AUTH_TEMPERROR;
    }
    for (size_t i = 0; d->result == DNS_OK && i < d->n; i++)
        if (spf_is_record(d->records[i].data)) {
            *out = d->records[i].data;
            n++;
        }
    if (n > 1) {
        problem(run, "more than one SPF record of", domain);
        return AUTH_PERMERROR;
    }
    return n ? AUTH_PASS : AUTH_NONE;
}

/* The text that exp= names (6.2); every difficulty means there is none. */
static void explain(struct run *run, struct str spec, struct str domain)
{
    const struct dns_answer *d;
    struct str name;

    if (!spec.p || !target(run, spec, domain, &name))
        return;
    d = ask_one(run, DNS_TXT, name);
    if (d->result != DNS_OK || d->n != 1)
        return;
    run->macros.domain = domain;
    spf_macro_expand(run->a, d->records[0].data, &run->macros, true, SPF_EXPLANATION_MAX, &run->out->explanation);
}

static enum auth_result redirect(struct run *run, struct str spec, struct str domain, bool included)
{
    enum auth_result r;
    struct str name;

    if (++run->lookups > SPF_LOOKUPS_MAX) {
        problem(run, "more than 10 terms that ask the DNS, the last is redirect of", domain);
        return AUTH_PERMERROR;
    }
    if (!target(run, spec, domain, &name)) {
        problem(run, "macros that cannot be expanded:", spec);
        return AUTH_PERMERROR;
    }
    r = check_host(run, name, included);
    if (r == AUTH_NONE)
        problem(run, "a redirect without SPF record:", name);
    return r == AUTH_NONE ? AUTH_PERMERROR : r;
}

static enum auth_result check_host(struct run *run, struct str domain, bool included)
{
    struct err e = ERR_NONE;
    struct spf_record record;
    struct str txt = STR_NONE;
    enum auth_result r = find_record(run, domain, &txt);

    if (r != AUTH_PASS)
        return r;
    run->out->has_record = true;
    if (spf_record_parse(run->a, txt, &record, &e) != RC_OK) {
        problem(run, err_text(&e), STR_NONE);
        return AUTH_PERMERROR;
    }
    for (size_t i = 0; i < record.n; i++) {
        const struct spf_term *t = &record.terms[i];
        enum match m = evaluate(run, t, domain);

        if (m == NO_MATCH)
            continue;
        if (m != MATCH)
            return m == TEMPORARY ? AUTH_TEMPERROR : AUTH_PERMERROR;
        if (included)
            return t->result;
        run->out->mechanism = t->text;
        if (t->result == AUTH_FAIL)
            explain(run, record.explanation, domain);
        return t->result;
    }
    return record.redirect.p ? redirect(run, record.redirect, domain, included) : AUTH_NEUTRAL;
}

static struct str plain_ip(struct str ip)
{
    static const unsigned char mapped[12] = {[10] = 0xff, [11] = 0xff};

    return ip.n == 16 && memcmp(ip.p, mapped, 12) == 0 ? str_from(ip, 12) : ip;
}

void spf_check_address(struct arena *a, const struct dns_source *dns, const struct spf_query *q, struct str address,
                       struct auth_spf *out)
{
    struct run run = {.a = a, .dns = dns, .ip = plain_ip(q->ip), .out = out};
    size_t at = str_find_last(address, '@');
    struct str local = at < address.n ? str_first(address, at) : STR_NONE;
    struct str domain = at < address.n ? str_from(address, at + 1) : address;

    if (!local.n)
        local = str_lit("postmaster");
    *out = (struct auth_spf){.checked = true, .domain = domain};
    out->identity = arena_printf(a, "%.*s@%.*s", STR(local), STR(domain));
    if ((run.ip.n != 4 && run.ip.n != 16) || !domain_ascii(a, domain, 2, &domain))
        return; /* none (4.3) */
    out->domain = domain;
    run.macros = (struct spf_macros){.local = local,
                                     .sender_domain = domain,
                                     .ip = run.ip,
                                     .helo = q->helo,
                                     .receiver = q->receiver,
                                     .now = q->now,
                                     .validated = validated_name,
                                     .ctx = &run};
    run.macros.sender = arena_printf(a, "%.*s@%.*s", STR(local), STR(domain));
    out->result = check_host(&run, domain, false);
}

void spf_check_helo(struct arena *a, const struct dns_source *dns, const struct spf_query *q, struct auth_spf *out)
{
    spf_check_address(a, dns, q, q->helo, out);
}

void spf_check_mailfrom(struct arena *a, const struct dns_source *dns, const struct spf_query *q, struct auth_spf *out)
{
    spf_check_address(a, dns, q, q->sender.n ? q->sender : q->helo, out);
}
