/*
 * What the signatures of an ARC chain say together (RFC 8617 5.2 steps 4 to 7). See dkim_inside.h.
 *
 * Called by dkim_verify when every signature has its result. Owns nothing.
 */
#include "mail/dkim_inside.h"

static void conclude(struct auth_arc *out, enum auth_result result, struct str reason)
{
    out->result = result;
    out->reason = reason;
}

/* The newest ARC-Message-Signature and every seal must fit. */
static bool must_pass(struct dkim_check *c, const struct dkim_signature *s, const char *what, size_t i, struct auth_arc *out)
{
    if (s->result.result == AUTH_PASS)
        return true;
    conclude(out, s->result.result == AUTH_TEMPERROR ? AUTH_TEMPERROR : AUTH_FAIL,
             arena_printf(c->a, "%s %zu: %.*s", what, i, STR(s->result.reason)));
    return false;
}

/* The oldest instance whose message signature still fits, with all after it; 0 = all (RFC 8617 5.2 step 5). */
static size_t oldest_pass(const struct arc_chain *chain)
{
    size_t i = chain->n;

    while (i > 1 && chain->sets[i - 1].ams->result.result == AUTH_PASS)
        i--;
    return i == 1 ? 0 : i;
}

void arc_conclude(struct dkim_check *c, struct arc_chain *chain, struct auth_arc *out)
{
    const struct arc_set *newest = &chain->sets[chain->n];

    *out = (struct auth_arc){.result = AUTH_NONE, .instances = chain->highest, .trusted = out->trusted};
    if (!chain->present)
        return;
    if (chain->n) {
        out->sealer = newest->seal->domain;
        out->selector = newest->seal->selector;
        out->results = newest->results_value;
        out->first_results = chain->sets[1].results_value;
    }
    if (chain->broken.n) {
        conclude(out, AUTH_FAIL, chain->broken);
        return;
    }
    if (!must_pass(c, newest->ams, "ARC-Message-Signature", chain->n, out))
        return;
    for (size_t i = chain->n; i >= 1; i--)
        if (!must_pass(c, chain->sets[i].seal, "ARC-Seal", i, out))
            return;
    out->oldest_pass = arena_printf(c->a, "%zu", oldest_pass(chain));
    conclude(out, AUTH_PASS, arena_printf(c->a, "chain of %zu verified", chain->n));
}
