/*
 * Asking lookup, and the small cache of its answers. See ask.h.
 *
 * Used by receive, deliver and scan, one asker a process. Owns the asks under way (an arena each) and the kept answers. When
 * lookup is away, slow or sends nonsense, the answers are DNS_TEMPORARY with a text that says why.
 */
#include "bus/ask_inside.h"

#include <stdlib.h>

#include "base/must.h"

static void on_flushed(void *ctx, const struct bus_in *in)
{
    (void)in;
    dns_asker_flush(ctx);
}

struct dns_asker *dns_asker_new(struct bus *bus, struct loop *loop)
{
    struct dns_asker *a = calloc(1, sizeof *a);

    must(a);
    a->bus = bus;
    a->loop = loop;
    a->cache = dns_cache_new(ASK_CACHE, ASK_KEEP_MS);
    if (bus)
        bus_on(bus, BUS_dns_flushed, on_flushed, a);
    return a;
}

static void ask_free(struct ask *ask)
{
    if (ask->prev)
        ask->prev->next = ask->next;
    else
        ask->asker->asks = ask->next;
    if (ask->next)
        ask->next->prev = ask->prev;
    arena_done(&ask->arena);
    free(ask);
}

void dns_asker_flush(struct dns_asker *a)
{
    dns_cache_clear(a->cache);
}

void dns_asker_free(struct dns_asker *a)
{
    if (!a)
        return;
    while (a->asks) {
        if (a->bus && a->asks->number && !a->zone)
            bus_cancel(a->bus, a->asks->number);
        ask_free(a->asks);
    }
    if (a->bus)
        bus_on(a->bus, BUS_dns_flushed, NULL, NULL);
    dns_cache_free(a->cache);
    free(a->zone);
    free(a);
}

/* ---- asking --------------------------------------------------------------------------------------------------- */

void ask_finish(struct ask *ask)
{
    dns_answers_fn *fn = ask->fn;

    if (fn)
        fn(ask->ctx, ask->answers, ask->n);
    ask_free(ask);
}

static void missing_failed(struct ask *ask, const char *why)
{
    for (size_t i = 0; i < ask->n_missing; i++) {
        struct dns_answer *d = &ask->answers[ask->missing[i]];

        d->result = DNS_TEMPORARY;
        d->why = str_c(why);
    }
}

static void on_reply(void *ctx, enum rc rc, const void *msg)
{
    struct ask *ask = ctx;
    const struct bus_dns_answers *reply = msg;
    const struct dns_answer *got = NULL;
    size_t n = 0;

    if (rc != RC_OK) {
        missing_failed(ask, rc == RC_TIMEOUT ? "no answer in time" : "look-up service is not available");
    } else if (dns_answers_decode(&ask->arena, reply->answers, &got, &n) != RC_OK || n != ask->n_missing) {
        missing_failed(ask, "answer could not be read");
    } else {
        for (size_t i = 0; i < n; i++) {
            struct dns_answer *d = &ask->answers[ask->missing[i]];
            struct dns_question q = d->question;

            *d = got[i];
            d->question = q;
            dns_cache_put(ask->asker->cache, d);
        }
    }
    ask_finish(ask);
}

static struct ask *ask_new(struct dns_asker *a, const struct dns_question *q, size_t n)
{
    struct ask *ask = calloc(1, sizeof *ask);
    struct dns_question *questions;

    must(ask && n > 0 && n <= DNS_QUESTIONS_MAX);
    arena_init(&ask->arena, 1024, ASK_ARENA);
    ask->asker = a;
    ask->n = n;
    questions = arena_must_alloc(&ask->arena, n * sizeof *questions);
    ask->answers = arena_must_alloc(&ask->arena, n * sizeof *ask->answers);
    ask->missing = arena_must_alloc(&ask->arena, n * sizeof *ask->missing);
    ask->questions = questions;
    for (size_t i = 0; i < n; i++) {
        questions[i].type = q[i].type;
        questions[i].name = arena_str(&ask->arena, str_first(q[i].name, 255));
        ask->answers[i].question = questions[i];
    }
    ask->next = a->asks;
    if (ask->next)
        ask->next->prev = ask;
    a->asks = ask;
    return ask;
}

static bool send_missing(struct ask *ask, uint64_t timeout_ms)
{
    struct dns_asker *a = ask->asker;
    struct bus_peer *to = a->bus ? bus_peer(a->bus, ROLE_lookup, 0) : NULL;
    struct buf b = BUF(128 << 10);

    if (!to) {
        missing_failed(ask, "look-up service is not available");
        return false;
    }
    buf_put_varint(&b, ask->n_missing);
    for (size_t i = 0; i < ask->n_missing; i++) {
        buf_put_varint(&b, ask->questions[ask->missing[i]].type);
        buf_put_str(&b, ask->questions[ask->missing[i]].name);
    }
    ask->number = bus_call(a->bus, to, BUS_dns_questions, &(struct bus_dns_questions){.questions = buf_str(&b)}, timeout_ms,
                           on_reply, ask);
    buf_done(&b);
    return true;
}

uint64_t dns_ask(struct dns_asker *a, const struct dns_question *q, size_t n, uint64_t timeout_ms, dns_answers_fn *fn,
                 void *ctx)
{
    struct ask *ask = ask_new(a, q, n);

    ask->fn = fn;
    ask->ctx = ctx;
    for (size_t i = 0; i < n; i++) {
        if (a->zone)
            ask_canned_answer(ask, i);
        else if (dns_cache_find(a->cache, &ask->questions[i], &ask->arena, &ask->answers[i]) != DNS_CACHE_HIT)
            ask->missing[ask->n_missing++] = i;
    }
    if (a->zone && a->zone_later)
        return ask->number = ++a->canned_number;
    if (ask->n_missing && send_missing(ask, timeout_ms))
        return ask->number;
    ask_finish(ask);
    return 0;
}

void dns_ask_cancel(struct dns_asker *a, uint64_t number)
{
    for (struct ask *ask = a->asks; ask && number; ask = ask->next) {
        if (ask->number != number)
            continue;
        if (!a->zone)
            bus_cancel(a->bus, number);
        ask_free(ask);
        return;
    }
}
