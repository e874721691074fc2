/*
 * The front of lookup: questions from the bus, the cache, one reply when all answers of a message are there.
 *
 * Made by role/main_lookup.c. Owns the resolver, the cache and a batch per message under way. A batch that is not complete
 * at its deadline is answered with DNS_TEMPORARY for what is missing.
 */
#include "lookup/lookup.h"

#include "base/must.h"
#include "lookup/engine.h"
#include "lookup/ldap.h"
#include "lookup/resolver.h"
#include "lookup/sts.h"
#include "mail/dns_cache.h"

#include <stdio.h>
#include <stdlib.h>

enum { CACHE_PLACES = 8192, CACHE_MS = 3600 * 1000, BATCH_ARENA = 4 << 20, BATCHES_MOST = 20000 };

struct lookup {
    struct lookup_options o;
    struct resolver *resolver;
    struct dns_cache *cache;
    struct batch *batches;
    size_t n_batches;
    struct sts *sts;
    struct ldap *ldap;
    struct engine_connector *engines;
    struct buf out;
};

/* One dns_questions message, or one step of ours (fn). */
struct batch {
    struct batch *next, *prev;
    struct lookup *l;
    struct bus_peer *from;
    uint64_t call;
    void (*fn)(void *ctx, const struct dns_answer *answers, size_t n);
    void *fn_ctx;
    struct loop_timer deadline;
    struct arena arena;
    struct dns_answer *answers;
    struct place {
        struct batch *b;
        size_t i;
        int id; /* at the resolver; -1 = answered */
    } * places;
    size_t n, missing;
};

static void outstanding(struct lookup *l, int64_t more)
{
    if (l->o.board)
        board_gauge_add(l->o.board, 0, GAUGE_DNS_OUTSTANDING, more);
}

static void gauge(struct lookup *l, enum board_gauge g)
{
    if (l->o.board)
        board_gauge_add(l->o.board, 0, g, 1);
}

static void batch_free(struct batch *b)
{
    loop_timer_cancel(b->l->o.loop, &b->deadline);
    if (b->prev)
        b->prev->next = b->next;
    else
        b->l->batches = b->next;
    if (b->next)
        b->next->prev = b->prev;
    b->l->n_batches--;
    arena_done(&b->arena);
    free(b);
}

static void batch_reply(struct batch *b)
{
    struct lookup *l = b->l;

    if (b->fn) {
        b->fn(b->fn_ctx, b->answers, b->n);
        batch_free(b);
        return;
    }
    buf_clear(&l->out);
    dns_answers_encode(b->answers, b->n, &l->out);
    bus_reply(l->o.bus, b->from, b->call, BUS_dns_answers, &(struct bus_dns_answers){.answers = buf_str(&l->out)});
    batch_free(b);
}

/* What is still missing becomes temporary. */
static void batch_give_up(struct batch *b, const char *why)
{
    for (size_t i = 0; i < b->n; i++) {
        if (b->places[i].id < 0)
            continue;
        resolver_cancel(b->l->resolver, b->places[i].id);
        outstanding(b->l, -1);
        b->answers[i].result = DNS_TEMPORARY;
        b->answers[i].why = str_c(why);
        gauge(b->l, GAUGE_CACHE_EXCEPTIONS);
    }
    batch_reply(b);
}

static void on_deadline(void *ctx)
{
    batch_give_up(ctx, "no answer in time");
}

static bool answer_copy(struct arena *a, const struct dns_answer *from, struct dns_answer *to)
{
    struct dns_record *records = arena_array(a, struct dns_record, from->n + 1);

    if (!records)
        return false;
    for (size_t i = 0; i < from->n; i++) {
        records[i].data = arena_str(a, from->records[i].data);
        records[i].preference = from->records[i].preference;
    }
    to->result = from->result;
    to->secure = from->secure;
    to->ttl = from->ttl;
    to->why = arena_str(a, from->why);
    to->records = records;
    to->n = from->n;
    return true;
}

static void answer_take(struct batch *b, size_t i, const struct dns_answer *answer)
{
    struct dns_answer *d = &b->answers[i];

    if (!answer_copy(&b->arena, answer, d))
        d->result = DNS_TEMPORARY;
    if (d->result == DNS_TEMPORARY || d->result == DNS_BOGUS)
        gauge(b->l, GAUGE_CACHE_EXCEPTIONS);
    dns_cache_put(b->l->cache, d);
    b->places[i].id = -1;
    b->missing--;
}

