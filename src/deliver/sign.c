/*
 * DKIM signatures and ARC seals of what is about to leave (design-notes E5): after all edits and after the 7-bit form, so
 * released mail is signed too and nothing changes behind a signature.
 *
 * Called by piece.c for each piece that was loaded. Owns the private keys, which no other role but control has. One extra
 * pass over the message. A message that cannot be signed goes without; the log says why at its first try.
 */
#include "deliver/inside.h"

#include "base/clock.h"
#include "mail/address.h"
#include "mail/arc.h"
#include "mail/header.h"

#include <stdlib.h>

enum { CHUNK = 65536 };

struct signers {
    struct dkim *engine;
    struct dkim_key **keys; /* as conf->signing_key; NULL = of no use */
    size_t n;
};

struct signers *signers_new(const struct conf *c)
{
    struct signers *s;

    if (!c->domain_profile.n && !c->signing.arc_seal)
        return NULL;
    s = calloc(1, sizeof *s);
    if (!s)
        return NULL;
    s->engine = dkim_new();
    s->keys = calloc(c->signing_key.n + 1, sizeof *s->keys);
    if (!s->engine || !s->keys) {
        signers_free(s);
        return NULL;
    }
    s->n = c->signing_key.n;
    for (size_t i = 0; i < s->n; i++)
        if (dkim_key_load(c->signing_key.items[i].private_key, &s->keys[i], NULL) != RC_OK)
            s->keys[i] = NULL;
    return s;
}

void signers_free(struct signers *s)
{
    if (!s)
        return;
    for (size_t i = 0; i < s->n; i++)
        dkim_key_free(s->keys[i]);
    dkim_free(s->engine);
    free(s->keys);
    free(s);
}

static const struct dkim_key *key_of(const struct signers *s, const struct conf *c, struct str name)
{
    const struct conf_signing_key *k = conf_find(&c->signing_key, name);
    size_t i = k ? (size_t)(k - c->signing_key.items) : s->n;

    return i < s->n ? s->keys[i] : NULL;
}

/* ---- whether, and with what ---------------------------------------------------------------------------------------- */

struct signing {
    struct deliver *d;
    struct piece *p;
    const struct conf *c;
    const struct conf_domain_profile *profile;
    bool dkim, arc;
    struct dkim_stream *stream;
    uint64_t now_s;
};

static bool wants_dkim(const struct signing *s)
{
    const struct envelope *env = &s->p->envelope;
    const struct conf_mail_flow_policy *policy;

    if (!s->c->domain_profile.n || s->p->carried.skip & SKIP_DKIM)
        return false;
    if (!env->flow_policy.n)
        return s->c->signing.own_mail && !env->icid;
    policy = conf_find(&s->c->mail_flow_policy, env->flow_policy);
    return policy && policy->dkim_signing;
}

static bool wants_seal(const struct signing *s)
{
    const struct envelope *env = &s->p->envelope;

    return s->c->signing.arc_seal && env->flow_policy.n && !env->outgoing;
}

/* The tries that follow, and other pieces of the same message, say nothing again. */
static bool tells(const struct piece *p)
{
    return p->attempt <= 1 && p->tries <= 1 && !p->seven.n;
}

static void cannot_sign(const struct signing *s, struct str why)
{
    if (tells(s->p))
        event(s->d->o.events, dkim_cannot_sign, .mid = s->p->mid, .why = why);
}

static void cannot_seal(const struct signing *s, struct str why)
{
    if (tells(s->p))
        event(s->d->o.events, arc_cannot_seal, .mid = s->p->mid, .why = why);
}

/* The first address of a From field: in angle brackets, or bare; comments and quoted names passed over. */
static struct str first_address(struct str value)
{
    size_t from = SIZE_MAX, depth = 0;
    bool quoted = false;

    for (size_t i = 0; i < value.n; i++) {
        char c = value.p[i];

        if (c == '\\')
            i++;
        else if (c == '"' && !depth)
            quoted = !quoted;
        else if (!quoted && c == '(')
            depth++;
        else if (!quoted && c == ')' && depth)
            depth--;
        else if (!quoted && !depth && c == '<')
            return str_trim(str_first(str_from(value, i + 1), str_find(str_from(value, i + 1), '>')));
        else if (!quoted && !depth && c == ',' && from != SIZE_MAX)
            return str_trim(str_of(value.p + from, i - from));
        else if (!quoted && !depth && from == SIZE_MAX && c != ' ' && c != '\t' && c != '\r' && c != '\n')
            from = i;
    }
    return str_trim(str_first(str_from(value, from == SIZE_MAX ? value.n : from), str_find(str_from(value, from), '(')));
}

