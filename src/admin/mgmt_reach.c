/*
 * Can this gateway reach the ports of a manager where quarantined mail goes? (central.md 2: hello says so.)
 *
 * Called by mgmt_hello.c and mgmt_config.c. Owns what was found last, for each manager, and the tries under way: the name is
 * asked of lookup, and lookup connects (control itself makes no connections). Nothing here fails: what cannot be tried is
 * told as the reason. A link that is up leads to both ports.
 */
#include "admin/mgmt.h"

#include "base/clock.h"
#include "base/json.h"
#include "base/must.h"
#include "bus/ask.h"
#include "net/ip.h"

#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

enum { OLD_MS = 60000, TRY_MS = 3000, GIVE_UP_MS = 12000, PORTS = 2, WAITERS = 8 };
enum { LINK_OFF };

static const char *const port_names[PORTS] = {"6025", "7025"};
static const char *const link_names[PORTS] = {"euq", "cpq"};

struct reach {
    struct reach *next;
    struct mgmt_state *state;
    char *name; /* item of `manager` */
    uint64_t at_ms;
    char found[PORTS][120]; /* "ok", or why not; empty = not tried */
    /* the try under way */
    bool trying;
    unsigned open; /* answers of lookup that are out */
    uint64_t ask, id[PORTS];
    uint64_t port[PORTS];
    struct loop_timer limit;
    struct {
        struct verb_call *call;
        void (*then)(struct verb_call *c);
    } waiter[WAITERS];
    unsigned n_waiters;
};

struct mgmt_state {
    struct admin *admin;
    struct reach *list;
    struct dns_asker *dns;
    uint64_t last_id;
};

static void finish(struct reach *r)
{
    unsigned n = r->n_waiters;

    loop_timer_cancel(r->state->admin->loop, &r->limit);
    r->trying = false;
    r->at_ms = clock_mono_ms();
    r->open = 0;
    r->n_waiters = 0;
    for (unsigned i = 0; i < n; i++)
        r->waiter[i].then(r->waiter[i].call);
}

static void set(struct reach *r, int port, const char *what)
{
    snprintf(r->found[port], sizeof r->found[port], "%s", what);
}

static void give_up(void *ctx)
{
    struct reach *r = ctx;

    if (r->ask)
        dns_ask_cancel(r->state->dns, r->ask);
    r->ask = 0;
    for (int i = 0; i < PORTS; i++) {
        if (r->id[i])
            set(r, i, "not tried: the look-up service does not answer");
        r->id[i] = 0;
    }
    finish(r);
}

static void on_socket(void *ctx, const struct bus_in *in)
{
    struct mgmt_state *s = ctx;
    const struct bus_engine_socket *m = in->msg;
    char why[120];

    if (in->fd >= 0)
        close(in->fd);
    for (struct reach *r = s->list; r; r = r->next) {
        for (int i = 0; i < PORTS; i++) {
            if (!r->id[i] || r->id[i] != m->id)
                continue;
            r->id[i] = 0;
            snprintf(why, sizeof why, "%.*s", STR(str_first(m->why, sizeof why - 1)));
            set(r, i, m->rc == RC_OK ? "ok" : *why ? why : "no connection");
            if (--r->open == 0)
                finish(r);
            return;
        }
    }
}

/* --- one try
 * ------------------------------------------------------------------------------------------------------------------ */

static void connect_to(struct reach *r, const struct address_ip *at)
{
    struct mgmt_state *s = r->state;
    struct bus_peer *lookup = bus_peer(s->admin->bus, ROLE_lookup, 0);
    char text[46], address[64];

    for (int i = 0; i < PORTS; i++) {
        struct bus_engine_open m = {.id = ++s->last_id, .timeout_ms = TRY_MS};

        snprintf(address, sizeof address, at->family == AF_INET6 ? "[%.*s]:%u" : "%.*s:%u", STR(ip_text(at, text)),
                 (unsigned)r->port[i]);
        m.address = str_c(address);
        if (!bus_send(s->admin->bus, lookup, BUS_engine_open, &m))
            continue;
        r->id[i] = m.id;
        r->open++;
    }
}

