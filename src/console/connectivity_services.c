/*
 * The four central services as connectivity shows them (spec/cli.md 12.2): who opens which port, does it work, why not.
 *
 * Called by cmd_connectivity.c. On a manager role central tells what it knows of each gateway (verb `contact`), the
 * gateway's own look at our ports (`reach` of its hello) included, and the gateway's port for released mail is tried; on a
 * gateway the ports of each manager are tried. Owns nothing; what cannot be asked is said so and counts as failed.
 */
#include "console/connectivity.h"

#include "base/json.h"
#include "base/json_read.h"

#include <inttypes.h>

enum { REPLY_MOST = 8 << 20, CLOUD = 1 /* choice of central.site and appliance.NAME.site */, LINK_OFF = 0 };

static const char advice[] = "use a link: it carries all four services through one connection that the gateway opens";

/* What is told of one service of one partner. */
struct line {
    struct str partner;
    const char *service, *opened_by;
    uint64_t port;
    enum probe_result result;
    uint64_t ms;
    struct str text;
};

static void show(struct connectivity *c, const struct line *l)
{
    struct session *s = c->s;

    c->failed += l->result != RESULT_OK && l->result != RESULT_OFF;
    if (c->services) {
        buf_add(c->services, c->services->n ? str_lit(",{\"partner\":") : str_lit("{\"partner\":"));
        json_str(c->services, l->partner);
        buf_addf(c->services,
                 ",\"service\":\"%s\",\"opened_by\":\"%s\",\"port\":%" PRIu64
                 ",\"works\":%s,\"result\":\"%s\",\"ms\":%" PRIu64 ",\"text\":",
                 l->service, l->opened_by, l->port, l->result == RESULT_OK ? "true" : "false", probe_result_word(l->result),
                 l->ms);
        json_str(c->services, l->text);
        buf_addc(c->services, '}');
        return;
    }
    say(s, "%-16.*s %-36s opened by the %-8s port %-6" PRIu64 " %-15s %.*s\n", STR(l->partner), l->service, l->opened_by,
        l->port,
        l->result == RESULT_OK    ? "works"
        : l->result == RESULT_OFF ? "off"
                                  : "does not work",
        STR(l->text));
    say_flush(s);
}

static struct str with_result(struct session *s, const struct probe *p, const char *then)
{
    return arena_printf(&s->arena, "%.*s:%" PRIu64 " %s: %.*s%s%s", STR(p->host), p->port, probe_result_word(p->result),
                        STR(p->text), *then ? "; " : "", then);
}

/* --- on a manager -------------------------------------------------------------------------------------------------------
 */

struct gateway {
    const struct conf_appliance *a;
    bool connected, refused;
    struct str error; /* of SSH */
    uint64_t ms;
    const struct json *reach; /* NULL: the gateway did not say */
};

static struct gateway gateway_of(const struct conf_appliance *a, const struct json *contacts)
{
    struct gateway g = {.a = a, .error = str_lit("there was no contact yet")};

    for (const struct json *k = json_is(contacts, JSON_ARRAY) ? contacts->first : NULL; k; k = k->next) {
        if (!str_eqi(json_str_of(json_get(k, "name")), a->name))
            continue;
        g.connected = str_eq(json_str_of(json_get(k, "state")), str_lit("connected"));
        g.refused = str_eq(json_str_of(json_get(k, "state")), str_lit("refused"));
        if (json_str_of(json_get(k, "error")).n)
            g.error = json_str_of(json_get(k, "error"));
        json_u64(json_get(k, "rtt_ms"), &g.ms);
        g.reach = json_get(json_get(k, "hello"), "reach");
    }
    return g;
}

static bool no_way_in(const struct conf *c, const struct conf_appliance *a)
{
    return a->site == CLOUD && c->central.site != CLOUD && a->link == LINK_OFF;
}

