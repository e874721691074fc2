/*
 * Domains that are left alone for a while. See dns_slow.h.
 *
 * Called by world_auth.c. Owns nothing; two domains that share a place push each other out, which costs a wait.
 */
#include "scan/dns_slow.h"

static uint64_t key(const struct suffixes *suffixes, struct str name)
{
    return str_hashi(orgdomain_by_list(suffixes, name));
}

static bool rests(const struct dns_slow *s, uint64_t hash, uint64_t now_ms)
{
    return s->places[hash % DNS_SLOW_PLACES].hash == hash && now_ms < s->places[hash % DNS_SLOW_PLACES].until_ms;
}

size_t dns_slow_awake(const struct dns_slow *s, const struct suffixes *suffixes, const struct dns_question *q, size_t n,
                      uint64_t now_ms, struct dns_question *out)
{
    size_t awake = 0;

    for (size_t i = 0; i < n; i++)
        if (!rests(s, key(suffixes, q[i].name), now_ms))
            out[awake++] = q[i];
    return awake;
}

const struct dns_answer *dns_slow_merge(struct arena *a, const struct dns_question *q, size_t n,
                                        const struct dns_question *awake, const struct dns_answer *answers, size_t n_awake)
{
    struct dns_answer *all = arena_array(a, struct dns_answer, n + 1);
    size_t next = 0;

    for (size_t i = 0; all && i < n; i++) {
        bool asked = next < n_awake && q[i].type == awake[next].type && str_eq(q[i].name, awake[next].name);

        all[i] = asked ? answers[next++]
                       : (struct dns_answer){.question = q[i],
                                             .result = DNS_TEMPORARY,
                                             .why = str_lit("its name servers did not answer a moment ago")};
    }
    return all;
}

void dns_slow_note(struct dns_slow *s, const struct suffixes *suffixes, const struct dns_question *q, size_t n,
                   const struct dns_answer *answers, uint64_t now_ms)
{
    for (size_t i = 0; i < n; i++) {
        uint64_t hash = key(suffixes, q[i].name);

        if (answers && answers[i].result != DNS_TEMPORARY)
            continue;
        s->places[hash % DNS_SLOW_PLACES].hash = hash;
        s->places[hash % DNS_SLOW_PLACES].until_ms = now_ms + DNS_SLOW_REST_MS;
    }
}
