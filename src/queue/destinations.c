/*
 * Destinations: one object a recipient domain, with its settings, ready list, back-off and counters.
 *
 * Called by messages.c (a new recipient), dispatch.c (who may send), outcome.c (success and failure). Owns the slab of
 * destinations, the table of names and the list of destinations to be looked at. A destination that cannot be reached waits
 * as a whole: its back-off doubles from queue.connection_failure_wait_ms to the longest wait of its bounce profile, and its
 * messages keep their own tries.
 */
#include "base/clock.h"
#include "base/must.h"
#include "mail/address.h"
#include "queue/internal.h"

#include <stdlib.h>

enum { WINDOW_FIRST = 20, IDLE_MS = 3600 * 1000, FACTS_MAX = 2200 };

static char *copy(struct str s)
{
    char *p = malloc(s.n + 1);

    must(p);
    if (s.n)
        memcpy(p, s.p, s.n);
    p[s.n] = '\0';
    return p;
}

static void replace(char **text, struct str by)
{
    free(*text);
    *text = by.n ? copy(str_first(by, FACTS_MAX)) : NULL;
}

/* The row for a domain: itself, else .parent, else `default` (which always exists). */
static const struct conf_destination *settings_of(const struct conf *c, struct str name)
{
    const struct conf_destination *row = conf_find(&c->destination, name);

    for (size_t i = 0; !row && i < name.n; i++)
        if (name.p[i] == '.')
            row = conf_find(&c->destination, str_from(name, i));
    return row ? row : conf_find(&c->destination, str_lit("default"));
}

enum { KEEP_FIRST_MS = 15000, KEEP_MOST_MS = 300000 };

/* Mail on its way into or out of a quarantine waits as long as it takes (central.md 11). */
static void keep(struct destination *d, const struct conf *c)
{
    d->keeps = internal_keeps(str_c(d->name));
    d->family = (uint8_t)internal_family(str_c(d->name));
    d->central = (c->pvo.central && str_eq(str_c(d->name), str_lit("the.cpq.host"))) ||
                 (c->spam_quarantine.central && str_eq(str_c(d->name), str_lit("the.euq.queue")));
    if (d->keeps && d->max_connections > c->quarantine_service.max_connections)
        d->max_connections = (uint32_t)c->quarantine_service.max_connections;
    if (d->keeps)
        d->retry = (struct retry_rule){KEEP_FIRST_MS, KEEP_MOST_MS, 1ULL << 60, UINT64_MAX, KEEP_FIRST_MS};
}

static void configure(struct queue *q, struct destination *d)
{
    const struct conf *c = conf_now(q->conf);
    const struct conf_destination *row = settings_of(c, str_c(d->name));
    const struct conf_bounce_profile *profile = row ? conf_find(&c->bounce_profile, row->bounce_profile) : NULL;

    if (!profile)
        profile = conf_find(&c->bounce_profile, str_lit("default"));
    must(row && profile);
    d->max_connections = (uint32_t)row->max_connections;
    d->recipient_limit = (uint32_t)row->recipient_limit;
    d->period_ms = row->recipient_minutes * 60000;
    d->retry = (struct retry_rule){profile->retry_first_ms, profile->retry_max_ms, profile->max_age_ms, profile->max_tries,
                                   c->queue.connection_failure_wait_ms};
    keep(d, c);
    free(d->profile);
    d->profile = copy(profile->name);
}

void destinations_configure(struct queue *q)
{
    for (uint32_t i = 1; i < q->destinations.end; i++)
        if (destination_at(q, i)->name) {
            configure(q, destination_at(q, i));
            destination_activate(q, i);
        }
}

static void names_put(struct queue *q, uint32_t i)
{
    struct destination *d = destination_at(q, i);
    uint32_t *head = &q->names[d->hash & (q->names_cap - 1)];

    d->hash_next = *head;
    *head = i;
}

static void names_grow(struct queue *q)
{
    free(q->names);
    q->names_cap = q->names_cap ? q->names_cap * 2 : 256;
    q->names = calloc(q->names_cap, sizeof *q->names);
    must(q->names);
    for (uint32_t i = 1; i < q->destinations.end; i++)
        if (destination_at(q, i)->name)
            names_put(q, i);
}

uint32_t destination_find(const struct queue *q, struct str name)
{
    uint64_t hash = str_hash_seed(name, q->names_seed);
    uint32_t i = q->names_cap ? q->names[hash & (q->names_cap - 1)] : 0;

    while (i && (destination_at(q, i)->hash != hash || !str_eq(str_c(destination_at(q, i)->name), name)))
        i = destination_at(q, i)->hash_next;
    return i;
}

uint32_t destination_for(struct queue *q, struct str name)
{
    uint32_t i = destination_find(q, name);
    struct destination *d;

    if (i)
        return i;
    if (q->destinations.used >= q->names_cap)
        names_grow(q); /* before the new one has a name: a list may hold it once only */
    i = slab_take(&q->destinations);
    d = destination_at(q, i);
    d->name = copy(name);
    d->window = WINDOW_FIRST;
    d->queue = q;
    d->self = i;
    d->hash = str_hash_seed(name, q->names_seed);
    names_put(q, i);
    configure(q, d);
    return i;
}

