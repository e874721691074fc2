/*
 * What is fetched from which gateway, and when (central.md 4, 5). See pull.h.
 *
 * Called by central.c for settings and by the steps when one has ended. Owns the sites and pulls. Every gateway has its own
 * phase. The newest segments are fetched first: an operator looks for the mail of now, and the order makes no difference to
 * what is imported, nor to the gaps. After days without contact a backlog is fetched as fast as it is imported, PULL_IMPORTS
 * at a time.
 */
#include "central/pull.h"

#include "base/clock.h"
#include "base/must.h"

#include <stdlib.h>

/* --- what is wanted
 * ------------------------------------------------------------------------------------------------------------
 */

static size_t place(const struct pull *p, uint64_t epoch, uint64_t seq)
{
    size_t low = 0, high = p->n_wanted;

    while (low < high) {
        size_t mid = (low + high) / 2;
        const struct listed *l = &p->wanted[mid].is;

        if (l->epoch < epoch || (l->epoch == epoch && l->seq < seq))
            low = mid + 1;
        else
            high = mid;
    }
    return low;
}

static bool is_at(const struct pull *p, size_t at, const struct listed *l)
{
    return at < p->n_wanted && p->wanted[at].is.epoch == l->epoch && p->wanted[at].is.seq == l->seq;
}

void pull_want(struct pull *p, const struct listed *l, uint64_t due_ms)
{
    size_t at = place(p, l->epoch, l->seq);

    if (ranges_has(&p->have, l->epoch, l->seq) || is_at(p, at, l))
        return;
    if (p->n_wanted == p->cap_wanted) {
        p->cap_wanted = p->cap_wanted ? p->cap_wanted * 2 : 32;
        must((p->wanted = realloc(p->wanted, p->cap_wanted * sizeof *p->wanted)));
    }
    memmove(p->wanted + at + 1, p->wanted + at, (p->n_wanted - at) * sizeof *p->wanted);
    p->wanted[at] = (struct wanted){*l, due_ms};
    p->n_wanted++;
}

void pull_unwant(struct pull *p, const struct listed *l)
{
    size_t at = place(p, l->epoch, l->seq);

    if (!is_at(p, at, l))
        return;
    memmove(p->wanted + at, p->wanted + at + 1, (p->n_wanted - at - 1) * sizeof *p->wanted);
    p->n_wanted--;
}

struct wanted *pull_next(struct pull *p, uint64_t now)
{
    for (size_t i = p->n_wanted; i-- > 0;)
        if (p->wanted[i].due_ms <= now)
            return &p->wanted[i];
    return NULL;
}

/* --- when
 * ------------------------------------------------------------------------------------------------------------------------
 */

static const struct conf_appliance *row_of(const struct site *s)
{
    return appliance_find(s->central, str_c(s->name));
}

bool pull_wants(const struct pull *p)
{
    const struct site *s = p->site;
    const struct conf_appliance *a = row_of(s);

    return a && !a->disconnected && !s->central->conf->central.suspended && !s->central->stopping &&
           (p->kind == SEGMENT_TRACKING ? a->tracking : a->reporting);
}

static uint64_t every_ms(const struct pull *p, uint64_t now)
{
    const struct central *c = p->site->central;
    uint64_t every = c->conf->central.pull_every_ms;

    if (p->kind == SEGMENT_REPORTING) /* a segment each quarter of an hour */
        return every * 6 < PULL_HELLO_MS ? every * 6 : every > PULL_HELLO_MS ? every : PULL_HELLO_MS;
    return now < c->watched_until_ms && every > PULL_WATCH_MS ? PULL_WATCH_MS : every;
}

static size_t imports_all(const struct central *c)
{
    size_t n = 0;

    for (const struct site *s = c->sites; s; s = s->next)
        n += s->pull[SEGMENT_TRACKING].n_imports + s->pull[SEGMENT_REPORTING].n_imports;
    return n;
}

static bool room(const struct pull *p, uint64_t now)
{
    const struct central *c = p->site->central;

    if (now < c->paused_until_ms)
        return false;
    if (c->paused) /* one is tried */
        return imports_all(c) == 0;
    return p->n_imports < PULL_IMPORTS && imports_all(c) < PULL_IMPORTS_ALL;
}

