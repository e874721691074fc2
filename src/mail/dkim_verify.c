/*
 * The signatures of a message, judged (RFC 6376 6.1, RFC 8301, RFC 8463). See dkim.h.
 *
 * Called by scan. Steps: read all signatures, ask all keys at once, see which key may serve, read the body once, check the
 * rest. Memory is the message's arena and the scratch of struct dkim. An ARC chain takes part as more signatures.
 */
#include "mail/dkim_inside.h"

static bool add(struct dkim_check *c, struct dkim_signature *s)
{
    if (c->n == c->cap)
        return false;
    c->items[c->n++] = s;
    return true;
}

/* ---- reading ------------------------------------------------------------------------------------------------------- */

static enum rc read_signatures(struct dkim_check *c, struct dkim_signature **out, size_t *n_out)
{
    size_t most = c->o->most && c->o->most < DKIM_SIGNATURES_MOST ? (size_t)c->o->most : DKIM_SIGNATURES_MOST, n = 0;
    struct dkim_signature *list = arena_array(c->a, struct dkim_signature, most);

    if (!list)
        return RC_NO_MEMORY;
    for (size_t i = 0; i < c->fields.n && n < most; i++) {
        const struct header_field *f = &c->fields.items[i];

        if (!str_eqi(f->name, str_lit("DKIM-Signature")))
            continue;
        TRY(dkim_signature_read(c->a, DKIM_KIND_SIGNATURE, f, c->o, &list[n]));
        add(c, &list[n++]);
    }
    *out = list;
    *n_out = n;
    return RC_OK;
}

static enum rc read_chain(struct dkim_check *c, struct arc_chain *chain)
{
    TRY(arc_read(c->a, &c->fields, c->o, chain));
    if (chain->broken.n)
        return RC_OK;
    for (size_t i = 1; i <= chain->n; i++)
        if (!add(c, chain->sets[i].ams) || !add(c, chain->sets[i].seal))
            return RC_INTERNAL;
    return RC_OK;
}

/* ---- keys ---------------------------------------------------------------------------------------------------------- */

/* Every name once. */
static enum rc ask_keys(struct dkim_check *c, const struct dns_source *asker)
{
    struct dns_question *q = arena_array(c->a, struct dns_question, c->n + 1);
    size_t n = 0, at;
    enum rc rc;

    if (!q)
        return RC_NO_MEMORY;
    for (size_t i = 0; i < c->n; i++) {
        if (!c->items[i]->open)
            continue;
        for (at = 0; at < n && !str_eqi(q[at].name, c->items[i]->name);)
            at++;
        if (at == n)
            q[n++] = (struct dns_question){DNS_TXT, c->items[i]->name};
        c->items[i]->question = at;
    }
    if (!n)
        return RC_OK;
    rc = asker->ask(asker->ctx, c->a, q, n, &c->answers);
    if (rc != RC_OK)
        c->answers = NULL;
    return rc == RC_NO_MEMORY ? rc : RC_OK;
}

/* An answer without a usable record. */
static void no_record(struct dkim_signature *s, const struct dns_answer *answer)
{
    if (!answer || answer->result == DNS_TEMPORARY || answer->result == DNS_BOGUS)
        dkim_settle(s, AUTH_TEMPERROR, str_lit("key could not be asked for"));
    else
        dkim_settle(s, AUTH_PERMERROR, str_lit("no key for signature"));
}

/* Why this record does not serve the signature; empty = it does (RFC 6376 6.1.2). */
static struct str record_refused(const struct dkim_signature *s, const struct dkim_record *r)
{
    enum dkim_key_type wanted = s->algorithm == DKIM_ED25519_SHA256 ? DKIM_ED25519 : DKIM_RSA;

    if (!r->public_text.n)
        return str_lit("key is revoked");
    if (r->type != wanted)
        return str_lit("key is of another type");
    if (r->hashes.n && !dkim_list_has(r->hashes, str_lit("sha256")))
        return str_lit("key is not for this hash");
    if (!dkim_list_has(r->services, str_lit("*")) && !dkim_list_has(r->services, str_lit("email")))
        return str_lit("key is not for mail");
    if (r->strict && s->identity.p && !str_eqi(s->identity_domain, s->domain))
        return str_lit("key does not allow i= below d=");
    return STR_NONE;
}

/* Leaves those records in s->records whose key may serve; the reason of the first that may not, when none may. */
static enum rc screen(struct dkim_check *c, struct dkim_signature *s, const struct dns_answer *answer)
{
    size_t n = answer->n < DKIM_RECORDS_MOST ? answer->n : DKIM_RECORDS_MOST;
    struct dkim_record *list = arena_array(c->a, struct dkim_record, n);
    struct str first = STR_NONE;

