/*
 * Sealing: one more set for the chain (RFC 8617 5.1). See arc.h.
 *
 * Called by deliver with the stream of a message. Memory is the stream's arena. What is written is checked against the chain
 * that the message brings: a wrong word about it would make all that follow fail.
 */
#include "mail/arc.h"

#include "mail/dkim_inside.h"

#include <stdio.h>

static const char *cv_word(enum auth_result chain)
{
    return chain == AUTH_NONE ? "none" : chain == AUTH_PASS ? "pass" : "fail";
}

/* What this seal says of the chain: one whose form is broken can only have failed. */
static enum rc plan(const struct arc_chain *c, enum auth_result *chain, struct err *e)
{
    if (c->n && str_eq(c->sets[c->n].seal->cv, str_lit("fail")))
        return err_set(e, RC_NOT_PERMITTED, "the chain ended with cv=fail");
    if (c->highest >= ARC_SETS_MOST)
        return err_set(e, RC_NOT_PERMITTED, "the chain has %d sets", ARC_SETS_MOST);
    if (c->broken.n && c->present)
        *chain = AUTH_FAIL;
    if (c->present != (*chain != AUTH_NONE))
        return err_set(e, RC_INVALID, "nobody has validated the chain that the message brings");
    return RC_OK;
}

static enum rc write_results(const struct arc_sealer *sealer, uint64_t instance, struct buf *out, struct err *e)
{
    buf_addf(out, "ARC-Authentication-Results: i=%u; ", (unsigned)instance);
    buf_add(out, str_trim(sealer->results));
    buf_add(out, str_lit("\r\n"));
    return out->failed ? err_set(e, RC_NO_MEMORY, "sealing") : RC_OK;
}

/* The seal covers the sets before (none when the chain failed, RFC 8617 5.1.2), the two fields made now, and itself. */
static enum rc write_seal(struct dkim_stream *s, const struct arc_sealer *sealer, const struct arc_chain *chain,
                          enum auth_result result, uint64_t now_s, struct str results, struct str ams, struct buf *out,
                          struct err *e)
{
    unsigned char hash[DKIM_HASH];
    struct dkim_writer w;
    struct str whole;
    char digits[24];

    snprintf(digits, sizeof digits, "%u", (unsigned)chain->highest + 1);
    dkim_write_begin(&w, out, "ARC-Seal");
    dkim_write_tag(&w, "i", str_c(digits));
    dkim_write_tag(&w, "a", str_c(dkim_algorithm_word(sealer->profile.key)));
    snprintf(digits, sizeof digits, "%llu", (unsigned long long)now_s);
    dkim_write_tag(&w, "t", str_c(digits));
    dkim_write_tag(&w, "cv", str_c(cv_word(result)));
    dkim_write_tag(&w, "d", sealer->profile.domain);
    dkim_write_tag(&w, "s", sealer->profile.selector);
    dkim_write_name(&w, "b");
    if (out->failed)
        return err_set(e, RC_NO_MEMORY, "sealing");
    buf_clear(&s->d->scratch);
    for (size_t i = 1; result != AUTH_FAIL && i <= chain->n; i++) {
        dkim_canon_field(DKIM_RELAXED, chain->sets[i].results->whole, &s->d->scratch);
        dkim_canon_field(DKIM_RELAXED, chain->sets[i].ams->field->whole, &s->d->scratch);
        dkim_canon_field(DKIM_RELAXED, chain->sets[i].seal->field->whole, &s->d->scratch);
    }
    dkim_canon_field(DKIM_RELAXED, results, &s->d->scratch);
    dkim_canon_field(DKIM_RELAXED, ams, &s->d->scratch);
    whole = str_from(buf_str(out), w.from);
    dkim_canon_signature(DKIM_RELAXED, whole, str_of(whole.p + whole.n, 0), &s->d->scratch);
    if (s->d->scratch.failed)
        return err_set(e, RC_NO_MEMORY, "sealing");
    dkim_hash(s->d, buf_str(&s->d->scratch), hash);
    return dkim_write_b(&w, s, sealer->profile.key, hash, e);
}

static enum rc write_set(struct dkim_stream *s, const struct arc_sealer *sealer, const struct arc_chain *chain,
                         enum auth_result result, uint64_t now_s, struct buf *results, struct buf *ams, struct buf *out,
                         struct err *e)
{
    struct dkim_profile p = sealer->profile;

    p.header = p.body = DKIM_RELAXED;
    TRY(write_results(sealer, chain->highest + 1, results, e));
    TRY(dkim_write_signature(s, &p, chain->highest + 1, now_s, ams, e));
    TRY(write_seal(s, sealer, chain, result, now_s, buf_str(results), buf_str(ams), out, e));
    buf_add(out, buf_str(ams));
    buf_add(out, buf_str(results));
    return out->failed ? err_set(e, RC_NO_MEMORY, "sealing") : RC_OK;
}

enum rc arc_seal(struct dkim_stream *s, const struct arc_sealer *sealer, uint64_t now_s, struct buf *out, struct err *e)
{
    const struct dkim_options o = {.now_s = now_s, .skew_s = now_s};
    struct arc_chain *chain = arena_new(s->a, struct arc_chain);
    enum auth_result result = sealer->chain;
    struct buf results = BUF(1 << 18), ams = BUF(1 << 18);
    enum rc rc;

    if (!chain || arc_read(s->a, &s->fields, &o, chain) != RC_OK)
        return err_set(e, RC_NO_MEMORY, "sealing");
    TRY(plan(chain, &result, e));
    if (result != AUTH_PASS && result != AUTH_NONE)
        result = AUTH_FAIL;
    rc = write_set(s, sealer, chain, result, now_s, &results, &ams, out, e);
    buf_done(&results);
    buf_done(&ams);
    return rc;
}

bool arc_result_in(struct str results, enum auth_result *out)
{
    struct str part;

    while (str_split(&results, ';', &part)) {
        size_t n = 0;

        part = str_trim(part);
        if (!str_startsi(part, str_lit("arc=")))
            continue;
        part = str_from(part, 4);
        while (n < part.n && ascii_alpha(part.p[n]))
            n++;
        return auth_result_of(str_first(part, n), out);
    }
    return false;
}
