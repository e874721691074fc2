/*
 * Evaluating mail authentication. See authenticate.h.
 *
 * Called by scan through message_auth(). Owns nothing; memory is the message's arena. What cannot be evaluated is a result
 * (none, temperror, permerror), never a failure.
 */
#include "policy/authenticate.h"

#include "mail/auth_header.h"
#include "mail/dmarc.h"
#include "mail/domain.h"
#include "mail/header.h"
#include "mail/spf.h"

#include <arpa/inet.h>
#include <stdio.h>

enum { SPF_OFF, SPF_PLAIN, SPF_SIDF }; /* choices of mail_flow_policy.spf */

static struct str octets_of_ip(struct arena *a, struct str text)
{
    char name[INET6_ADDRSTRLEN + 1], *to = arena_alloc(a, 16);

    if (!to || text.n >= sizeof name)
        return STR_NONE;
    snprintf(name, sizeof name, "%.*s", STR(text));
    if (inet_pton(AF_INET, name, to) == 1)
        return str_of(to, 4);
    return inet_pton(AF_INET6, name, to) == 1 ? str_of(to, 16) : STR_NONE;
}

static struct str headers_of(const struct message *m)
{
    return str_first(m->patch.original, header_length(m->patch.original));
}

/* --- SPF ----------------------------------------------------------------------------------------------------------- */

/* The address of a field that has just one: in brackets, or the whole value. */
static struct str single_address(struct arena *a, struct str value)
{
    size_t open;

    value = header_unfold(a, value, 2000);
    open = str_find_last(value, '<');
    if (open < value.n)
        value = str_first(str_from(value, open + 1), str_find(str_from(value, open + 1), '>'));
    return str_find(value, ',') < value.n || str_find(value, '@') == value.n ? STR_NONE : str_trim(value);
}

/* The purported responsible address (RFC 4407 2): the first of these fields that is there. */
static void check_pra(struct message *m, const struct spf_query *q, struct auth_results *r)
{
    static const char *const fields[] = {"Resent-Sender", "Resent-From", "Sender", "From"};
    struct header_field f;

    for (size_t i = 0; i < sizeof fields / sizeof *fields; i++) {
        struct str address;

        if (!header_find(headers_of(m), str_c(fields[i]), &f))
            continue;
        address = single_address(m->arena, f.value);
        if (address.n) {
            spf_check_address(m->arena, &m->world->dns, q, address, &r->spf_pra);
            r->spf_pra_field = str_c(fields[i]);
        }
        return;
    }
}

static void check_spf(struct message *m, uint64_t level, struct auth_results *r)
{
    struct spf_query q = {.ip = octets_of_ip(m->arena, m->env->client_ip),
                          .helo = m->env->helo,
                          .sender = m->env->sender,
                          .receiver = m->conf->system.hostname,
                          .now = message_now_ms(m) / 1000};

    spf_check_helo(m->arena, &m->world->dns, &q, &r->spf_helo);
    spf_check_mailfrom(m->arena, &m->world->dns, &q, &r->spf_mailfrom);
    if (level == SPF_SIDF)
        check_pra(m, &q, r);
}

/* --- ARC ----------------------------------------------------------------------------------------------------------- */

static bool listed(const struct strs *list, struct str domain)
{
    for (size_t i = 0; i < list->n; i++)
        if (domain_is_below(domain, list->items[i]))
            return true;
    return false;
}

/* Value of a tag in a list "a=b; c=d" (RFC 6376 3.2). */
static struct str tag_value(struct str list, struct str tag)
{
    struct str part;

    while (str_split(&list, ';', &part)) {
        size_t eq = str_find(part, '=');

        if (eq < part.n && str_eq(str_trim(str_first(part, eq)), tag))
            return str_trim(str_from(part, eq + 1));
    }
    return STR_NONE;
}

