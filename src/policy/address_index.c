/*
 * A hash of address patterns. See address_index.h.
 *
 * Called by mail policies. Owns nothing beyond the arena. An address costs one look-up for each form that could name it:
 * itself, its user, its domain, each domain above.
 */
#include "policy/address_index.h"

#include "mail/address.h"

enum { PATTERN_MAX = 320, LABELS_MAX = 130 };

struct address_index_entry {
    struct address_index_entry *next;
    struct str key;
    uint32_t rank;
};

static struct str all(void)
{
    return str_lit("all");
}

bool address_pattern_fits(struct str pattern)
{
    size_t at = str_find_last(pattern, '@');
    struct str domain = at < pattern.n ? str_from(pattern, at + 1) : pattern;

    if (!pattern.n || pattern.n > PATTERN_MAX || (at < pattern.n && pattern.n == 1))
        return false;
    for (size_t i = 0; i < pattern.n; i++)
        if ((unsigned char)pattern.p[i] <= 0x20 || pattern.p[i] == 0x7f || pattern.p[i] == ',' || pattern.p[i] == '<')
            return false;
    if (at == pattern.n && str_eqi(pattern, all()))
        return true;
    return at < pattern.n || str_find(domain, '.') < domain.n;
}

/* "@domain" and "domain" are one. */
static struct str key_of(struct str pattern)
{
    return pattern.n > 1 && pattern.p[0] == '@' ? str_from(pattern, 1) : pattern;
}

enum rc address_index_init(struct address_index *x, struct arena *a, size_t entries, struct err *e)
{
    size_t n = 16;

    while (n < entries * 2 && n < (size_t)1 << 24)
        n *= 2;
    *x = (struct address_index){.arena = a, .n_buckets = n};
    x->buckets = arena_array(a, struct address_index_entry *, n);
    return x->buckets ? RC_OK : err_set(e, RC_NO_MEMORY, "addresses");
}

enum rc address_index_add(struct address_index *x, struct str pattern, uint32_t rank, struct err *e)
{
    struct address_index_entry *entry = arena_new(x->arena, struct address_index_entry), **bucket;

    if (!entry)
        return err_set(e, RC_NO_MEMORY, "addresses");
    *entry = (struct address_index_entry){.key = key_of(pattern), .rank = rank};
    bucket = &x->buckets[str_hashi(entry->key) & (x->n_buckets - 1)];
    entry->next = *bucket;
    *bucket = entry;
    x->n++;
    return RC_OK;
}

static void look(const struct address_index *x, struct str key, void (*hit)(void *ctx, uint32_t rank), void *ctx)
{
    for (const struct address_index_entry *i = x->buckets[str_hashi(key) & (x->n_buckets - 1)]; i; i = i->next)
        if (str_eqi(i->key, key))
            hit(ctx, i->rank);
}

void address_index_find(const struct address_index *x, struct str address, void (*hit)(void *ctx, uint32_t rank), void *ctx)
{
    size_t at = str_find_last(address, '@');
    struct str rest;

    if (!x->n)
        return;
    look(x, all(), hit, ctx);
    if (!address.n)
        return;
    look(x, address, hit, ctx);
    if (at == address.n)
        return;
    look(x, str_first(address, at + 1), hit, ctx);
    rest = str_from(address, at + 1);
    look(x, rest, hit, ctx);
    for (size_t i = 0; i < LABELS_MAX; i++) {
        size_t dot = str_find(rest, '.');

        if (dot == rest.n)
            return;
        look(x, str_from(rest, dot), hit, ctx);
        rest = str_from(rest, dot + 1);
    }
}
