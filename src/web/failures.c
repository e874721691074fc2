/*
 * Counts failed logins by address. See failures.h.
 *
 * Called by login.c. Owns one table of fixed size; an address takes a slot with its first failure.
 */
#include "web/failures.h"

#include "base/must.h"

#include <stdlib.h>

enum { SLOTS = 256, MOST = 10, WINDOW_MS = 60000, SHUT_MS = 60000, SHUT_MOST_MS = 900000, FORGET_MS = 3600000 };

struct slot {
    struct address_ip from; /* family 0: free */
    uint64_t first_ms, last_ms, until_ms, shut_ms;
    unsigned n;
};

struct failures {
    struct slot slots[SLOTS];
};

struct failures *failures_new(void)
{
    struct failures *f = calloc(1, sizeof *f);

    must(f);
    return f;
}

void failures_free(struct failures *f)
{
    free(f);
}

static struct address_ip key(const struct address_ip *from)
{
    struct address_ip k = *from;

    k.port = 0;
    if (k.family == AF_INET6)
        memset(k.octets + 8, 0, 8);
    return k;
}

static const struct slot *find(const struct failures *f, const struct address_ip *from)
{
    struct address_ip k = key(from);

    for (size_t i = 0; i < SLOTS; i++)
        if (f->slots[i].from.family && ip_equal(&f->slots[i].from, &k))
            return &f->slots[i];
    return NULL;
}

uint64_t failures_wait_s(const struct failures *f, const struct address_ip *from, uint64_t now_ms)
{
    const struct slot *s = find(f, from);

    return s && s->until_ms > now_ms ? (s->until_ms - now_ms + 999) / 1000 : 0;
}

/* The slot of the address, or that whose last failure is longest ago. */
static struct slot *take(struct failures *f, const struct address_ip *from)
{
    struct slot *s = (struct slot *)find(f, from);

    if (s)
        return s;
    s = &f->slots[0];
    for (size_t i = 1; i < SLOTS && s->from.family; i++)
        if (!f->slots[i].from.family || f->slots[i].last_ms < s->last_ms)
            s = &f->slots[i];
    *s = (struct slot){.from = key(from)};
    return s;
}

void failures_add(struct failures *f, const struct address_ip *from, uint64_t now_ms)
{
    struct slot *s = take(f, from);

    if (s->last_ms && now_ms - s->last_ms > FORGET_MS)
        s->shut_ms = 0;
    if (!s->n || now_ms - s->first_ms > WINDOW_MS) {
        s->n = 0;
        s->first_ms = now_ms;
    }
    s->last_ms = now_ms;
    if (++s->n < MOST)
        return;
    s->n = 0;
    s->shut_ms = s->shut_ms ? 2 * s->shut_ms : SHUT_MS;
    if (s->shut_ms > SHUT_MOST_MS)
        s->shut_ms = SHUT_MOST_MS;
    s->until_ms = now_ms + s->shut_ms;
}
