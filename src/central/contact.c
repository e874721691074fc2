/*
 * What is known of each gateway: is there contact, since when, why not; its last hello, its clock, what came from it last.
 *
 * Called by line.c when a job ends, by pull.c when a segment is imported. Shown by contact_show.c; record is told who is
 * away. Owns these facts for the life of the process. Contact that is away for central.away_alert_ms is an alert, and so is
 * a gateway that is somebody else.
 */
#include "central/contact.h"
#include "central/enrol.h"
#include "central/slbl.h"

#include "base/clock.h"
#include "base/must.h"

#include <stdio.h>
#include <stdlib.h>

enum { CLOCK_WARN_MS = 5000 };

static struct contact *find(const struct central *c, struct str name)
{
    struct contact *k = c->contacts;

    while (k && !str_eqi(str_c(k->name), name))
        k = k->next;
    return k;
}

const struct contact *contact_find(const struct central *c, struct str appliance)
{
    return find(c, appliance);
}

static struct contact *contact_of(struct central *c, struct str name)
{
    struct contact *k = find(c, name);

    if (k)
        return k;
    k = calloc(1, sizeof *k);
    must(k && (k->name = strndup(name.p, name.n)));
    k->central = c;
    k->next = c->contacts;
    c->contacts = k;
    return k;
}

static void on_away(void *ctx)
{
    struct contact *k = ctx;

    k->told_away = true;
    event(k->central->o.events, gateway_away, .name = str_c(k->name), .since_ms = k->heard_ms, .why = str_c(k->error));
}

/* Record says it beside the data it has. */
static void tell(const struct central *c, const struct conf_appliance *a, struct bus_peer *record)
{
    const struct contact *k = find(c, a->name);
    bool away = k && (k->state == CONTACT_DOWN || k->state == CONTACT_REFUSED);

    if (a->serial.n && k && c->o.bus)
        bus_send(c->o.bus, record, BUS_gateway_contact,
                 &(struct bus_gateway_contact){
                     .serial = a->serial, .state = a->disconnected ? 2 : !away, .heard_ms = k->heard_ms});
}

void contacts_tell(const struct central *c, struct bus_peer *record)
{
    for (size_t i = 0; c->conf && i < c->conf->appliance.n; i++)
        tell(c, &c->conf->appliance.items[i], record);
}

static void become(struct contact *k, enum contact_state state)
{
    const struct central *c = k->central;
    const struct conf_appliance *a = appliance_find(c, str_c(k->name));

    if (k->state == state)
        return;
    k->state = state;
    k->since_ms = clock_wall_ms();
    if (a && c->o.bus)
        tell(c, a, bus_peer(c->o.bus, ROLE_record, 0));
}

/* --- what is told
 * -----------------------------------------------------------------------------------------------------------
 */

static void check_clock(struct contact *k)
{
    uint64_t off = (uint64_t)(k->hello.clock_ms < 0 ? -k->hello.clock_ms : k->hello.clock_ms);

    if (off > CLOCK_WARN_MS && !k->told_clock)
        event(k->central->o.events, gateway_clock, .name = str_c(k->name), .off_ms = off, .behind = k->hello.clock_ms < 0);
    k->told_clock = off > CLOCK_WARN_MS;
}

static void heard(struct contact *k)
{
    k->heard_ms = clock_wall_ms();
    loop_timer_cancel(k->central->o.loop, &k->away);
    if (k->told_away)
        event(k->central->o.events, gateway_back, .name = str_c(k->name));
    k->told_away = false;
}

void contact_up(struct central *c, struct str appliance, struct greeting *g, bool via_link)
{
    struct contact *k = contact_of(c, appliance);

    greeting_done(&k->hello);
    k->hello = *g;
    g->json = NULL;
    k->via_link = via_link;
    if (k->state != CONTACT_UP)
        event(c->o.events, gateway_connected, .name = appliance, .serial = str_c(k->hello.serial), .rtt_ms = k->hello.rtt_ms,
              .link = via_link);
    if (k->state != CONTACT_UP && c->o.bus)
        bus_send(c->o.bus, bus_peer(c->o.bus, ROLE_queue, 0), BUS_gateway_back,
                 &(struct bus_gateway_back){.serial = str_c(k->hello.serial)}); /* releases that wait for it go at once */
    enrol_heard(c, appliance, str_c(k->hello.json));
    slbl_contact(c, appliance, k->hello.slbl_version);
    become(k, CONTACT_UP);
    heard(k);
    check_clock(k);
}

void contact_heard(struct central *c, struct str appliance, uint64_t bytes)
{
    struct contact *k = contact_of(c, appliance);

    k->bytes += bytes;
    heard(k);
}

void contact_down(struct central *c, struct str appliance, enum rc rc, const char *why)
{
    struct contact *k = contact_of(c, appliance);
    bool refused = rc == RC_NOT_PERMITTED || rc == RC_NOT_IMPLEMENTED;
    bool news = k->state != (refused ? CONTACT_REFUSED : CONTACT_DOWN) || strcmp(k->error, why) != 0;

    snprintf(k->error, sizeof k->error, "%s", why);
    become(k, refused ? CONTACT_REFUSED : CONTACT_DOWN);
    if (news && refused)
        event(c->o.events, gateway_refused, .name = appliance, .why = str_c(why));
    else if (news)
        event(c->o.events, gateway_lost, .name = appliance, .why = str_c(why));
    if (!k->away.slot && !k->told_away)
        loop_timer_set(c->o.loop, &k->away, c->conf->central.away_alert_ms, on_away, k);
}

void contact_transfer(struct central *c, struct str appliance, enum contact_service s, uint64_t bytes)
{
    struct contact *k = contact_of(c, appliance);

    k->service[s].last_ms = clock_wall_ms();
    k->service[s].segments++;
    k->service[s].bytes += bytes;
}

const char *contact_hello(const struct central *c, struct str appliance)
{
    const struct contact *k = find(c, appliance);

    return k ? k->hello.json : NULL;
}

/* --- life
 * ---------------------------------------------------------------------------------------------------------------------
 */

static void drop(struct contact *k)
{
    loop_timer_cancel(k->central->o.loop, &k->away);
    greeting_done(&k->hello);
    free(k->name);
    free(k);
}

void contacts_sweep(struct central *c)
{
    struct contact **at = &c->contacts;

    if (c->o.bus)
        contacts_tell(c, bus_peer(c->o.bus, ROLE_record, 0)); /* whether contact is wanted at all is a setting */
    while (*at) {
        struct contact *k = *at;
        const struct conf_appliance *a = appliance_find(c, str_c(k->name));

        if (a && a->disconnected)
            loop_timer_cancel(c->o.loop, &k->away); /* nobody wants contact */
        if (a) {
            at = &k->next;
            continue;
        }
        *at = k->next;
        drop(k);
    }
}

void contacts_free(struct central *c)
{
    while (c->contacts) {
        struct contact *k = c->contacts;

        c->contacts = k->next;
        drop(k);
    }
}