    if (!list)
        return RC_NO_MEMORY;
    s->records = list;
    for (size_t i = 0; i < n; i++) {
        struct dkim_record *r = &list[s->n_records];
        struct err e = ERR_NONE;
        struct str why;

        if (dkim_record_parse(answer->records[i].data, r, &e) != RC_OK)
            why = arena_printf(c->a, "key record is malformed: %s", e.text);
        else
            why = record_refused(s, r);
        if (!why.n)
            s->n_records++;
        else if (!first.n)
            first = why;
    }
    if (s->n_records)
        s->result.testing = list[0].testing;
    else
        dkim_settle(s, AUTH_PERMERROR, first);
    return RC_OK;
}

/* Before the body is read: without a key that may serve it need not be. */
static enum rc look_at_keys(struct dkim_check *c)
{
    for (size_t i = 0; i < c->n; i++) {
        struct dkim_signature *s = c->items[i];
        const struct dns_answer *answer = c->answers ? &c->answers[s->question] : NULL;

        if (!s->open)
            continue;
        if (!answer || answer->result != DNS_OK || !answer->n)
            no_record(s, answer);
        else
            TRY(screen(c, s, answer));
    }
    return RC_OK;
}

/* ---- the mathematics ------------------------------------------------------------------------------------------------ */

bool dkim_header_hash(struct dkim *d, struct dkim_fields *f, const struct dkim_signature *s,
                      unsigned char out[static DKIM_HASH])
{
    struct str rest = s->h, name;

    buf_clear(&d->scratch);
    dkim_fields_restart(f);
    while (dkim_list_next(&rest, &name)) {
        const struct header_field *found = dkim_fields_take(f, name);

        if (found)
            dkim_canon_field(s->header, found->whole, &d->scratch);
    }
    dkim_canon_signature(s->header, s->field->whole, s->b_place, &d->scratch);
    dkim_hash(d, buf_str(&d->scratch), out);
    return !d->scratch.failed;
}

/* A seal's hash is over the sets of its chain. */
static bool signed_hash(struct dkim_check *c, const struct arc_chain *chain, const struct dkim_signature *s,
                        unsigned char out[static DKIM_HASH])
{
    if (s->kind != DKIM_KIND_SEAL)
        return dkim_header_hash(c->d, &c->fields, s, out);
    buf_clear(&c->d->scratch);
    arc_seal_octets(chain, (size_t)s->instance, &c->d->scratch);
    dkim_hash(c->d, buf_str(&c->d->scratch), out);
    return !c->d->scratch.failed;
}

/* In test mode a failure is as good as no signature (RFC 6376 3.6.1). */
static void fail(struct dkim_signature *s, struct str reason)
{
    dkim_settle(s, s->result.testing ? AUTH_NEUTRAL : AUTH_FAIL, reason);
}

/* Tries the records of the name until one fits (RFC 6376 6.1.2 step 4). */
static void check_signature(struct dkim_check *c, struct dkim_signature *s, const unsigned char *hash)
{
    uint64_t least = c->o->least_bits > DKIM_BITS_LEAST ? c->o->least_bits : DKIM_BITS_LEAST;
    const struct dkim_public *key;
    struct str why = STR_NONE;
    bool tried = false, is_short = false;
    struct err e = ERR_NONE;

    for (size_t i = 0; i < s->n_records; i++) {
        const struct dkim_record *r = &s->records[i];

        if (dkim_public_of(c->d, c->a, r->type, r->public_text, &key, &e) != RC_OK) {
            why = why.n ? why : arena_printf(c->a, "%s", e.text);
            continue;
        }
        s->result.key_bits = key->bits;
        if (key->type == DKIM_RSA && key->bits < least) {
            is_short = true;
            continue;
        }
        tried = true;
        if (dkim_public_verify(c->d, key, hash, s->b)) {
            s->result.testing = r->testing;
            dkim_settle(s, AUTH_PASS, str_lit("signature verified"));
            return;
        }
    }
    if (tried)
        fail(s, str_lit("signature did not verify"));
    else if (is_short)
        dkim_settle(s, AUTH_POLICY, arena_printf(c->a, "key of %u bits is too short", (unsigned)s->result.key_bits));
    else
        dkim_settle(s, AUTH_PERMERROR, why);
}

static bool wants_body(const struct dkim_signature *s)
{
    return s->open && s->kind != DKIM_KIND_SEAL;
}

static bool hash_bodies(struct dkim_check *c)
{
    dkim_body_begin(&c->body, c->d);
    for (size_t i = 0; i < c->n; i++) {
        struct dkim_signature *s = c->items[i];

        if (wants_body(s))
            s->hash = dkim_body_want(&c->body, s->body, s->has_length, s->length);
    }
    if (c->body.n)
        dkim_body_add(&c->body, c->fields.body);
    return dkim_body_end(&c->body);
}