static void on_answer(void *ctx, const struct dns_answer *answer)
{
    struct place *p = ctx;
    struct batch *b = p->b;

    outstanding(b->l, -1);
    answer_take(b, p->i, answer);
    if (b->missing == 0)
        batch_reply(b);
}

static void question(struct batch *b, size_t i)
{
    static const enum board_gauge GAUGES[] = {[DNS_CACHE_MISS] = GAUGE_CACHE_MISSES,
                                              [DNS_CACHE_HIT] = GAUGE_CACHE_HITS,
                                              [DNS_CACHE_EXPIRED] = GAUGE_CACHE_EXPIRED};
    struct lookup *l = b->l;
    struct dns_question q = b->answers[i].question;
    struct dns_answer found;
    enum dns_cached cached = dns_cache_find(l->cache, &q, &b->arena, &found);

    gauge(l, GAUGE_DNS_REQUESTS);
    gauge(l, GAUGES[cached]);
    b->places[i] = (struct place){b, i, -1};
    b->missing++;
    if (cached == DNS_CACHE_HIT) {
        b->answers[i] = found;
        b->answers[i].question = q;
        b->missing--;
        return;
    }
    gauge(l, GAUGE_NET_REQUESTS);
    b->places[i].id = resolver_ask(l->resolver, &q, on_answer, &b->places[i], &found);
    if (b->places[i].id < 0)
        answer_take(b, i, &found);
    else
        outstanding(l, 1);
}

static struct batch *batch_new(struct lookup *l)
{
    struct batch *b = calloc(1, sizeof *b);

    must(b);
    arena_init(&b->arena, 1024, BATCH_ARENA);
    b->l = l;
    b->next = l->batches;
    if (b->next)
        b->next->prev = b;
    l->batches = b;
    l->n_batches++;
    return b;
}

/* Asks all; b is gone when everything was known. */
static void batch_start(struct batch *b, const struct dns_question *q)
{
    struct lookup *l = b->l;

    b->answers = arena_must_alloc(&b->arena, b->n * sizeof *b->answers);
    b->places = arena_must_alloc(&b->arena, b->n * sizeof *b->places);
    for (size_t i = 0; i < b->n; i++)
        b->answers[i].question = q[i];
    for (size_t i = 0; i < b->n; i++)
        question(b, i);
    if (b->missing == 0)
        batch_reply(b);
    else
        loop_timer_set(l->o.loop, &b->deadline, conf_now(l->o.conf)->dns.timeout_ms, on_deadline, b);
}

static void on_questions(void *ctx, const struct bus_in *in)
{
    struct lookup *l = ctx;
    const struct bus_dns_questions *m = in->msg;
    const struct dns_question *q;
    struct batch *b;
    struct str copy;

    if (l->n_batches >= BATCHES_MOST)
        return; /* the asker's own deadline answers */
    b = batch_new(l);
    b->from = in->from;
    b->call = in->call;
    copy = arena_str(&b->arena, m->questions);
    if (copy.p && dns_questions_decode(&b->arena, copy, &q, &b->n) == RC_OK && b->n)
        batch_start(b, q);
    else
        batch_free(b);
}

/* ---- MTA-STS ------------------------------------------------------------------------------------------------------ */

/* Questions of our own. */
static void ask_own(void *owner, const struct dns_question *q, size_t n,
                    void (*fn)(void *ctx, const struct dns_answer *a, size_t n), void *ctx)
{
    struct batch *b = batch_new(owner);
    struct dns_question *copy = arena_must_alloc(&b->arena, n * sizeof *copy);

    for (size_t i = 0; i < n; i++)
        copy[i] = (struct dns_question){q[i].type, arena_str(&b->arena, q[i].name)};
    b->fn = fn;
    b->fn_ctx = ctx;
    b->n = n;
    batch_start(b, copy);
}

struct sts_asked {
    struct lookup *l;
    struct bus_peer *from;
    uint64_t call;
};

static void on_policy(void *ctx, const struct sts_policy *policy, uint64_t expires_ms)
{
    struct sts_asked *a = ctx;

    bus_reply(a->l->o.bus, a->from, a->call, BUS_sts_policy,
              &(struct bus_sts_policy){.mode = policy->mode, .expires = expires_ms, .mx = policy->mx});
    free(a);
}

