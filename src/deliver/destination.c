/*
 * Destinations: pending pieces, next hops, and how many links are open.
 *
 * Called by deliver.c (work came), resolve.c (hops known), link.c (a link became idle, failed or closed). Idle links take
 * new work first; a new link is opened while more pieces wait than links are being set up, so the number doubles rather than
 * jumps. A hop that could not be reached is passed over for a while; when no hop and no link is left, all pending pieces go
 * back to queue, whose back-off decides when to try again.
 */
#include "deliver/inside.h"

#include "base/clock.h"
#include "base/must.h"

#include <stdlib.h>

enum { ROUTE_ARENA = 1 << 20, DESTINATIONS_KEPT = 10000 };

static bool unused(const struct destination *to)
{
    return !to->pending.n && !to->links && !to->resolve && !to->ask && !to->quarantine; /* copy.c has pieces of those */
}

static void sweep(struct deliver *d)
{
    for (size_t i = 0; i < DESTINATION_BUCKETS; i++)
        for (struct destination **at = &d->table[i]; *at;) {
            struct destination *to = *at;

            if (!unused(to)) {
                at = &to->next;
                continue;
            }
            *at = to->next;
            destination_free(to);
        }
}

struct destination *destination_get(struct deliver *d, struct str name)
{
    uint64_t hash = str_hashi(name);
    struct destination **chain = &d->table[hash % DESTINATION_BUCKETS], *to;
    const struct conf_destination *row;

    for (to = *chain; to; to = to->next)
        if (to->hash == hash && str_eqi(to->name, name))
            return to;
    if (d->n_destinations >= DESTINATIONS_KEPT && d->n_destinations % 1000 == 0)
        sweep(d);
    to = calloc(1, sizeof *to + name.n + 1);
    must(to);
    memcpy(to + 1, name.p, name.n);
    to->name = str_of(to + 1, name.n);
    to->hash = hash;
    to->d = d;
    to->release = releaser_is(to->name, &to->class, &to->serial);
    to->quarantine = to->release || holder_is(to->name, &to->class);
    to->central = to->release;
    row = destination_settings(deliver_conf(d), name);
    to->limit = row ? row->max_connections : 1;
    arena_init(&to->arena, 1024, ROUTE_ARENA);
    to->next = *chain;
    *chain = to;
    d->n_destinations++;
    return to;
}

void destination_touch(struct destination *to)
{
    struct deliver *d = to->d;

    if (to->touched)
        return;
    to->touched = true;
    to->touched_next = d->touched;
    d->touched = to;
}

void destination_free(struct destination *to)
{
    resolve_cancel(to);
    holder_forget(to);
    releaser_done(to);
    for (struct piece *p; (p = pieces_pop(&to->pending));)
        piece_free(to->d, p);
    arena_done(&to->arena);
    to->d->n_destinations--;
    free(to);
}

void destination_each(struct deliver *d, void (*fn)(struct destination *to))
{
    for (size_t i = 0; i < DESTINATION_BUCKETS; i++)
        for (struct destination *to = d->table[i], *next; to; to = next) {
            next = to->next;
            fn(to);
        }
}

/* ---- no way on ------------------------------------------------------------------------------------------------ */

static void all_back(struct destination *to, const char *enhanced, struct str why)
{
    struct pieces list = to->pending;

    to->pending = (struct pieces){0};
    for (struct piece *p; (p = pieces_pop(&list));)
        outcome_connection(to->d, p, enhanced, why);
}

void destination_hold(struct destination *to)
{
    to->held = true;
}

void destination_close(struct destination *to)
{
    link_abort_all(to);
    all_back(to, "4.3.2", str_lit("delivery is suspended"));
}

void destination_unhold(struct destination *to)
{
    to->held = false;
}

static void all_bounced(struct destination *to, const struct no_hop *none)
{
    struct pieces list = to->pending;

    to->pending = (struct pieces){0};
    for (struct piece *p; (p = pieces_pop(&list));)
        outcome_all(to->d, p, RESULT_BOUNCED, REASON_DNS, none->enhanced, none->text);
}

static void all_dropped(struct destination *to)
{
    struct pieces list = to->pending;

    to->pending = (struct pieces){0};
    for (struct piece *p; (p = pieces_pop(&list));)
        outcome_all(to->d, p, RESULT_DROPPED, REASON_NONE, "2.0.0", str_lit("/dev/null"));
}