static void ssh_service(struct connectivity *c, const struct gateway *g, const char *service, bool on)
{
    struct session *s = c->s;
    struct line l = {g->a->name, service, "manager", g->a->port, RESULT_OK, g->ms, STR_NONE};

    if (!on || g->a->disconnected) {
        l.result = RESULT_OFF;
        l.text =
            g->a->disconnected ? str_lit("fetching is stopped for this gateway") : str_lit("not chosen for this gateway");
    } else if (!g->connected) {
        l.result = g->refused ? RESULT_AUTH : RESULT_TIMEOUT;
        l.text = arena_printf(
            &s->arena, "SSH to %.*s:%" PRIu64 ": %.*s%s%s", STR(g->a->address), g->a->port, STR(g->error),
            no_way_in(session_conf(s), g->a) ? "; a gateway in a cloud site does not let SSH in from the manager; " : "",
            no_way_in(session_conf(s), g->a) ? advice : "");
    }
    show(c, &l);
}

/* What the gateway met on that port of ours: `reach` says {"7025":"ok"} or why not. */
static void push_service(struct connectivity *c, const struct gateway *g, const char *service, bool on, uint64_t port,
                         const char *usual, const char *waits)
{
    struct session *s = c->s;
    struct line l = {g->a->name, service, "gateway", port, RESULT_OK, 0, STR_NONE};
    const struct json *said = json_get(g->reach, usual);
    struct str word = json_str_of(said);
    bool reached = json_is(said, JSON_TRUE) || str_eq(word, str_lit("ok"));

    if (!on) {
        l.result = RESULT_OFF;
        l.text = str_lit("not chosen for this gateway");
    } else if (!g->connected) {
        l.result = RESULT_PEER;
        l.text = arena_printf(&s->arena, "refused as long as SSH does not work%s%s",
                              no_way_in(session_conf(s), g->a) ? "; " : "", no_way_in(session_conf(s), g->a) ? advice : "");
    } else if (!reached) {
        bool cloud = session_conf(s)->central.site == CLOUD && g->a->link == LINK_OFF;

        l.result = str_eq(word, str_lit("refused")) ? RESULT_REFUSED : said ? RESULT_TIMEOUT : RESULT_PEER;
        l.text = arena_printf(
            &s->arena, "not reachable from this gateway: port %" PRIu64 " not answered%s%.*s%s; mail stays in %s%s%s", port,
            word.n ? " (" : "", STR(word), word.n ? ")" : "", waits, cloud ? "; " : "", cloud ? advice : "");
    }
    show(c, &l);
}

static void release_service(struct connectivity *c, const struct gateway *g)
{
    struct session *s = c->s;
    struct probe p = {.host = g->a->address, .kind = PROBE_CPQ};
    struct line l = {g->a->name, "Policy, virus, outbreak: release", "manager", 0, RESULT_OFF, 0, STR_NONE};
    struct buf *json = session_buf(s, REPLY_MOST);
    const struct json *cpq = NULL;
    struct err e = ERR_NONE;

    l.text = str_lit("not chosen for this gateway");
    if (g->a->pvo && g->connected &&
        session_call(s, NULL, json, "contact", arena_printf(&s->arena, "%.*s", STR(g->a->name)).p, "cpq", NULL) == RC_OK &&
        json_read(&s->arena, buf_str(json), &cpq, &e) == RC_OK && json_u64(json_get(cpq, "port"), &p.port)) {
        probe_run(s, &p, &c->names_fail);
        l.port = p.port;
        l.result = p.result;
        l.ms = p.ms;
        l.text = p.result == RESULT_OK ? STR_NONE : with_result(s, &p, "mail stays in the.cpq.release.host");
    } else if (g->a->pvo) {
        l.result = RESULT_PEER;
        l.port = 7025;
        l.text = str_lit("the gateway does not say its port over SSH: releases wait");
    }
    show(c, &l);
}

