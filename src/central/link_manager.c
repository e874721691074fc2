/*
 * Links of gateways on a manager, as role shell tells of them (central.md 8). See link.h.
 *
 * Called by link.c and over the bus. Owns what is known of each link that is up and its socket files: a connection to one
 * becomes a channel to the gateway. What a gateway opens goes to the quarantine, enrol.manager to link_manager_enrol.c. An
 * appliance whose link is awaited and has been away for five minutes is an alert.
 */
#include "central/link.h"

#include "base/clock.h"
#include "base/must.h"

#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

enum { WORD = 65 };

struct far_link {
    struct far_link *next;
    struct links *links;
    uint64_t number, carried;
    char serial[WORD], token[WORD], peer[46], carrier[8];
    uint64_t port, since_ms, rtt_us, channels, octets;
    struct link_file *files;
};

/* An enrolled appliance whose link is not up. */
struct lost {
    struct lost *next;
    struct links *links;
    char *name;
    uint64_t since_ms;
    bool told;
    struct loop_timer timer;
    char why[200];
};

static const struct conf_appliance *appliance_of(const struct links *l, struct str serial)
{
    const struct conf *c = l->central->conf;

    for (size_t i = 0; c && i < c->appliance.n; i++)
        if (str_eqi(c->appliance.items[i].serial, serial))
            return &c->appliance.items[i];
    return NULL;
}

static struct str name_of(const struct links *l, struct str serial)
{
    const struct conf_appliance *a = appliance_of(l, serial);

    return a ? a->name : serial;
}

static struct far_link *find(const struct links *l, uint64_t number)
{
    struct far_link *k = l->far;

    while (k && k->number != number)
        k = k->next;
    return k;
}

static struct far_link *of_serial(const struct links *l, struct str serial)
{
    struct far_link *k = l->far;

    while (k && (k->token[0] || !str_eqi(str_c(k->serial), serial)))
        k = k->next;
    return k;
}

bool far_is_up(const struct links *l, struct str serial)
{
    return l && serial.n && of_serial(l, serial);
}

/* --- who is awaited
 * ------------------------------------------------------------------------------------------------------------ */

static void on_lost(void *ctx)
{
    struct lost *w = ctx;
    struct central *c = w->links->central;

    w->told = true;
    event(c->o.events, link_lost, .name = str_c(w->name), .minutes = (loop_now_ms(c->o.loop) - w->since_ms) / 60000,
          .why = str_c(w->why[0] ? w->why : "the gateway has opened none"));
}

static bool is_awaited(const struct links *l, const struct conf_appliance *a)
{
    return a && a->link != 0 && a->serial.n && a->link_key.n && !of_serial(l, a->serial);
}

static void lost_sweep(struct links *l)
{
    for (struct lost **at = &l->lost; *at;) {
        struct lost *w = *at;

        if (is_awaited(l, appliance_find(l->central, str_c(w->name)))) {
            at = &w->next;
            continue;
        }
        *at = w->next;
        loop_timer_cancel(l->central->o.loop, &w->timer);
        free(w->name);
        free(w);
    }
}

static void await(struct links *l, struct str name, struct str why)
{
    struct lost *w = l->lost;

    while (w && !str_eqi(str_c(w->name), name))
        w = w->next;
    if (w)
        return;
    w = calloc(1, sizeof *w);
    must(w && (w->name = strndup(name.p, name.n)));
    w->links = l;
    w->next = l->lost;
    l->lost = w;
    w->since_ms = loop_now_ms(l->central->o.loop);
    snprintf(w->why, sizeof w->why, "%.*s", STR(why));
    loop_timer_set(l->central->o.loop, &w->timer, l->central->conf->central.away_alert_ms, on_lost, w);
}

void far_changed(struct links *l)
{
    const struct conf *c = l->central->conf;

    lost_sweep(l);
    for (size_t i = 0; i < c->appliance.n; i++)
        if (is_awaited(l, &c->appliance.items[i]))
            await(l, c->appliance.items[i].name, STR_NONE);
}

/* --- up and down
 * --------------------------------------------------------------------------------------------------------------- */

/* Somebody here wants a channel to that gateway. */
static void on_file(void *ctx, int fd, enum link_channel channel)
{
    struct far_link *k = ctx;
    struct bus *bus = k->links->central->o.bus;
    const struct bus_link_outgoing m = {.link = k->number, .name = str_c(link_name(channel)->host)};

    bus_send_fd(bus, bus_peer(bus, ROLE_shell, 0), BUS_link_outgoing, &m, fd);
    close(fd);
}

static void make_files(struct far_link *k)
{
    static const enum link_channel channels[] = {LINK_MGMT, LINK_RELEASE};

    for (size_t i = 0; i < 2; i++) {
        struct err e = ERR_NONE;
        struct link_file *f = link_file_new(k->links, str_c(k->serial), channels[i], on_file, k, &e);

        if (!f) {
            event(k->links->central->o.events, link_failed, .name = name_of(k->links, str_c(k->serial)),
                  .why = str_c(err_text(&e)));
            continue;
        }
        f->next = k->files;
        k->files = f;
    }
}