void destination_activate(struct queue *q, uint32_t i)
{
    struct destination *d = destination_at(q, i);

    if (d->active || !d->first)
        return;
    d->active = true;
    d->active_next = 0;
    *(q->active_last ? &destination_at(q, q->active_last)->active_next : &q->active_first) = i;
    q->active_last = i;
}

static void unblocked(void *ctx)
{
    struct destination *d = ctx;
    struct queue *q = d->queue;

    d->blocked_until_ms = 0;
    destination_activate(q, d->self);
}

void destination_block_until(struct queue *q, uint32_t i, uint64_t at_ms)
{
    struct destination *d = destination_at(q, i);
    uint64_t now = loop_now_ms(q->loop);

    d->blocked_until_ms = at_ms;
    loop_timer_set(q->loop, &d->timer, at_ms > now ? at_ms - now : 0, unblocked, d);
}

static uint64_t back_off(const struct retry_rule *r, uint32_t failures)
{
    uint64_t wait = r->down_first_ms;

    while (--failures && wait < r->max_ms)
        wait *= 2;
    return wait < r->max_ms || wait == r->down_first_ms ? wait : r->max_ms;
}

/* What deliver found out, for hoststatus; empty = as it was. */
static void on_facts(void *ctx, const struct bus_in *in)
{
    struct queue *q = ctx;
    const struct bus_destination_facts *m = in->msg;
    uint32_t i = destination_find(q, m->destination);
    struct destination *d = i ? destination_at(q, i) : NULL;

    if (d && m->expires_ms) {
        replace(&d->addresses, m->addresses);
        replace(&d->mx, m->mx);
        d->expires_ms = m->expires_ms;
    }
    if (d && m->tls.n)
        replace(&d->tls, m->tls);
    if (d && m->tls_error.n) {
        replace(&d->tls_error, m->tls_error);
        d->tls_error_ms = clock_wall_ms();
    }
}

void destinations_init(struct queue *q)
{
    bus_on(q->bus, BUS_destination_facts, on_facts, q);
}

void destination_failed(struct queue *q, uint32_t i, struct str reason, bool longest)
{
    struct destination *d = destination_at(q, i);
    uint64_t now = loop_now_ms(q->loop), wait;

    free(d->reason);
    d->reason = copy(str_first(reason, 200));
    d->reason_ms = clock_wall_ms();
    if (d->down && d->blocked_until_ms > now)
        return; /* another connection of the same failure */
    if (!d->down && !d->away_ms)
        d->away_ms = clock_wall_ms();
    d->down = true;
    d->failures++;
    d->window = WINDOW_FIRST;
    wait = longest && d->keeps ? d->retry.max_ms : back_off(&d->retry, d->failures);
    destination_block_until(q, i, now + wait);
    event(q->events, destination_down, .domain = str_c(d->name), .reason = str_c(d->reason),
          .retry_ms = d->reason_ms + wait);
    outcome_unreachable(q, i);
}

void destination_succeeded(struct queue *q, uint32_t i)
{
    struct destination *d = destination_at(q, i);

    d->failures = 0;
    d->away_ms = 0;
    d->away_told = false;
    d->ever_up = true;
    if (d->window < BOARD_SLOTS / 2)
        d->window++;
    if (!d->down)
        return;
    d->down = false;
    d->blocked_until_ms = 0;
    loop_timer_cancel(q->loop, &d->timer);
    event(q->events, destination_up, .domain = str_c(d->name));
    destination_activate(q, i);
}

void destination_try_now(struct queue *q, uint32_t i, bool reset)
{
    struct destination *d = destination_at(q, i);

    d->blocked_until_ms = d->period_recipients = 0;
    d->down = false;
    d->failures = 0;
    loop_timer_cancel(q->loop, &d->timer);
    if (reset)
        d->delivered = d->soft = d->hard = d->deleted = d->dns_hard = d->five_hard = d->expired_hard = d->other_hard = 0;
    destination_activate(q, i);
}

struct str destination_lower(struct arena *a, struct str name)
{
    return address_lower(a, name);
}

static void forget(struct queue *q, uint32_t i)
{
    struct destination *d = destination_at(q, i);
    uint32_t *at = &q->names[d->hash & (q->names_cap - 1)];

    while (*at != i)
        at = &destination_at(q, *at)->hash_next;
    *at = d->hash_next;
    loop_timer_cancel(q->loop, &d->timer);
    free(d->name);
    free(d->profile);
    free(d->reason);
    free(d->last_5xx);
    free(d->addresses);
    free(d->mx);
    free(d->tls);
    free(d->tls_error);
    slab_give(&q->destinations, i);
}

void destinations_tidy(struct queue *q)
{
    uint64_t now = clock_wall_ms();

    for (uint32_t i = 1; i < q->destinations.end; i++) {
        struct destination *d = destination_at(q, i);

        if (d->name && !d->pieces && !d->active && !d->suspended && !d->blocked_until_ms && now > d->active_ms + IDLE_MS)
            forget(q, i);
    }
}

void destinations_done(struct queue *q)
{
    for (uint32_t i = 1; i < q->destinations.end; i++)
        if (destination_at(q, i)->name)
            forget(q, i);
    free(q->names);
    q->names = NULL;
}
