/*
 * A cache of DNS answers in encoded form. See dns_cache.h.
 *
 * Used by bus/ask (60 s in front of the bus) and lookup. Owns the encoded answers. The places are made at the first answer;
 * without memory nothing is kept. Keys are hashed with a random seed, so nobody outside can aim at a place.
 */
#include "mail/dns_cache.h"

#include "base/clock.h"
#include "base/must.h"

#include <stdlib.h>

enum { ANSWER_MAX = 64 << 10 };

struct kept {
    uint64_t until_ms;
    char *octets; /* encoded list of one answer */
    size_t n;
};

struct dns_cache {
    size_t places;
    uint64_t most_ms, seed;
    struct kept *kept;
};

struct dns_cache *dns_cache_new(size_t places, uint64_t most_ms)
{
    struct dns_cache *c = calloc(1, sizeof *c);

    must(c && places);
    c->places = places;
    c->most_ms = most_ms;
    c->seed = random_u64();
    return c;
}

void dns_cache_clear(struct dns_cache *c)
{
    for (size_t i = 0; c->kept && i < c->places; i++)
        free(c->kept[i].octets);
    free(c->kept);
    c->kept = NULL;
}

void dns_cache_free(struct dns_cache *c)
{
    if (!c)
        return;
    dns_cache_clear(c);
    free(c);
}

static struct kept *place(struct dns_cache *c, const struct dns_question *q)
{
    char lower[256];
    size_t n = q->name.n < sizeof lower ? q->name.n : sizeof lower;

    for (size_t i = 0; i < n; i++)
        lower[i] = ascii_lower(q->name.p[i]);
    return &c->kept[(str_hash_seed(str_of(lower, n), c->seed) + q->type * 0x9E3779B97F4A7C15u) % c->places];
}

enum dns_cached dns_cache_find(struct dns_cache *c, const struct dns_question *q, struct arena *a, struct dns_answer *out)
{
    const struct dns_answer *found;
    uint64_t now = clock_mono_ms();
    struct kept *k;
    struct str copy;
    size_t n;

    if (!c->kept)
        return DNS_CACHE_MISS;
    k = place(c, q);
    if (!k->octets)
        return DNS_CACHE_MISS;
    copy = arena_str(a, str_of(k->octets, k->n));
    if (!copy.p || dns_answers_decode(a, copy, &found, &n) != RC_OK || n != 1 || found->question.type != q->type ||
        !str_eqi(found->question.name, q->name))
        return DNS_CACHE_MISS;
    if (k->until_ms <= now)
        return DNS_CACHE_EXPIRED;
    *out = *found;
    out->ttl = (k->until_ms - now + 999) / 1000;
    return DNS_CACHE_HIT;
}

void dns_cache_put(struct dns_cache *c, const struct dns_answer *answer)
{
    uint64_t keep_ms = answer->ttl < c->most_ms / 1000 ? answer->ttl * 1000 : c->most_ms;
    struct buf b = BUF(ANSWER_MAX);
    struct kept *k;

    if (answer->result == DNS_TEMPORARY || answer->result == DNS_BOGUS || keep_ms == 0)
        return;
    if (!c->kept)
        c->kept = calloc(c->places, sizeof *c->kept);
    dns_answers_encode(answer, 1, &b);
    if (b.failed || !c->kept) {
        buf_done(&b);
        return;
    }
    k = place(c, &answer->question);
    free(k->octets);
    *k = (struct kept){clock_mono_ms() + keep_ms, b.p, b.n};
}
