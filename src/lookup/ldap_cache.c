/*
 * The cache of answers of directories. See ldap_cache.h.
 *
 * Used by ldap.c. Owns a block for each answer (key, encoded answer) in a hash table, and per server a list by age.
 */
#include "lookup/ldap_cache.h"

#include "base/clock.h"
#include "base/must.h"

#include <stdlib.h>

enum { BUCKETS = 16384, ANSWER_MAX = 64 << 10 };

struct kept {
    struct kept *next; /* in its bucket */
    struct kept *older, *newer;
    struct owner *owner;
    uint64_t expires_ms;
    struct str key, answer; /* behind the struct */
};

struct owner {
    struct owner *next;
    struct kept *oldest, *newest;
    size_t n;
    struct str name; /* behind the struct */
};

struct ldap_cache {
    struct kept *table[BUCKETS];
    struct owner *owners;
    uint64_t seed; /* keys come from strangers */
};

struct ldap_cache *ldap_cache_new(void)
{
    struct ldap_cache *c = calloc(1, sizeof *c);

    must(c);
    c->seed = random_u64();
    return c;
}

static struct kept **place(struct ldap_cache *c, struct str key)
{
    struct kept **at = &c->table[str_hash_seed(key, c->seed) % BUCKETS];

    while (*at && !str_eq((*at)->key, key))
        at = &(*at)->next;
    return at;
}

static void forget(struct ldap_cache *c, struct kept *k)
{
    struct owner *o = k->owner;

    *place(c, k->key) = k->next;
    *(k->older ? &k->older->newer : &o->oldest) = k->newer;
    *(k->newer ? &k->newer->older : &o->newest) = k->older;
    o->n--;
    free(k);
}

size_t ldap_cache_flush(struct ldap_cache *c, struct str server)
{
    size_t n = 0;

    for (struct owner *o = c->owners; o; o = o->next)
        for (; o->oldest && (!server.n || str_eqi(o->name, server)); n++)
            forget(c, o->oldest);
    return n;
}

void ldap_cache_free(struct ldap_cache *c)
{
    if (!c)
        return;
    ldap_cache_flush(c, STR_NONE);
    for (struct owner *o; (o = c->owners);) {
        c->owners = o->next;
        free(o);
    }
    free(c);
}

bool ldap_answer_copy(struct arena *a, const struct ldap_answer *from, struct ldap_answer *to)
{
    struct ldap_value *values = arena_array(a, struct ldap_value, from->n + 1);

    if (!values)
        return false;
    for (size_t i = 0; i < from->n; i++)
        values[i] = (struct ldap_value){arena_str(a, from->values[i].name), arena_str(a, from->values[i].value)};
    *to = (struct ldap_answer){from->result, arena_str(a, from->why), values, from->n};
    return true;
}

bool ldap_cache_find(struct ldap_cache *c, struct str key, uint64_t now_ms, struct arena *a, struct ldap_answer *out)
{
    struct kept *k = *place(c, key);
    const struct ldap_answer *list;
    size_t n;

    if (k && k->expires_ms <= now_ms) {
        forget(c, k);
        k = NULL;
    }
    return k && ldap_answers_decode(a, k->answer, &list, &n) == RC_OK && n == 1 && ldap_answer_copy(a, list, out);
}

static struct owner *owner_get(struct ldap_cache *c, struct str name)
{
    struct owner *o = c->owners;

    while (o && !str_eqi(o->name, name))
        o = o->next;
    if (o)
        return o;
    o = calloc(1, sizeof *o + name.n + 1);
    must(o);
    memcpy(o + 1, name.p, name.n);
    o->name = str_of(o + 1, name.n);
    o->next = c->owners;
    c->owners = o;
    return o;
}

void ldap_cache_put(struct ldap_cache *c, struct str server, struct str key, const struct ldap_answer *answer,
                    uint64_t expires_ms, uint64_t most)
{
    struct buf b = BUF(ANSWER_MAX);
    struct owner *o = owner_get(c, server);
    struct kept *k = *place(c, key);

    if (k)
        forget(c, k);
    ldap_answers_encode(answer, 1, &b);
    if (most && !b.failed && answer->result != LDAP_TEMPORARY) {
        k = malloc(sizeof *k + key.n + b.n);
        must(k);
        memcpy(k + 1, key.p, key.n);
        memcpy((char *)(k + 1) + key.n, b.p, b.n);
        *k = (struct kept){.older = o->newest,
                           .owner = o,
                           .expires_ms = expires_ms,
                           .key = str_of(k + 1, key.n),
                           .answer = str_of((char *)(k + 1) + key.n, b.n)};
        *place(c, k->key) = k;
        *(o->newest ? &o->newest->newer : &o->oldest) = k;
        o->newest = k;
        o->n++;
    }
    while (o->n > most)
        forget(c, o->oldest);
    buf_done(&b);
}