void destination_resolved(struct destination *to, const struct no_hop *none)
{
    if (to->asks) {
        to->asks->resolved(to, none);
        return;
    }
    if (none) {
        to->state = DESTINATION_NEW;
        if (none->permanent && !to->quarantine) {
            all_bounced(to, none);
        } else {
            outcome_destination_down(to, none->text, none->permanent);
            all_back(to, none->enhanced, none->text);
        }
        return;
    }
    if (to->state != DESTINATION_DROP)
        to->state = DESTINATION_READY;
    destination_pump(to);
}

/* ---- opening links -------------------------------------------------------------------------------------------- */

static size_t hop_alive(const struct destination *to)
{
    uint64_t now = loop_now_ms(to->d->o.loop);

    for (size_t i = 0; i < to->n_hops; i++)
        if (to->hops[i].dead_until_ms <= now)
            return i;
    return to->n_hops;
}

void destination_hop_failed(struct destination *to, size_t hop, struct str why, const char *enhanced)
{
    const struct conf *c = deliver_conf(to->d);

    to->failed = to->release;
    if (hop < to->n_hops)
        to->hops[hop].dead_until_ms = loop_now_ms(to->d->o.loop) + c->delivery.dead_host_ms + 1;
    if (to->n_links > 0 || hop_alive(to) < to->n_hops || to->held)
        return;
    /* The next work that queue sends starts again from the first hop. */
    for (size_t i = 0; i < to->n_hops; i++)
        to->hops[i].dead_until_ms = 0;
    if (to->quarantine && !to->away_since_ms)
        to->away_since_ms = loop_now_ms(to->d->o.loop);
    if (to->pending.n == 0)
        return;
    outcome_destination_down(to, why, to->refusing);
    to->refusing = false;
    all_back(to, enhanced, why);
}

static bool stale(const struct destination *to)
{
    return loop_now_ms(to->d->o.loop) >= to->hops_until_ms || to->conf_version != deliver_conf(to->d)->version;
}

static void wake_idle(struct destination *to)
{
    size_t wanted = to->pending.n > to->n_woken ? to->pending.n - to->n_woken : 0;

    for (struct link *l = to->links; l && wanted; l = l->next)
        if (l->idle) {
            link_wake(l);
            wanted--;
        }
}

static void finish_idle(struct destination *to)
{
    for (struct link *l = to->links; l && to->d->starved; l = l->next)
        if (l->idle) {
            link_wake(l);
            link_finish(l);
            to->d->starved--;
        }
}

/* The process holds as many connections as it may: idle ones of other destinations make room (link.c pumps when they close).
 */
static bool room(struct destination *to)
{
    struct deliver *d = to->d;

    if (d->n_links < deliver_conf(d)->delivery.max_connections)
        return true;
    if (to->n_links == 0) {
        d->waiting = true;
        d->starved = 1;
        destination_each(d, finish_idle);
    }
    return false;
}

static bool wants_link(const struct destination *to)
{
    return to->pending.n > to->n_idle + to->n_woken + to->n_starting && to->n_links < to->limit;
}

/* New links while more pieces wait than the links in the making will take. */
static void open_links(struct destination *to)
{
    size_t ready = to->n_links - to->n_starting, most = ready ? ready : 1;

    while (to->state == DESTINATION_READY && to->n_starting < most && wants_link(to) && room(to)) {
        size_t hop = hop_alive(to);

        if (hop == to->n_hops || !link_open(to, hop))
            return;
    }
}

void destination_pump(struct destination *to)
{
    if (!to->pending.n || to->state == DESTINATION_RESOLVING || to->held || to->d->stopping)
        return;
    if (to->release) {
        wake_idle(to);
        if (!wants_link(to) || !room(to))
            return;
    } else if (to->quarantine) {
        holder_hops(to);
    }
    if (to->state == DESTINATION_NEW || (stale(to) && !to->n_starting)) {
        to->state = DESTINATION_RESOLVING;
        if (to->release)
            releaser_ask(to);
        else
            resolve_start(to);
        return;
    }
    if (to->state == DESTINATION_DROP) {
        all_dropped(to);
        return;
    }
    wake_idle(to);
    open_links(to);
}
