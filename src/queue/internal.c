/*
 * Families of destinations. See internal.h.
 *
 * Called by destinations.c, dispatch.c, release.c and the verbs. Owns nothing.
 */
#include "queue/internal.h"

static const char *const families[FAMILY_COUNT] = {"", "the.cpq.release.host", "the.euq.release.queue"};

bool internal_keeps(struct str name)
{
    return internal_is(name) && !str_eq(name, str_lit("the.encryption.queue"));
}

unsigned internal_family(struct str name)
{
    for (unsigned i = 1; i < FAMILY_COUNT; i++)
        if (str_eq(internal_base(name), str_c(families[i])))
            return i;
    return FAMILY_NONE;
}

struct selector internal_select(const struct queue *q, struct str name)
{
    struct selector s = {.destination = destination_find(q, name)};

    if (internal_base(name).n == name.n)
        s.family = internal_family(name);
    return s;
}

bool internal_meant(const struct queue *q, const struct selector *s, uint32_t destination)
{
    if (s->family)
        return destination_at(q, destination)->family == s->family;
    return s->destination && s->destination == destination;
}

bool internal_suspended(const struct queue *q, const struct destination *d)
{
    uint32_t base = !d->suspended && d->family ? destination_find(q, str_c(families[d->family])) : 0;

    return d->suspended || (base && destination_at(q, base)->suspended);
}

uint32_t internal_next(const struct queue *q, unsigned family, uint32_t i)
{
    while (++i < q->destinations.end)
        if (destination_at(q, i)->name && destination_at(q, i)->family == family)
            return i;
    return 0;
}

static void later(char **text, uint64_t *ms, char *other, uint64_t other_ms)
{
    if (!other || (*text && other_ms <= *ms))
        return;
    *text = other;
    *ms = other_ms;
}

static void add(struct destination *sum, const struct destination *d)
{
    sum->pieces += d->pieces;
    sum->flying += d->flying;
    sum->first |= d->first;
    sum->set_aside += d->set_aside;
    sum->octets += d->octets;
    sum->max_connections += d->max_connections;
    sum->recipients += d->recipients;
    sum->attempted += d->attempted;
    sum->delivered += d->delivered;
    sum->soft += d->soft;
    sum->hard += d->hard;
    sum->deleted += d->deleted;
    sum->dns_hard += d->dns_hard;
    sum->five_hard += d->five_hard;
    sum->expired_hard += d->expired_hard;
    sum->other_hard += d->other_hard;
    sum->down |= d->down && d->pieces;
    sum->ever_up |= d->ever_up;
    if (d->active_ms > sum->active_ms)
        sum->active_ms = d->active_ms;
    later(&sum->reason, &sum->reason_ms, d->reason, d->reason_ms);
    later(&sum->last_5xx, &sum->last_5xx_ms, d->last_5xx, d->last_5xx_ms);
    later(&sum->tls_error, &sum->tls_error_ms, d->tls_error, d->tls_error_ms);
    if (d->blocked_until_ms && (!sum->blocked_until_ms || d->blocked_until_ms < sum->blocked_until_ms))
        sum->blocked_until_ms = d->blocked_until_ms;
}

bool internal_sum(const struct queue *q, unsigned family, struct destination *out)
{
    uint32_t base = destination_find(q, str_c(families[family]));
    bool any = false;

    *out = (struct destination){.name = (char *)(uintptr_t)families[family], .family = (uint8_t)family};
    for (uint32_t i = 0; (i = internal_next(q, family, i)); any = true)
        add(out, destination_at(q, i));
    out->suspended = base && destination_at(q, base)->suspended;
    return any;
}