static void on_names(void *ctx, const struct dns_answer *answers, size_t n)
{
    struct reach *r = ctx;
    struct address_ip at = {0};

    r->ask = 0;
    for (size_t i = 0; i < n && !at.family; i++) {
        size_t octets = answers[i].question.type == DNS_AAAA ? 16 : 4;

        if (answers[i].result != DNS_OK || !answers[i].n || answers[i].records[0].data.n != octets)
            continue;
        at.family = octets == 16 ? AF_INET6 : AF_INET;
        memcpy(at.octets, answers[i].records[0].data.p, octets);
    }
    if (at.family) {
        connect_to(r, &at);
        return;
    }
    for (int i = 0; i < PORTS; i++)
        set(r, i, "the name of the manager has no address");
    loop_timer_set(r->state->admin->loop, &r->limit, 0, give_up, r);
}

static bool link_up(const struct admin *a, int port)
{
    char path[4096];

    snprintf(path, sizeof path, "%s/run/link/manager/%s", a->home, link_names[port]);
    return access(path, F_OK) == 0;
}

static void begin(struct reach *r, const struct conf_manager *m)
{
    struct mgmt_state *s = r->state;
    const struct dns_question questions[] = {{DNS_A, m->address}, {DNS_AAAA, m->address}};
    struct address_ip literal;

    r->trying = true;
    r->port[0] = m->spam_port;
    r->port[1] = m->pvo_port;
    loop_timer_set(s->admin->loop, &r->limit, GIVE_UP_MS, give_up, r);
    if (m->link != LINK_OFF && link_up(s->admin, 0) && link_up(s->admin, 1)) {
        set(r, 0, "ok");
        set(r, 1, "ok");
        loop_timer_set(s->admin->loop, &r->limit, 0, give_up, r);
    } else if (!m->address.n || !s->admin->bus) {
        set(r, 0, "the address of the manager is not set");
        set(r, 1, "the address of the manager is not set");
        loop_timer_set(s->admin->loop, &r->limit, 0, give_up, r);
    } else if (ip_parse(m->address, &literal)) {
        connect_to(r, &literal);
    } else {
        r->ask = dns_ask(s->dns, questions, 2, DNS_ASK_TIMEOUT_MS, on_names, r);
    }
}

/* --- the face
 * ----------------------------------------------------------------------------------------------------------------- */

static struct mgmt_state *state_of(struct admin *a)
{
    struct mgmt_state *s = a->mgmt;

    if (s)
        return s;
    s = calloc(1, sizeof *s);
    must(s);
    s->admin = a;
    s->last_id = clock_wall_ms();
    s->dns = dns_asker_new(a->bus, a->loop);
    if (a->bus)
        bus_on(a->bus, BUS_engine_socket, on_socket, s);
    a->mgmt = s;
    return s;
}

static struct reach *reach_of(struct admin *a, struct str name)
{
    struct mgmt_state *s = state_of(a);
    struct reach *r = s->list;

    while (r && !str_eqi(str_c(r->name), name))
        r = r->next;
    if (r)
        return r;
    r = calloc(1, sizeof *r);
    must(r && (r->name = strndup(name.p, name.n)));
    r->state = s;
    r->next = s->list;
    s->list = r;
    return r;
}

void mgmt_reach_put(struct admin *a, const struct conf_manager *m, struct buf *json)
{
    struct reach *r = reach_of(a, m->name);

    for (int i = 0; i < PORTS; i++) {
        buf_addf(json, "%s\"%s\":", i ? "," : "{", port_names[i]);
        if (*r->found[i])
            json_str(json, str_c(r->found[i]));
        else
            buf_add(json, str_lit("null"));
    }
    buf_addc(json, '}');
    if (!r->trying && (!r->at_ms || clock_mono_ms() - r->at_ms > OLD_MS))
        begin(r, m);
}

void mgmt_reach_now(struct verb_call *c, const struct conf_manager *m, void (*then)(struct verb_call *c))
{
    struct reach *r = reach_of(c->admin, m->name);

    if (r->n_waiters == WAITERS) {
        mgmt_err(c, 429, "busy: retry after 3000 ms");
        return;
    }
    r->waiter[r->n_waiters].call = c;
    r->waiter[r->n_waiters++].then = then;
    if (!r->trying)
        begin(r, m);
}

void mgmt_close(struct admin *a)
{
    struct mgmt_state *s = a->mgmt;

    if (!s)
        return;
    while (s->list) {
        struct reach *r = s->list;

        s->list = r->next;
        loop_timer_cancel(a->loop, &r->limit);
        free(r->name);
        free(r);
    }
    dns_asker_free(s->dns);
    free(s);
    a->mgmt = NULL;
}
