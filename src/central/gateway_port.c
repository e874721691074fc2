/*
 * Where a gateway takes released mail now: get-config cpq over SSH, for each connection that deliver makes (central.md 9).
 *
 * Called by deliver over the bus (gateway_question). Owns the questions under way and what the gateways answered last. A
 * gateway that cannot be asked, takes none, or could not be connected to for pvo.alternate_after_ms is stood in for by the
 * alternate release appliance; with pvo.last_port its last answer counts for LAST_MS. Else the answer says why, and that it
 * is SSH where it is SSH.
 */
#include "central/inside.h"

#include "base/clock.h"
#include "base/json_read.h"
#include "base/must.h"
#include "net/ip.h"

#include <stdio.h>
#include <stdlib.h>

enum { LAST_MS = 600000, REPLY_MAX = 65536, ADDRESS_MAX = 128 };

struct told {
    struct told *next;
    char *appliance;
    char address[ADDRESS_MAX];
    uint64_t port, at_ms, failing_ms; /* monotonic; 0 = never, not failing */
};

struct port_ask {
    struct port_ask *next;
    struct central *central;
    struct bus_peer *from;
    unsigned life;
    uint64_t call;
    bool failed, instead; /* instead: the alternate is being asked */
    char *appliance, *alternate;
    struct buf reply; /* the thread writes it */
    char why[2 * ERR_TEXT_MAX];
};

/* ---- what is known ---------------------------------------------------------------------------------------------------- */

static struct told *told_of(struct central *c, const char *appliance)
{
    struct told *t = c->told;

    while (t && strcmp(t->appliance, appliance) != 0)
        t = t->next;
    if (t)
        return t;
    t = calloc(1, sizeof *t);
    must(t && (t->appliance = strdup(appliance)));
    t->next = c->told;
    c->told = t;
    return t;
}

static const struct conf_appliance *appliance_with(const struct central *c, struct str serial)
{
    for (size_t i = 0; c->conf && i < c->conf->appliance.n; i++) {
        const struct conf_appliance *a = &c->conf->appliance.items[i];

        if (str_eqi(a->serial, serial))
            return a;
        for (size_t k = 0; k < a->former.n; k++)
            if (str_eqi(a->former.items[k], serial))
                return a;
    }
    return NULL;
}

/* ---- answers ---------------------------------------------------------------------------------------------------------- */

static void ask_free(struct port_ask *p)
{
    struct port_ask **at = &p->central->port_asks;

    while (*at != p)
        at = &(*at)->next;
    *at = p->next;
    buf_done(&p->reply);
    free(p->appliance);
    free(p->alternate);
    free(p);
}

static void answer(struct port_ask *p, struct bus_gateway_answer *m)
{
    if (p->from->life == p->life)
        bus_reply(p->central->o.bus, p->from, p->call, BUS_gateway_answer, m);
    ask_free(p);
}

static void refuse(struct port_ask *p)
{
    answer(p, &(struct bus_gateway_answer){.rc = RC_UNAVAILABLE, .why = str_c(p->why)});
}

static void give(struct port_ask *p, const struct conf_appliance *a, struct str address, uint64_t port)
{
    answer(p, &(struct bus_gateway_answer){.rc = RC_OK,
                                           .address = address,
                                           .port = port,
                                           .serial = a->serial,
                                           .host = str_c(p->instead ? p->alternate : p->appliance)});
}

static enum rc read_reply(struct port_ask *p, const struct conf_appliance *a, char address[ADDRESS_MAX], uint64_t *port,
                          struct err *e)
{
    const struct json *root = NULL;
    struct str state, told;
    struct address_ip ip;
    struct arena arena;
    enum rc rc;

    arena_init(&arena, 1024, 1 << 20);
    rc = json_read(&arena, buf_str(&p->reply), &root, e);
    state = json_str_of(json_get(root, "state"));
    told = json_str_of(json_get(root, "address"));
    if (rc == RC_OK && str_eq(state, str_lit("disabled")))
        rc = err_set(e, RC_NOT_FOUND, "the central quarantines are off on that gateway");
    else if (rc == RC_OK && !json_u64(json_get(root, "port"), port))
        rc = err_set(e, RC_SYNTAX, "get-config cpq names no port");
    if (!ip_parse(told, &ip) || str_eq(told, str_lit("0.0.0.0")) || str_eq(told, str_lit("::")))
        told = a->address; /* all addresses: that which SSH uses */
    if (rc == RC_OK && !link_use(p->central, a, "cpq", address))
        snprintf(address, ADDRESS_MAX, "%.*s", STR(told));
    arena_done(&arena);
    return rc;
}

/* ---- asking ----------------------------------------------------------------------------------------------------------- */

/* In the thread of the line. */
static enum rc get_config(struct ssh_line *l, void *ctx, struct err *e)
{
    struct port_ask *p = ctx;

