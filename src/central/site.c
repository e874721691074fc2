/*
 * The sites: one for each appliance that is established, made and dropped as the settings say. See pull.h.
 *
 * Called by central.c; jobs find their site again by a key, since it may be gone when they end. Owns the list.
 */
#include "central/pull.h"

#include "base/clock.h"
#include "base/must.h"

#include <stdlib.h>

struct site_key *site_key(const struct site *s, enum segment_kind kind)
{
    struct site_key *k = calloc(1, sizeof *k);

    must(k && (k->name = strdup(s->name)) && (k->serial = strdup(s->serial)));
    k->central = s->central;
    k->kind = kind;
    return k;
}

void site_key_free(struct site_key *k)
{
    free(k->name);
    free(k->serial);
    free(k);
}

struct site *site_find(const struct site_key *k)
{
    struct site *s = k->central->sites;

    while (s && (strcmp(s->name, k->name) != 0 || strcmp(s->serial, k->serial) != 0))
        s = s->next;
    return s;
}

struct pull *pull_find(const struct site_key *k)
{
    struct site *s = site_find(k);

    return s ? &s->pull[k->kind] : NULL;
}

struct pull *pull_of_serial(struct central *c, struct str serial, struct str kind)
{
    enum segment_kind k;

    if (!segment_kind_of(kind, &k))
        return NULL;
    for (struct site *s = c->sites; s; s = s->next)
        if (str_eq(str_c(s->serial), serial))
            return &s->pull[k];
    return NULL;
}

static void site_new(struct central *c, const struct conf_appliance *a)
{
    struct site *s = calloc(1, sizeof *s);
    uint64_t now = loop_now_ms(c->o.loop), every = c->conf->central.pull_every_ms;

    must(s && (s->name = strndup(a->name.p, a->name.n)) && (s->serial = strndup(a->serial.p, a->serial.n)));
    s->central = c;
    for (unsigned k = 0; k < SEGMENT_KINDS; k++) {
        s->pull[k].site = s;
        s->pull[k].kind = (enum segment_kind)k;
        s->pull[k].list_ms = now + random_u64() % (every + 1); /* each gateway has its own phase */
    }
    s->hello_ms = now;
    s->next = c->sites;
    c->sites = s;
    site_look(s);
}

static void site_drop(struct site *s)
{
    loop_timer_cancel(s->central->o.loop, &s->tick);
    for (unsigned k = 0; k < SEGMENT_KINDS; k++) {
        struct pull *p = &s->pull[k];

        pull_imports_done(p);
        ranges_done(&p->have);
        free(p->wanted);
        free(p->acks);
    }
    free(s->name);
    free(s->serial);
    free(s);
}

static bool fits(const struct site *s, const struct conf_appliance *a)
{
    return a && a->host_key.n && str_eq(a->serial, str_c(s->serial)) && str_eq(a->name, str_c(s->name));
}

void pulls_sweep(struct central *c)
{
    struct site **at = &c->sites;

    while (*at) {
        struct site *s = *at;

        if (fits(s, appliance_find(c, str_c(s->name)))) {
            s->quiet_until_ms = 0; /* whatever was wrong may have been set right */
            at = &s->next;
            continue;
        }
        *at = s->next;
        site_drop(s);
    }
    for (size_t i = 0; i < c->conf->appliance.n; i++) {
        const struct conf_appliance *a = &c->conf->appliance.items[i];
        struct site *s = c->sites;

        while (s && !str_eq(str_c(s->name), a->name))
            s = s->next;
        if (!s && a->serial.n && a->host_key.n)
            site_new(c, a);
    }
    sites_look(c);
}

void pull_way_changed(struct central *c, struct str serial)
{
    uint64_t now = loop_now_ms(c->o.loop);

    for (struct site *s = c->sites; s; s = s->next) {
        if (!str_eqi(str_c(s->serial), serial))
            continue;
        s->quiet_until_ms = s->back_off_ms = 0;
        s->hello_ms = now;
        for (unsigned k = 0; k < SEGMENT_KINDS; k++)
            s->pull[k].list_ms = now;
        site_look(s);
    }
}

void pulls_free(struct central *c)
{
    while (c->sites) {
        struct site *s = c->sites;

        c->sites = s->next;
        site_drop(s);
    }
}

static void on_watched(void *ctx, const struct bus_in *in)
{
    const struct bus_tracking_watched *m = in->msg;
    struct central *c = ctx;
    uint64_t until = loop_now_ms(c->o.loop) + (m->ms < 600000 ? m->ms : 600000);

    if (until > c->watched_until_ms)
        c->watched_until_ms = until;
    sites_look(c);
}

void pulls_begin(struct central *c)
{
    imports_begin(c);
    bus_on(c->o.bus, BUS_tracking_watched, on_watched, c);
}

/* For status: what is known and not here yet. */
void pull_waiting(const struct central *c, struct str appliance, enum segment_kind kind, uint64_t *segments, uint64_t *bytes)
{
    *segments = *bytes = 0;
    for (const struct site *s = c->sites; s; s = s->next) {
        const struct pull *p = &s->pull[kind];

        if (!str_eqi(str_c(s->name), appliance))
            continue;
        *segments = p->n_wanted;
        for (size_t i = 0; i < p->n_wanted; i++)
            *bytes += p->wanted[i].is.bytes;
    }
}