/* bh= against the body that came. */
static void check_body(struct dkim_check *c, struct dkim_signature *s)
{
    const struct dkim_body_hash *h = &c->body.items[s->hash];
    uint64_t bytes = dkim_body_bytes(&c->body, s->body);

    s->result.partial = s->has_length && s->length < bytes;
    if (!h->done)
        fail(s, str_lit("body is shorter than l="));
    else if (memcmp(h->value, s->bh.p, DKIM_HASH) != 0)
        fail(s, str_lit("body hash did not verify"));
}

static enum rc check_all(struct dkim_check *c, const struct arc_chain *chain)
{
    unsigned char hash[DKIM_HASH];

    for (size_t i = 0; i < c->n; i++) {
        struct dkim_signature *s = c->items[i];

        if (wants_body(s))
            check_body(c, s);
        if (!s->open)
            continue;
        if (!signed_hash(c, chain, s, hash))
            return RC_NO_MEMORY;
        check_signature(c, s, hash);
    }
    return RC_OK;
}

static enum rc give_results(struct arena *a, const struct dkim_signature *list, size_t n, struct auth_results *out)
{
    struct auth_dkim *to = arena_array(a, struct auth_dkim, n + 1);

    if (!to)
        return RC_NO_MEMORY;
    for (size_t i = 0; i < n; i++)
        to[i] = list[i].result;
    out->dkim = to;
    out->n_dkim = n;
    out->dkim_checked = true;
    return RC_OK;
}

/* The steps for signatures that are read. */
static enum rc judge(struct dkim_check *c, const struct dns_source *asker, const struct arc_chain *chain)
{
    enum rc rc;

    TRY(ask_keys(c, asker));
    TRY(look_at_keys(c));
    rc = hash_bodies(c) ? check_all(c, chain) : RC_NO_MEMORY;
    dkim_body_done(&c->body);
    return rc;
}

/* A header section beyond the limits: whatever it is signed with, nobody looked. */
static void too_large(struct dkim_check *c, struct auth_results *out)
{
    static const struct auth_dkim refused = {
        .result = AUTH_PERMERROR, .reason = {"header section is too large", sizeof "header section is too large" - 1}};

    if (c->o->dkim) {
        out->dkim = &refused;
        out->n_dkim = 1;
        out->dkim_checked = true;
    }
    if (c->o->arc) {
        out->arc = (struct auth_arc){.result = AUTH_FAIL, .reason = refused.reason};
        out->arc_checked = true;
    }
}

enum rc dkim_verify(struct dkim *d, struct arena *a, struct str message, const struct dkim_options *o,
                    const struct dns_source *asker, struct auth_results *out)
{
    struct dkim_check *c = arena_new(a, struct dkim_check);
    struct arc_chain *chain = arena_new(a, struct arc_chain);
    struct dkim_signature *list = NULL;
    size_t n = 0;

    if (!c || !chain)
        return RC_NO_MEMORY;
    c->d = d;
    c->a = a;
    c->o = o;
    c->cap = DKIM_SIGNATURES_MOST + 2 * ARC_SETS_MOST;
    c->items = arena_array(a, struct dkim_signature *, c->cap);
    if (!c->items)
        return RC_NO_MEMORY;
    TRY(dkim_fields_read(a, message, &c->fields));
    if (c->fields.cut) {
        too_large(c, out);
        return RC_OK;
    }
    if (o->dkim)
        TRY(read_signatures(c, &list, &n));
    if (o->arc)
        TRY(read_chain(c, chain));
    TRY(judge(c, asker, chain));
    if (o->dkim)
        TRY(give_results(a, list, n, out));
    if (o->arc) {
        arc_conclude(c, chain, &out->arc);
        out->arc_checked = true;
    }
    return RC_OK;
}

bool dkim_next_signature(struct str headers, size_t *at, struct dkim_facts *out)
{
    struct str rest = str_from(headers, *at);
    struct header_field f;
    struct dkim_tags t;

    while (header_next(&rest, &f)) {
        *at = headers.n - rest.n;
        if (!str_eqi(f.name, str_lit("DKIM-Signature")))
            continue;
        *out = (struct dkim_facts){0};
        if (dkim_tags_parse(f.value, &t, NULL) == RC_OK)
            *out = (struct dkim_facts){dkim_tag_value(&t, "d"), dkim_tag_value(&t, "s")};
        return true;
    }
    return false;
}

const char *dkim_log_word(enum auth_result result)
{
    static const char *const words[AUTH_RESULT_COUNT] = {
        [AUTH_NONE] = "none",          [AUTH_NEUTRAL] = "neutral",   [AUTH_PASS] = "pass",
        [AUTH_FAIL] = "permfail",      [AUTH_SOFTFAIL] = "permfail", [AUTH_TEMPERROR] = "tempfail",
        [AUTH_PERMERROR] = "permfail", [AUTH_POLICY] = "neutral"};

    return words[result < AUTH_RESULT_COUNT ? result : AUTH_NEUTRAL];
}