    buf_clear(&p->reply);
    return ssh_line_verb(l, str_lit("get-config cpq"), STR_NONE, &p->reply, -1, e);
}

static void on_config(void *ctx, enum rc rc, const struct err *e);

static void ask_alternate(struct port_ask *p)
{
    p->instead = true;
    line_job(p->central, str_c(p->alternate), LINE_SOON, get_config, on_config, p);
}

/* Whether another appliance is to take it, now that this one does not. */
static bool may_stand_in(struct port_ask *p, const struct told *t, bool off)
{
    const struct conf *c = p->central->conf;
    struct str name = c->pvo.alternate;

    if (!name.n || str_eqi(name, str_c(p->appliance)) || !appliance_find(p->central, name))
        return false;
    if (!off && clock_mono_ms() < t->failing_ms + c->pvo.alternate_after_ms)
        return false;
    p->alternate = strndup(name.p, name.n);
    must(p->alternate);
    return true;
}

static void not_taken(struct port_ask *p, struct told *t, const struct conf_appliance *a, bool off)
{
    if (!t->failing_ms)
        t->failing_ms = clock_mono_ms();
    if (may_stand_in(p, t, off))
        ask_alternate(p);
    else if (!off && p->central->conf->pvo.last_port && t->at_ms && clock_mono_ms() < t->at_ms + LAST_MS)
        give(p, a, str_c(t->address), t->port);
    else
        refuse(p);
}

static void say_why(struct port_ask *p, const char *name, enum rc rc, const struct err *e)
{
    size_t at = strlen(p->why);
    struct buf b = {.p = p->why, .n = at, .cap = sizeof p->why - 1, .max = sizeof p->why - 1};

    if (at)
        buf_add(&b, str_lit("; alternate: "));
    buf_addf(&b, rc == RC_NOT_FOUND || rc == RC_SYNTAX ? "%.60s: %.200s" : "SSH to %.60s failed: %.200s", name, err_text(e));
    p->why[b.n < sizeof p->why ? b.n : sizeof p->why - 1] = '\0';
}

static void on_config(void *ctx, enum rc rc, const struct err *e)
{
    struct port_ask *p = ctx;
    const char *name = p->instead ? p->alternate : p->appliance;
    const struct conf_appliance *a = appliance_find(p->central, str_c(name));
    struct told *t = told_of(p->central, name);
    char address[ADDRESS_MAX];
    struct err bad = ERR_NONE;
    uint64_t port = 0;

    if (rc == RC_OK)
        rc = a ? read_reply(p, a, address, &port, &bad) : err_set(&bad, RC_NOT_FOUND, "not enrolled any more");
    else
        bad = *e;
    if (rc != RC_OK) {
        say_why(p, name, rc, &bad);
        if (p->instead || !a)
            refuse(p);
        else
            not_taken(p, t, a, rc == RC_NOT_FOUND);
        return;
    }
    snprintf(t->address, sizeof t->address, "%s", address);
    t->port = port;
    t->at_ms = clock_mono_ms();
    if (p->failed && !p->instead) {
        snprintf(p->why, sizeof p->why, "%.60s port %llu does not answer", name, (unsigned long long)port);
        if (!t->failing_ms)
            t->failing_ms = clock_mono_ms();
        if (may_stand_in(p, t, false)) {
            ask_alternate(p);
            return;
        }
    } else {
        t->failing_ms = 0;
    }
    give(p, a, str_c(address), port);
}

static void on_question(void *ctx, const struct bus_in *in)
{
    struct central *c = ctx;
    const struct bus_gateway_question *m = in->msg;
    const struct conf_appliance *a = appliance_with(c, m->serial);
    struct port_ask *p;

    if (!a) {
        bus_reply(c->o.bus, in->from, in->call, BUS_gateway_answer,
                  &(struct bus_gateway_answer){.rc = RC_NOT_FOUND,
                                               .why = str_lit("the gateway it came from is not enrolled here any more")});
        return;
    }
    p = calloc(1, sizeof *p);
    must(p);
    *p = (struct port_ask){.central = c,
                           .from = in->from,
                           .life = in->from->life,
                           .call = in->call,
                           .failed = m->failed,
                           .appliance = strndup(a->name.p, a->name.n),
                           .reply = BUF(REPLY_MAX)};
    must(p->appliance);
    p->next = c->port_asks;
    c->port_asks = p;
    line_job(c, a->name, LINE_SOON, get_config, on_config, p);
}

void gateway_ports_begin(struct central *c)
{
    if (c->o.bus)
        bus_on(c->o.bus, BUS_gateway_question, on_question, c);
}

void gateway_ports_free(struct central *c)
{
    for (struct told *t; (t = c->told);) {
        c->told = t->next;
        free(t->appliance);
        free(t);
    }
    while (c->port_asks)
        ask_free(c->port_asks);
}