static struct str sending_address(const struct signing *s)
{
    struct header_field f;
    struct str local, domain, address = STR_NONE;

    if (s->c->signing.from_header && header_find(dkim_stream_headers(s->stream), str_lit("From"), &f))
        address = first_address(f.value);
    if (!address_cut(address, &local, &domain))
        address = s->p->envelope.sender;
    return address_cut(address, &local, &domain) ? str_first(address, ADDRESS_MAX) : STR_NONE;
}

/* user@domain, domain or @domain, .domain for all below it, ALL. */
static bool user_matches(struct str user, struct str address, struct str domain)
{
    if (str_eqi(user, str_lit("ALL")))
        return true;
    if (user.n && user.p[0] == '.')
        return domain.n > user.n && str_endsi(domain, user);
    if (user.n && user.p[0] == '@')
        return str_eqi(str_from(user, 1), domain);
    return str_eqi(user, str_find(user, '@') < user.n ? address : domain);
}

static const struct conf_domain_profile *matching(const struct conf *c, struct str address)
{
    struct str local, domain;

    if (!address_cut(address, &local, &domain))
        return NULL;
    for (size_t i = 0; i < c->domain_profile.n; i++) {
        const struct conf_domain_profile *p = &c->domain_profile.items[i];

        if (!p->users.n && str_eqi(p->domain, domain))
            return p;
        for (size_t k = 0; k < p->users.n; k++)
            if (user_matches(p->users.items[k], address, domain))
                return p;
    }
    return NULL;
}

/* ---- signing ------------------------------------------------------------------------------------------------------- */

static enum rc feed(struct signing *s, struct err *e)
{
    struct piece *p = s->p;
    struct str whole = p->seven.n ? buf_str(&p->seven) : buf_str(&p->body);
    char *chunk;

    if (whole.n) {
        dkim_stream_add(s->stream, whole);
        return RC_OK;
    }
    chunk = arena_alloc(&p->arena, CHUNK);
    if (!chunk)
        return err_set(e, RC_NO_MEMORY, "signing");
    for (uint64_t at = 0; at < p->content_bytes;) {
        size_t n = p->content_bytes - at < CHUNK ? (size_t)(p->content_bytes - at) : CHUNK;

        TRY(piece_content(s->d, p, at, chunk, n, e));
        dkim_stream_add(s->stream, str_of(chunk, n));
        at += n;
    }
    return RC_OK;
}

static struct dkim_profile profile_of(const struct signing *s, struct str selector, struct str key)
{
    const struct conf_domain_profile *row = s->profile;

    return (struct dkim_profile){
        .domain = row->domain,
        .selector = selector,
        .identity = row->identity,
        .header = row->header_canonicalization ? DKIM_RELAXED : DKIM_SIMPLE,
        .body = row->body_canonicalization ? DKIM_RELAXED : DKIM_SIMPLE,
        .every_field = row->headers == 1,
        .oversign = row->oversign,
        .timestamp = row->timestamp,
        .body_length = row->body_length_sign,
        .query = row->query,
        .expires_s = row->expires_s,
        .key = key_of(s->d->signers, s->c, key),
    };
}

/* The usual fields and those that the profile adds. */
static struct strs fields_of(const struct signing *s)
{
    struct strs usual = dkim_usual_fields(), more = s->profile->more_headers;
    struct str *all;

    if (!more.n)
        return usual;
    all = arena_array(&s->p->arena, struct str, usual.n + more.n);
    if (!all)
        return usual;
    memcpy(all, usual.items, usual.n * sizeof *all);
    memcpy(all + usual.n, more.items, more.n * sizeof *all);
    return (struct strs){all, usual.n + more.n};
}

/* A signature of this domain with this selector stands there already: made here before, or by whoever has the same key. */
static bool is_signed(const struct signing *s)
{
    struct dkim_facts facts;

    for (size_t at = 0; dkim_next_signature(dkim_stream_headers(s->stream), &at, &facts);)
        if (str_eqi(facts.domain, s->profile->domain) && str_eqi(facts.selector, s->profile->selector))
            return true;
    return false;
}

static enum rc sign_with(struct signing *s, struct str selector, struct str key, struct err *e)
{
    struct dkim_profile p = profile_of(s, selector, key);

    p.fields = fields_of(s);
    if (!p.key)
        return err_set(e, RC_NOT_FOUND, "key %.*s is of no use", STR(key));
    return dkim_sign(s->stream, &p, s->now_s, &s->p->signature, e);
}