static void on_manager(struct connectivity *c)
{
    struct session *s = c->s;
    const struct conf *now = session_conf(s);
    struct buf *json = session_buf(s, REPLY_MOST);
    const struct json *contacts = NULL;
    struct err e = ERR_NONE;

    if (session_call(s, NULL, json, "contact", NULL) != RC_OK || json_read(&s->arena, buf_str(json), &contacts, &e) != RC_OK)
        contacts = NULL;
    for (size_t i = 0; i < now->appliance.n; i++) {
        const struct gateway g = gateway_of(&now->appliance.items[i], contacts);

        ssh_service(c, &g, "Reporting", g.a->reporting);
        ssh_service(c, &g, "Tracking", g.a->tracking);
        push_service(c, &g, "Spam quarantine", g.a->spam, now->euq_listener.port, "6025", "the.euq.queue");
        push_service(c, &g, "Policy, virus, outbreak quarantine", g.a->pvo, now->cpq_listener.port, "7025", "the.cpq.host");
        release_service(c, &g);
    }
    if (!now->appliance.n && !c->services)
        say(s, "No gateway is enrolled: applianceconfig adds one.\n");
}

/* --- on a gateway -------------------------------------------------------------------------------------------------------
 */

static void fetched_service(struct connectivity *c, const struct conf_manager *m, const char *service)
{
    const struct conf *now = session_conf(c->s);
    const struct conf_interface *i = now->interface.n ? now->interface.items : NULL;
    struct line l = {m->name, service, "manager", i ? i->ssh_port : 22, RESULT_OFF, 0, STR_NONE};

    l.text = m->serial.n ? str_lit("the manager opens it: connectivity there tells whether it gets in")
                         : str_lit("not enrolled yet: the manager has not logged in");
    show(c, &l);
}

static void sent_service(struct connectivity *c, const struct conf_manager *m, const char *service, uint64_t port, bool used,
                         const char *waits)
{
    struct session *s = c->s;
    const struct conf *now = session_conf(s);
    struct line l = {m->name, service, "gateway", port, RESULT_OK, 0, STR_NONE};
    struct probe p = {.host = m->address, .port = port, .kind = PROBE_CPQ};
    bool cloud = m->site == CLOUD && now->central.site != CLOUD && m->link == LINK_OFF;

    if (!m->destination) {
        l.result = RESULT_OFF;
        l.text = str_lit("another manager takes quarantined mail");
        show(c, &l);
        return;
    }
    probe_run(s, &p, &c->names_fail);
    l.result = p.result;
    l.ms = p.ms;
    if (p.result != RESULT_OK)
        l.text = with_result(s, &p,
                             arena_printf(&s->arena, "%s %s%s%s",
                                          used ? "mail stays in" : "it cannot be enabled; mail would stay in", waits,
                                          cloud ? "; " : "", cloud ? advice : "")
                                 .p);
    else if (!m->serial.n)
        l.text = str_lit("reached, but not enrolled: the manager refuses this gateway"), l.result = RESULT_AUTH;
    show(c, &l);
}

static void on_gateway(struct connectivity *c)
{
    const struct conf *now = session_conf(c->s);

    for (size_t i = 0; i < now->manager.n; i++) {
        const struct conf_manager *m = &now->manager.items[i];

        fetched_service(c, m, "Reporting");
        fetched_service(c, m, "Tracking");
        sent_service(c, m, "Spam quarantine", m->spam_port, false, "the.euq.queue");
        sent_service(c, m, "Policy, virus, outbreak quarantine", m->pvo_port, now->pvo.central, "the.cpq.host");
    }
    if (!now->manager.n && !c->services)
        say(c->s, "No manager is enrolled: smaconfig, or applianceconfig on the manager.\n");
}

void connectivity_services(struct connectivity *c)
{
    if (session_conf(c->s)->system.role == 1)
        on_manager(c);
    else
        on_gateway(c);
}