/* Every seal is of a domain on the list. */
static bool sealers_trusted(const struct message *m)
{
    struct str rest = headers_of(m);
    struct header_field f;
    size_t n = 0;

    while (header_next(&rest, &f)) {
        if (!str_eqi(f.name, str_lit("ARC-Seal")))
            continue;
        if (!listed(&m->conf->authentication.arc_trusted, tag_value(f.value, str_lit("d"))))
            return false;
        n++;
    }
    return n > 0;
}

bool auth_arc_vouches(const struct auth_results *r)
{
    struct arena a;
    struct auth_header h;
    const struct auth_method *x;
    bool pass = false;
    size_t at = 0;

    if (!r->arc_checked || r->arc.result != AUTH_PASS || !r->arc.trusted)
        return false;
    arena_init(&a, 4096, 1 << 20);
    if (auth_header_parse(&a, r->arc.first_results, &h, NULL) == RC_OK)
        pass = (x = auth_header_find(&h, str_lit("dmarc"), &at)) && str_eqi(x->result, str_lit("pass"));
    arena_done(&a);
    return pass;
}

/* --- DMARC --------------------------------------------------------------------------------------------------------- */

/* Entries: an address, a domain, or .domain with all below. */
static bool sender_listed(const struct strs *list, struct str address)
{
    struct str domain = str_from(address, str_find_last(address, '@') + 1);

    for (size_t i = 0; i < list->n; i++) {
        struct str x = list->items[i];

        if (str_eqi(x, address) || str_eqi(x, domain) || (x.n > 1 && x.p[0] == '.' && str_endsi(domain, x)))
            return true;
    }
    return false;
}

static bool bypassed(struct message *m)
{
    const struct conf_dmarc *c = &m->conf->dmarc;
    struct header_field f;

    if (c->bypass_header.n && header_find(headers_of(m), c->bypass_header, &f))
        return true;
    if (!c->bypass_senders.n)
        return false;
    if (m->env->sender.n && sender_listed(&c->bypass_senders, m->env->sender))
        return true;
    return header_find(headers_of(m), str_lit("From"), &f) &&
           sender_listed(&c->bypass_senders, single_address(m->arena, f.value));
}

static void check_dmarc(struct message *m, const struct auth_tools *t, struct auth_results *r)
{
    struct dmarc_query q = {
        .headers = headers_of(m),
        .mailfrom = &r->spf_mailfrom,
        .dkim = r->dkim,
        .n_dkim = r->n_dkim,
        .method = m->conf->authentication.dmarc_method ? DMARC_BY_WALK : DMARC_BY_LIST,
        .suffixes = t->suffixes,
        .sample = (unsigned)(m->world->random ? m->world->random(m->world->ctx, 100) : m->mid % 100),
    };

    if (bypassed(m)) {
        r->dmarc_bypassed = true;
        return;
    }
    dmarc_check(m->arena, &m->world->dns, &q, &r->dmarc);
    if (r->dmarc.result == AUTH_FAIL && r->dmarc.disposition != DMARC_NONE && auth_arc_vouches(r)) {
        r->dmarc.disposition = DMARC_NONE;
        r->dmarc.override = str_lit("trusted_forwarder");
    }
}

const struct auth_results *auth_evaluate(struct message *m, const struct auth_tools *t)
{
    const struct conf_authentication *c = &m->conf->authentication;
    const struct conf_mail_flow_policy *p = conf_find(&m->conf->mail_flow_policy, m->env->flow_policy);
    struct auth_results *r = arena_new(m->arena, struct auth_results);
    bool dkim, arc;

    if (!r || !p || !m->env->icid || m->env->auth_user.n || !m->world || !m->world->dns.ask)
        return r;
    if (c->spf && p->spf != SPF_OFF)
        check_spf(m, p->spf, r);
    dkim = c->dkim && p->dkim_verify;
    arc = c->arc && p->dkim_verify;
    if (t->dkim && (dkim || arc))
        t->dkim(t->ctx, m, dkim, arc, r);
    r->arc.trusted = r->arc_checked && sealers_trusted(m);
    if (c->dmarc && p->dmarc_verify && (r->spf_mailfrom.checked || r->dkim_checked))
        check_dmarc(m, t, r);
    return r;
}