static void on_sts_question(void *ctx, const struct bus_in *in)
{
    struct lookup *l = ctx;
    const struct bus_sts_question *m = in->msg;
    struct sts_asked *a = malloc(sizeof *a);

    must(a);
    *a = (struct sts_asked){l, in->from, in->call};
    if (m->domain.n && m->domain.n <= 240 && conf_now(l->o.conf)->dns.sts)
        sts_ask(l->sts, m->domain, on_policy, a);
    else
        on_policy(a, &(struct sts_policy){0}, 0);
}

/* ---- settings ------------------------------------------------------------------------------------------------------- */

static bool texts_equal(struct strs a, struct strs b)
{
    if (a.n != b.n)
        return false;
    for (size_t i = 0; i < a.n; i++)
        if (!str_eq(a.items[i], b.items[i]))
            return false;
    return true;
}

static bool same_resolver(const struct conf_dns *a, const struct conf_dns *b)
{
    return texts_equal(a->servers, b->servers) && texts_equal(a->domain_servers, b->domain_servers) &&
           texts_equal(a->insecure_domains, b->insecure_domains) && texts_equal(a->trust_anchors, b->trust_anchors) &&
           a->dnssec == b->dnssec && str_eq(a->trust_anchor_file, b->trust_anchor_file) &&
           a->cache_bytes == b->cache_bytes && a->least_ttl_s == b->least_ttl_s &&
           str_eq(a->root_hints_file, b->root_hints_file);
}

static void resolver_renew(struct lookup *l, const struct conf_dns *settings)
{
    struct err e = ERR_NONE;
    struct resolver *made;

    while (l->batches)
        batch_give_up(l->batches, "resolver starts anew");
    if (resolver_new(l->o.loop, settings, &made, &e) != RC_OK)
        return; /* the old one goes on */
    if (e.text[0])
        fprintf(stderr, "postern-lookup: %s\n", e.text);
    resolver_free(l->resolver);
    l->resolver = made;
    dns_cache_clear(l->cache);
}

static void on_change(void *ctx, const struct conf *now, const struct conf *old)
{
    struct lookup *l = ctx;

    if (!l->resolver || !old || !same_resolver(&now->dns, &old->dns)) {
        resolver_renew(l, &now->dns);
        if (old)
            bus_send_all(l->o.bus, ROLE_any, BUS_dns_flushed, &(struct bus_dns_flushed){1});
    }
}

void lookup_flush(struct lookup *l)
{
    resolver_renew(l, &conf_now(l->o.conf)->dns);
    sts_flush(l->sts);
    bus_send_all(l->o.bus, ROLE_any, BUS_dns_flushed, &(struct bus_dns_flushed){1});
}

static void on_flush(void *ctx, const struct bus_in *in)
{
    (void)in;
    lookup_flush(ctx);
}

enum rc lookup_new(const struct lookup_options *o, struct lookup **out, struct err *e)
{
    struct lookup *l = calloc(1, sizeof *l);

    if (!l)
        return err_set(e, RC_NO_MEMORY, "out of memory");
    l->o = *o;
    l->cache = dns_cache_new(CACHE_PLACES, CACHE_MS);
    l->out = BUF(4 << 20);
    conf_on_change(o->conf, on_change, l);
    if (!l->resolver)
        return err_set(e, RC_UNAVAILABLE, "no resolver");
    bus_on(o->bus, BUS_dns_questions, on_questions, l);
    l->sts = sts_new(o->loop, o->conf, ask_own, l);
    bus_on(o->bus, BUS_sts_question, on_sts_question, l);
    bus_on(o->bus, BUS_dns_flush, on_flush, l);
    l->ldap = ldap_new(&(struct ldap_options){
        .loop = o->loop, .bus = o->bus, .conf = o->conf, .events = o->events, .dns = ask_own, .owner = l});
    l->engines = engine_connector_new(o->loop, o->bus);
    if (o->board)
        board_gauge_set(o->board, 0, GAUGE_DNS_OUTSTANDING, 0); /* what an earlier process left */
    *out = l;
    return RC_OK;
}

void lookup_free(struct lookup *l)
{
    if (!l)
        return;
    engine_connector_free(l->engines);
    sts_free(l->sts);
    while (l->batches)
        batch_free(l->batches);
    ldap_free(l->ldap); /* no question of its own is left to come back to it */
    resolver_free(l->resolver);
    dns_cache_free(l->cache);
    buf_done(&l->out);
    free(l);
}