static void sign(struct signing *s)
{
    struct str address = sending_address(s);
    struct err e = ERR_NONE;
    size_t before = s->p->signature.n;
    enum rc rc;

    s->profile = matching(s->c, address);
    if (!address.n) {
        cannot_sign(s, str_lit("no identifiable sending address"));
    } else if (!s->profile) {
        cannot_sign(s, arena_printf(&s->p->arena, "no profile matches %.*s", STR(address)));
    } else if (is_signed(s)) {
        cannot_sign(s, str_lit("already signed"));
    } else {
        rc = sign_with(s, s->profile->selector, s->profile->key, &e);
        if (rc == RC_OK && s->profile->second_key.n)
            rc = sign_with(s, s->profile->second_selector, s->profile->second_key, &e);
        if (rc != RC_OK) {
            s->p->signature.n = before;
            s->p->signature.failed = false;
            cannot_sign(s, str_c(err_text(&e)));
        } else if (tells(s->p)) {
            event(s->d->o.events, dkim_signing, .mid = s->p->mid, .profile = s->profile->name, .address = address);
        }
    }
}

/* Our own Authentication-Results of this message: above the first Received, which receipt put in front of all that came. */
static struct str own_results(const struct signing *s)
{
    struct str rest = dkim_stream_headers(s->stream);
    struct header_field f;

    while (header_next(&rest, &f) && !str_eqi(f.name, str_lit("Received")))
        if (str_eqi(f.name, str_lit("Authentication-Results")))
            return str_trim(f.value);
    return STR_NONE;
}

static void seal(struct signing *s)
{
    struct arc_sealer sealer = {.profile = {.domain = s->c->signing.arc_seal_domain,
                                            .selector = s->c->signing.arc_seal_selector,
                                            .header = DKIM_RELAXED,
                                            .body = DKIM_RELAXED,
                                            .timestamp = true,
                                            .key = key_of(s->d->signers, s->c, s->c->signing.arc_seal_key)},
                                .results = own_results(s),
                                .chain = AUTH_NONE};
    size_t before = s->p->signature.n;
    struct err e = ERR_NONE;

    if (!arc_result_in(sealer.results, &sealer.chain))
        sealer.chain = AUTH_NONE;
    if (!sealer.results.n)
        sealer.results = arena_printf(&s->p->arena, "%.*s; none", STR(s->c->system.hostname));
    if (!sealer.profile.key)
        err_set(&e, RC_NOT_FOUND, "key %.*s is of no use", STR(s->c->signing.arc_seal_key));
    else if (arc_seal(s->stream, &sealer, s->now_s, &s->p->signature, &e) == RC_OK && tells(s->p))
        event(s->d->o.events, arc_sealed, .mid = s->p->mid, .domain = sealer.profile.domain,
              .selector = sealer.profile.selector);
    if (e.rc == RC_OK)
        return;
    s->p->signature.n = before;
    s->p->signature.failed = false;
    cannot_seal(s, str_c(err_text(&e)));
}

static enum rc run(struct signing *s, struct err *e)
{
    struct err why = ERR_NONE;

    TRY(feed(s, e));
    if (dkim_stream_end(s->stream, &why) != RC_OK) {
        if (s->dkim)
            cannot_sign(s, str_c(err_text(&why)));
        if (s->arc)
            cannot_seal(s, str_c(err_text(&why)));
        return RC_OK;
    }
    if (s->arc)
        seal(s);
    if (s->dkim)
        sign(s);
    return RC_OK;
}

enum rc piece_sign(struct deliver *d, struct piece *p, struct err *e)
{
    struct signing s = {.d = d, .p = p, .c = deliver_conf(d), .now_s = clock_wall_ms() / 1000};
    enum rc rc;

    buf_clear(&p->signature);
    p->job.body_bytes = p->content_bytes;
    if (!d->signers || (p->to && p->to->quarantine)) /* that mail comes back before it leaves */
        return RC_OK;
    s.dkim = wants_dkim(&s);
    s.arc = wants_seal(&s);
    if (!s.dkim && !s.arc)
        return RC_OK;
    s.stream = dkim_stream_new(d->signers->engine, &p->arena, 1 << DKIM_SIMPLE | 1 << DKIM_RELAXED);
    if (!s.stream)
        return err_set(e, RC_NO_MEMORY, "signing");
    rc = run(&s, e);
    dkim_stream_done(s.stream);
    p->job.body_bytes = p->content_bytes + p->signature.n;
    return rc;
}