/* Earliest time at which there is something to do; what waits for an answer is looked at when that comes. */
static uint64_t pull_look(struct pull *p, uint64_t now, uint64_t soonest)
{
    const struct wanted *next;

    if (!pull_wants(p))
        return soonest;
    if (!p->known) {
        pull_ask(p);
        return soonest;
    }
    if (p->n_acks && !p->acking)
        pull_ack(p);
    if (!p->listing && (now >= p->list_ms || (p->more && p->n_wanted < PULL_WANTED / 2))) {
        p->list_ms = now + every_ms(p, now);
        pull_list(p);
    }
    next = p->getting || !room(p, now) ? NULL : pull_next(p, now);
    if (next)
        pull_get(p, &next->is);
    if (p->list_ms > now + every_ms(p, now)) /* somebody began to watch */
        p->list_ms = now + every_ms(p, now);
    if (!p->listing && p->list_ms < soonest)
        soonest = p->list_ms;
    if (p->n_wanted && !p->getting && now + PULL_AGAIN_MS / 2 < soonest)
        soonest = now + PULL_AGAIN_MS / 2;
    return soonest;
}

static void greeted(void *ctx, enum rc rc, const struct err *e)
{
    struct site_key *key = ctx;
    struct site *s = site_find(key);

    (void)e;
    site_key_free(key);
    if (!s)
        return;
    s->greeting = false;
    if (rc == RC_OK)
        site_good(s);
    else
        site_failed(s, rc);
    site_look(s);
}

static void on_tick(void *ctx)
{
    site_look(ctx);
}

void site_look(struct site *s)
{
    struct central *c = s->central;
    uint64_t now = loop_now_ms(c->o.loop), soonest = now + PULL_HELLO_MS;
    const struct conf_appliance *a = row_of(s);

    loop_timer_cancel(c->o.loop, &s->tick);
    if (c->stopping || !a || a->disconnected)
        return;
    if (now < s->quiet_until_ms) {
        loop_timer_set(c->o.loop, &s->tick, s->quiet_until_ms - now, on_tick, s);
        return;
    }
    if (now >= s->hello_ms && !s->greeting) {
        s->hello_ms = now + PULL_HELLO_MS;
        s->greeting = true;
        line_hello(c, str_c(s->name), greeted, site_key(s, 0));
    }
    if (s->hello_ms < soonest)
        soonest = s->hello_ms;
    for (unsigned k = 0; k < SEGMENT_KINDS; k++)
        soonest = pull_look(&s->pull[k], now, soonest);
    loop_timer_set(c->o.loop, &s->tick, soonest > now ? soonest - now : 1, on_tick, s);
}

void sites_look(struct central *c)
{
    for (struct site *s = c->sites; s; s = s->next)
        site_look(s);
}

/* --- failures
 * --------------------------------------------------------------------------------------------------------------------
 */

void site_good(struct site *s)
{
    s->back_off_ms = 0;
}

void site_failed(struct site *s, enum rc rc)
{
    uint64_t now = loop_now_ms(s->central->o.loop);

    if (rc == RC_NOT_PERMITTED || rc == RC_NOT_IMPLEMENTED) /* another machine, or one that wants nothing of us */
        s->back_off_ms = PULL_BACK_OFF_MOST_MS;
    else
        s->back_off_ms = !s->back_off_ms                              ? PULL_BACK_OFF_MS
                         : s->back_off_ms * 2 < PULL_BACK_OFF_MOST_MS ? s->back_off_ms * 2
                                                                      : PULL_BACK_OFF_MOST_MS;
    s->quiet_until_ms = now + s->back_off_ms / 2 + random_u64() % (s->back_off_ms / 2 + 1);
    if (s->hello_ms > s->quiet_until_ms)
        s->hello_ms = s->quiet_until_ms;
}

void pulls_pause(struct central *c, const char *why)
{
    uint64_t now = loop_now_ms(c->o.loop);

    if (!c->paused) {
        c->paused_since_ms = now;
        event(c->o.events, transfers_paused, .why = str_c(why));
    }
    c->paused = true;
    c->paused_until_ms = now + PULL_PAUSE_MS;
}

void pulls_go_on(struct central *c)
{
    if (!c->paused)
        return;
    c->paused = false;
    c->paused_until_ms = 0;
    event(c->o.events, transfers_resumed, .seconds = (loop_now_ms(c->o.loop) - c->paused_since_ms) / 1000);
    sites_look(c);
}
