/*
 * DNS questions that wait, and what SPF, DKIM, DMARC and ARC need beside them. See world_auth.h.
 *
 * Called by world.c; room policy calls back. Owns the public suffix list and the DKIM verifier of a worker. All questions of
 * one message together may take AUTH_MS (RFC 7208 4.6.4); beyond that, and without lookup, everything is a temporary error.
 * A domain that kept a message waiting in vain is left alone for half a minute (dns_slow.h).
 */
#include "scan/world_auth.h"

#include "base/clock.h"
#include "base/must.h"
#include "mail/dkim.h"
#include "scan/dns_slow.h"
#include "scan/world.h"

#include <stdlib.h>

enum { AUTH_MS = 20000, ANSWERS_BYTES = 8 << 20, SKEW_S = 300 };

struct world_auth {
    struct suffixes *suffixes;
    struct dkim *dkim;
    uint64_t until_ms; /* monotonic: when the questions of this message end; 0 = none is being evaluated */
    struct dns_slow slow;
};

struct waiting {
    struct buf copy; /* the answers are views that end with the callback */
    bool over;
};

static void on_answers(void *ctx, const struct dns_answer *answers, size_t n)
{
    struct waiting *w = ctx;

    dns_answers_encode(answers, n, &w->copy);
    w->over = true;
}

static bool is_over(void *ctx)
{
    return ((struct waiting *)ctx)->over;
}

static uint64_t time_left(const struct world_auth *x)
{
    uint64_t now = clock_mono_ms();

    if (!x->until_ms)
        return DNS_ASK_TIMEOUT_MS;
    return now >= x->until_ms ? 0 : x->until_ms - now < DNS_ASK_TIMEOUT_MS ? x->until_ms - now : DNS_ASK_TIMEOUT_MS;
}

static enum rc taken(struct arena *a, struct waiting *w, size_t n, const struct dns_answer **out)
{
    struct str copy = w->over && !w->copy.failed ? arena_str(a, buf_str(&w->copy)) : STR_NONE;
    size_t got = 0;

    buf_done(&w->copy);
    if (!copy.p || dns_answers_decode(a, copy, out, &got) != RC_OK || got != n)
        return RC_UNAVAILABLE;
    return RC_OK;
}

static enum rc ask_awake(struct scan_world *w, struct arena *a, const struct dns_question *q, size_t n,
                         const struct dns_answer **out)
{
    struct bus_peer *lookup = w->bus ? bus_peer(w->bus, ROLE_lookup, 0) : NULL;
    struct waiting wait = {.copy = BUF(ANSWERS_BYTES)};
    uint64_t left = time_left(w->auth), begun = clock_mono_ms(), number, now;
    enum rc rc;

    if (!left)
        return RC_TIMEOUT;
    number = dns_ask(w->dns, q, n, left, on_answers, &wait);
    if (number && (!lookup || !bus_wait(w->bus, lookup, left, is_over, &wait)) && !wait.over)
        dns_ask_cancel(w->dns, number);
    rc = taken(a, &wait, n, out);
    now = clock_mono_ms();
    if (now >= begun + DNS_SLOW_MS)
        dns_slow_note(&w->auth->slow, w->auth->suffixes, q, n, rc == RC_OK ? *out : NULL, now);
    return rc;
}

static enum rc ask(void *ctx, struct arena *a, const struct dns_question *q, size_t n, const struct dns_answer **out)
{
    struct scan_world *w = ctx;
    struct dns_question *awake = arena_array(a, struct dns_question, n + 1);
    const struct dns_answer *answers = NULL;
    size_t n_awake;

    if (!awake)
        return RC_NO_MEMORY;
    n_awake = dns_slow_awake(&w->auth->slow, w->auth->suffixes, q, n, clock_mono_ms(), awake);
    if (n_awake)
        TRY(ask_awake(w, a, awake, n_awake, &answers));
    *out = n_awake == n ? answers : dns_slow_merge(a, q, n, awake, answers, n_awake);
    return *out ? RC_OK : RC_NO_MEMORY;
}

static void verify(void *ctx, struct message *m, bool dkim, bool arc, struct auth_results *out)
{
    struct world_auth *x = ctx;
    struct dkim_options o = {.now_s = message_now_ms(m) / 1000, .skew_s = SKEW_S, .dkim = dkim, .arc = arc};

    dkim_verify(x->dkim, m->arena, m->patch.original, &o, &m->world->dns, out); /* without memory nothing is checked */
}

static const struct auth_results *evaluate(void *ctx, struct message *m)
{
    struct scan_world *w = ctx;
    struct auth_tools tools = {.suffixes = w->auth->suffixes, .dkim = verify, .ctx = w->auth};
    const struct auth_results *r;

    w->auth->until_ms = clock_mono_ms() + AUTH_MS;
    r = auth_evaluate(m, &tools);
    w->auth->until_ms = 0;
    return r;
}

struct world_auth *world_auth_new(struct scan_world *w)
{
    struct world_auth *x = calloc(1, sizeof *x);

    must(x);
    x->suffixes = suffixes_load(NULL);
    must((x->dkim = dkim_new()));
    w->calls.dns = (struct dns_source){ask, w};
    w->calls.auth = evaluate;
    return x;
}

const struct suffixes *world_auth_suffixes(const struct world_auth *x)
{
    return x ? x->suffixes : NULL;
}

void world_auth_free(struct world_auth *x)
{
    if (!x)
        return;
    suffixes_free(x->suffixes);
    dkim_free(x->dkim);
    free(x);
}