static void far_end(struct links *l, struct far_link *k, struct str why)
{
    struct far_link **at = &l->far;
    struct str serial = str_c(k->serial);

    while (*at != k)
        at = &(*at)->next;
    *at = k->next;
    link_files_free(k->files);
    if (!k->token[0] && !of_serial(l, serial)) {
        event(l->central->o.events, link_down, .name = name_of(l, serial), .why = why);
        pull_way_changed(l->central, serial);
        if (is_awaited(l, appliance_of(l, serial)))
            await(l, name_of(l, serial), why);
    }
    free(k);
}

static void word_set(char *out, size_t size, struct str value)
{
    snprintf(out, size, "%.*s", STR(str_first(value, size - 1)));
}

static void on_began(void *ctx, const struct bus_in *in)
{
    struct links *l = ctx;
    const struct bus_link_began *m = in->msg;
    struct far_link *k = calloc(1, sizeof *k), *older = m->token.n ? NULL : of_serial(l, m->serial);

    must(k);
    *k = (struct far_link){.links = l, .number = m->link, .carried = m->carried, .port = m->port};
    word_set(k->serial, sizeof k->serial, m->serial);
    word_set(k->token, sizeof k->token, m->token);
    word_set(k->peer, sizeof k->peer, m->peer);
    word_set(k->carrier, sizeof k->carrier, m->carrier);
    k->since_ms = clock_wall_ms();
    k->next = l->far;
    l->far = k;
    if (older)
        far_end(l, older, str_lit("a newer link took its place"));
    if (k->token[0])
        return;
    make_files(k);
    lost_sweep(l);
    event(l->central->o.events, link_up, .name = name_of(l, m->serial), .serial = m->serial, .peer_ip = m->peer,
          .carrier = m->carrier, .port = m->port);
    pull_way_changed(l->central, m->serial);
}

static void on_state(void *ctx, const struct bus_in *in)
{
    const struct bus_link_state *m = in->msg;
    struct far_link *k = find(ctx, m->link);

    if (!k)
        return;
    k->rtt_us = k->carried ? doors_rtt_us(k->links->doors, k->carried) : m->rtt_us;
    k->channels = m->channels;
    k->octets = m->octets;
}

static void on_ended(void *ctx, const struct bus_in *in)
{
    const struct bus_link_ended *m = in->msg;
    struct far_link *k = find(ctx, m->link);

    if (k)
        far_end(ctx, k, m->why);
}

/* The gateway opened a channel. */
static void on_incoming(void *ctx, const struct bus_in *in)
{
    struct links *l = ctx;
    struct bus *bus = l->central->o.bus;
    const struct bus_link_incoming *m = in->msg;
    const struct far_link *k = find(l, m->link);
    enum link_channel channel = link_channel_named(m->name);

    if (in->fd < 0)
        return;
    if (k && channel == LINK_ENROL && k->token[0]) {
        enrolling_new(l, in->fd, str_c(k->token), str_c(k->peer));
        return;
    }
    if (k && (channel == LINK_PVO || channel == LINK_SPAM))
        bus_send_fd(
            bus, bus_peer(bus, ROLE_quarantine, 0), BUS_link_hold,
            &(struct bus_link_hold){.serial = str_c(k->serial), .peer = str_c(k->peer), .spam = channel == LINK_SPAM},
            in->fd);
    close(in->fd);
}

/* The connections were in that process. */
static void on_gone(void *ctx, struct bus_peer *p)
{
    struct links *l = ctx;

    while (p->role == ROLE_shell && l->far)
        far_end(l, l->far, str_lit("the SSH service ended"));
}

void far_begin(struct links *l)
{
    struct bus *bus = l->central->o.bus;

    bus_on(bus, BUS_link_began, on_began, l);
    bus_on(bus, BUS_link_state, on_state, l);
    bus_on(bus, BUS_link_ended, on_ended, l);
    bus_on(bus, BUS_link_incoming, on_incoming, l);
    bus_on_peer(bus, NULL, on_gone, l);
}

void far_free(struct links *l)
{
    while (l->far) {
        struct far_link *k = l->far;

        l->far = k->next;
        link_files_free(k->files);
        free(k);
    }
    while (l->lost) {
        struct lost *w = l->lost;

        l->lost = w->next;
        loop_timer_cancel(l->central->o.loop, &w->timer);
        free(w->name);
        free(w);
    }
}

void far_status(const struct links *l, struct buf *text, struct buf *json, size_t *n)
{
    const struct conf *c = l->central->conf;

    for (size_t i = 0; c && i < c->appliance.n; i++) {
        const struct conf_appliance *a = &c->appliance.items[i];
        const struct far_link *k = of_serial(l, a->serial);
        struct link_shown s = {.name = a->name, .serial = a->serial, .state = k ? "up" : "down"};

        if (a->link == 0)
            continue;
        if (k) {
            s.peer = str_c(k->peer);
            s.carrier = str_c(k->carrier);
            s.port = k->port;
            s.since_ms = k->since_ms;
            s.rtt_us = k->rtt_us;
            s.channels = k->channels;
            s.octets = k->octets;
        }
        for (const struct lost *w = l->lost; w; w = w->next)
            if (str_eqi(str_c(w->name), a->name))
                s.error = str_c(w->why);
        link_show(&s, text, json, n);
    }
}
