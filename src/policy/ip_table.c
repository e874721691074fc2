/*
 * Networks to ranks. See ip_table.h.
 *
 * Called when a snapshot is compiled (adding, building) and for each connection (finding). All memory is the arena's. Ranges
 * become the few networks that make them up; an address is looked up once per prefix length by halving.
 */
#include "policy/ip_table.h"

#include <stdlib.h>

typedef unsigned __int128 u128;

/* An address is kept left-aligned in 128 bits, so one mask serves both families. */
struct ip_prefix {
    u128 net;
    struct ip_prefix *next; /* while building */
    uint32_t rank;
    uint16_t family;
    uint16_t bits;
};

struct ip_group {
    uint16_t family, bits;
    size_t from, to;
};

static u128 number_of(const struct address_ip *ip)
{
    size_t n = ip->family == AF_INET ? 4 : 16;
    u128 v = 0;

    for (size_t i = 0; i < n; i++)
        v = v << 8 | ip->octets[i];
    return n == 4 ? v << 96 : v;
}

static unsigned width_of(uint16_t family)
{
    return family == AF_INET ? 32 : 128;
}

static u128 mask_of(unsigned bits)
{
    return bits == 0 ? 0 : ~(u128)0 << (128 - bits);
}

void ip_table_begin(struct ip_table *t, struct arena *a)
{
    *t = (struct ip_table){.arena = a};
}

static enum rc add(struct ip_table *t, uint16_t family, u128 net, unsigned bits, uint32_t rank, struct err *e)
{
    struct ip_prefix *p = arena_new(t->arena, struct ip_prefix);

    if (!p)
        return err_set(e, RC_NO_MEMORY, "too many addresses");
    *p = (struct ip_prefix){net & mask_of(bits), t->items, rank, family, (uint16_t)bits};
    t->items = p;
    t->n++;
    return RC_OK;
}

/* The networks between two addresses, largest first. */
static enum rc add_range(struct ip_table *t, uint16_t family, u128 from, u128 to, uint32_t rank, struct err *e)
{
    unsigned width = width_of(family);
    u128 one = (u128)1 << (128 - width);

    to |= one - 1; /* left-aligned IPv4: the low bits belong to the last address */
    while (from <= to) {
        unsigned bits = width;
        u128 last;

        while (bits > 0 && (from & ~mask_of(bits - 1)) == 0 && (from | ~mask_of(bits - 1)) <= to)
            bits--;
        TRY(add(t, family, from, bits, rank, e));
        last = from | ~mask_of(bits);
        if (last == ~(u128)0)
            break;
        from = last + 1;
    }
    return RC_OK;
}

/* "192.0.2." or "10.": leading octets of an IPv4 address. */
static enum rc add_leading(struct ip_table *t, struct str text, uint32_t rank, struct err *e)
{
    struct str rest = str_first(text, text.n - 1), part;
    unsigned n = 0;
    u128 v = 0;
    uint64_t octet;

    while (str_split(&rest, '.', &part)) {
        if (++n > 3 || !str_u64(part, &octet) || octet > 255)
            return err_set(e, RC_SYNTAX, "no address: %.*s", STR(text));
        v = v << 8 | octet;
    }
    return add(t, AF_INET, v << (128 - 8 * n), 8 * n, rank, e);
}

enum rc ip_table_add(struct ip_table *t, struct str text, uint32_t rank, struct err *e)
{
    size_t slash = str_find(text, '/'), dash = str_find(text, '-');
    struct address_ip a, b;
    uint64_t bits;

    if (text.n > 1 && text.p[text.n - 1] == '.' && ascii_digit(text.p[0]))
        return add_leading(t, text, rank, e);
    if (!ip_parse(str_first(text, slash < dash ? slash : dash), &a))
        return err_set(e, RC_SYNTAX, "no address: %.*s", STR(text));
    bits = width_of(a.family);
    if (slash < text.n && (!str_u64(str_from(text, slash + 1), &bits) || bits > width_of(a.family)))
        return err_set(e, RC_SYNTAX, "bad prefix length: %.*s", STR(text));
    if (slash < text.n || dash == text.n)
        return add(t, a.family, number_of(&a), (unsigned)bits, rank, e);
    if (!ip_parse(str_from(text, dash + 1), &b) || b.family != a.family || number_of(&a) > number_of(&b))
        return err_set(e, RC_SYNTAX, "bad range: %.*s", STR(text));
    return add_range(t, a.family, number_of(&a), number_of(&b), rank, e);
}

static int compare(const void *left, const void *right)
{
    const struct ip_prefix *a = left, *b = right;

    if (a->family != b->family)
        return a->family < b->family ? -1 : 1;
    if (a->bits != b->bits)
        return a->bits < b->bits ? -1 : 1;
    if (a->net != b->net)
        return a->net < b->net ? -1 : 1;
    return a->rank < b->rank ? -1 : a->rank > b->rank;
}

enum rc ip_table_build(struct ip_table *t, struct err *e)
{
    struct ip_prefix *array = arena_array(t->arena, struct ip_prefix, t->n);
    struct ip_group *groups = arena_array(t->arena, struct ip_group, 2 + 33 + 129);
    size_t i = 0;

    if (!array || !groups)
        return err_set(e, RC_NO_MEMORY, "too many addresses");
    for (const struct ip_prefix *p = t->items; p; p = p->next)
        array[i++] = *p;
    if (t->n)
        qsort(array, t->n, sizeof *array, compare);
    t->items = array;
    t->groups = groups;
    t->n_groups = 0;
    for (i = 0; i < t->n; i++) {
        struct ip_group *g = t->n_groups ? &groups[t->n_groups - 1] : NULL;

        if (!g || g->family != array[i].family || g->bits != array[i].bits) {
            g = &groups[t->n_groups++];
            *g = (struct ip_group){array[i].family, array[i].bits, i, i};
        }
        g->to = i + 1;
    }
    return RC_OK;
}

static uint32_t find_in(const struct ip_table *t, const struct ip_group *g, u128 net)
{
    size_t from = g->from, to = g->to;

    while (from < to) {
        size_t mid = from + (to - from) / 2;

        if (t->items[mid].net < net)
            from = mid + 1;
        else
            to = mid;
    }
    return from < g->to && t->items[from].net == net ? t->items[from].rank : IP_TABLE_NONE;
}

uint32_t ip_table_find(const struct ip_table *t, const struct address_ip *ip)
{
    u128 v = number_of(ip);
    uint32_t best = IP_TABLE_NONE;

    for (size_t i = 0; i < t->n_groups; i++) {
        const struct ip_group *g = &t->groups[i];
        uint32_t rank;

        if (g->family != ip->family)
            continue;
        rank = find_in(t, g, v & mask_of(g->bits));
        if (rank < best)
            best = rank;
    }
    return best;
}

enum rc ip_table_of(struct arena *a, struct strs lines, struct ip_table *out, struct err *e)
{
    ip_table_begin(out, a);
    for (size_t i = 0; i < lines.n; i++) {
        enum rc rc = ip_table_add(out, str_trim(lines.items[i]), (uint32_t)i, e);

        if (rc != RC_OK && rc != RC_SYNTAX)
            return rc;
    }
    return ip_table_build(out, e);
}
