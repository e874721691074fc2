/*
 * The control role: settings, operator verbs, logins. See admin/admin.h.
 *
 * Started by master without a snapshot: it is where snapshots come from. Loads the version in force, sends it to each
 * process that comes and to all at every commit, and tells master which listening sockets and how many processes that
 * version wants.
 */
#include "admin/admin.h"
#include "admin/enrol_manager.h"
#include "admin/identity.h"
#include "admin/mgmt.h"
#include "admin/slbl.h"
#include "base/must.h"
#include "central/link_names.h"
#include "conf/hidden.h"
#include "role/line.h"
#include "role/role.h"

#include <stdlib.h>
#include <sys/stat.h>

enum { SERVICE_BACKLOG = 128 };

struct control {
    struct admin admin;
    struct process *process;
    struct arena arena; /* of the wanted sockets */
    struct role_listener *wanted;
    size_t n, room;
};

/* "4" or "6", and a number from the second address of a family on: listener.InboundMail.4, listener.InboundMail.4-2. */
static struct str socket_name(struct control *c, const char *kind, struct str owner, bool six)
{
    unsigned n = 1;
    struct str first = arena_printf(&c->arena, "%s.%.*s.%s", kind, STR(owner), six ? "6" : "4"), name = first;

    for (size_t i = 0; i < c->n; i++)
        if (str_eq(c->wanted[i].name, name))
            name = arena_printf(&c->arena, "%.*s-%u", STR(first), ++n);
    return name;
}

/* What wants a socket: role, kind (the first part of its name), item of the settings, port, backlog. */
struct wish {
    enum role role;
    const char *kind;
    struct str owner;
    uint64_t port, backlog;
};

static void want(struct control *c, const struct wish *w, struct str address)
{
    struct role_listener *more;

    if (c->n == c->room) {
        more = arena_array(&c->arena, struct role_listener, 2 * c->room + 16);
        must(more);
        if (c->n)
            memcpy(more, c->wanted, c->n * sizeof *more);
        c->wanted = more;
        c->room = 2 * c->room + 16;
    }
    c->wanted[c->n++] = (struct role_listener){
        .name = socket_name(c, w->kind, w->owner, str_find(address, ':') < address.n),
        .address = address,
        .port = w->port,
        .backlog = w->backlog,
        .role = w->role,
    };
}

static void want_on_interface(struct control *c, const struct wish *w, const struct conf_interface *f)
{
    if (f && f->address.n)
        want(c, w, f->address);
    if (f && f->address6.n)
        want(c, w, f->address6);
}

/* A suspended listener refuses connections (spec/cli.md 7.3): its socket is closed. */
static bool is_suspended(const struct conf *now, struct str name)
{
    for (size_t i = 0; i < now->receiving.suspended.n; i++)
        if (str_eqi(now->receiving.suspended.items[i], name) || str_eqi(now->receiving.suspended.items[i], str_lit("all")))
            return true;
    return false;
}

static void want_listener(struct control *c, const struct conf *now, const struct conf_listener *l)
{
    const struct wish w = {ROLE_receive, "listener", l->name, l->port, l->backlog};

    if (!l->enabled || is_suspended(now, l->name))
        return;
    for (size_t i = 0; i < l->address.n; i++)
        want(c, &w, l->address.items[i]);
    if (l->address.n == 0)
        want_on_interface(c, &w, conf_find(&now->interface, l->interface));
}

static void want_hidden(struct control *c, const struct conf *now, const struct wish *w, struct str interface)
{
    if (!is_suspended(now, w->owner))
        want_on_interface(c, w,
                          interface.n        ? conf_find(&now->interface, interface)
                          : now->interface.n ? now->interface.items
                                             : NULL);
}

/* The hidden listeners of the central quarantines: in no list of listeners, suspended by name or with all of them. On a
 * gateway released mail comes back to receive; on a manager the quarantine role takes what gateways hold. */
static void want_quarantines(struct control *c, const struct conf *now)
{
    const bool manager = conf_is_manager(now);
    const struct wish cpq = {manager ? ROLE_quarantine : ROLE_receive, "hidden", str_lit("cpq_listener"),
                             now->cpq_listener.port, SERVICE_BACKLOG};
    const struct wish euq = {ROLE_quarantine, "hidden", str_lit("euq_listener"), now->euq_listener.port, SERVICE_BACKLOG};

    if (manager && now->central.suspended)
        return; /* suspendtransfers */
    if (conf_listens_cpq(now))
        want_hidden(c, now, &cpq, now->cpq_listener.interface);
    if (conf_listens_euq(now))
        want_hidden(c, now, &euq, now->euq_listener.interface);
}

/* Where links of gateways come in: link.smtp.4 and so on. The carrier ssh is the SSH server's. */
static void want_link(struct control *c, const struct conf *now)
{
    const struct conf_link_listener *l = &now->link_listener;
    struct link_port port;

    for (size_t i = 0; i < l->ports.n && l->enabled && conf_is_manager(now); i++) {
        if (!link_port_parse(l->ports.items[i], &port) || port.carrier == LINK_SSH)
            continue;
        want_on_interface(
            c, &(struct wish){ROLE_central, "link", str_c(link_carrier_name(port.carrier)), port.port, SERVICE_BACKLOG},
            l->interface.n     ? conf_find(&now->interface, l->interface)
            : now->interface.n ? now->interface.items
                               : NULL);
    }
}

/* The services of an interface (interfaceconfig): ssh.Management.4, https.Management.4 and so on. */
static void want_services(struct control *c, const struct conf *now, const struct conf_interface *f, bool *shell, bool *web)
{
    const bool proxy = f->https && now->http.trailblazer;
    const struct {
        uint64_t on;
        struct wish wish;
    } services[] = {
        {f->ssh, {ROLE_shell, "ssh", f->name, f->ssh_port, SERVICE_BACKLOG}},
        {f->ftp, {ROLE_shell, "ftp", f->name, f->ftp_port, SERVICE_BACKLOG}},
        {f->http, {ROLE_web, "http", f->name, f->http_port, SERVICE_BACKLOG}},
        {f->https, {ROLE_web, "https", f->name, f->https_port, SERVICE_BACKLOG}},
        {f->api_http, {ROLE_web, "api_http", f->name, f->api_http_port, SERVICE_BACKLOG}},
        {f->api_https, {ROLE_web, "api_https", f->name, f->api_https_port, SERVICE_BACKLOG}},
        {proxy, {ROLE_web, "proxy", f->name, now->http.trailblazer_port, SERVICE_BACKLOG}},
    };

    for (size_t i = 0; i < sizeof services / sizeof *services; i++) {
        if (!services[i].on)
            continue;
        want_on_interface(c, &services[i].wish, f);
        *shell |= services[i].wish.role == ROLE_shell;
        *web |= services[i].wish.role == ROLE_web;
    }
}

static bool wants_push(const struct conf *now)
{
    for (size_t i = 0; i < now->log.n; i++)
        if (now->log.items[i].retrieval != 0)
            return true;
    return false;
}

/* A manager has connections to its gateways, a gateway with a link opens it. */
static bool wants_central(const struct conf *now)
{
    for (size_t i = 0; i < now->manager.n; i++)
        if (now->manager.items[i].link != 0)
            return true;
    return conf_is_manager(now);
}

/* A manager without listeners neither receives nor judges mail. */
static void count_mail(struct control *c, const struct conf *now)
{
    role_count(c->process, ROLE_receive, conf_receives(now) ? now->roles.receive : ROLE_NONE);
    role_count(c->process, ROLE_scan, conf_receives(now) ? now->roles.scan : ROLE_NONE);
    role_count(c->process, ROLE_deliver, now->roles.deliver);
}

/* It speaks SSH on links too, with or without doors of its own. */
static bool wants_shell(const struct conf *now)
{
    return conf_is_manager(now) ? now->link_listener.enabled : wants_central(now);
}

static void applied(void *ctx, const struct conf *now)
{
    struct control *c = ctx;
    bool shell = false, web = false;

    c->n = c->room = 0;
    c->wanted = NULL;
    arena_reset(&c->arena);
    for (size_t i = 0; i < now->listener.n; i++)
        want_listener(c, now, &now->listener.items[i]);
    want_quarantines(c, now);
    want_link(c, now);
    for (size_t i = 0; i < now->interface.n; i++)
        want_services(c, now, &now->interface.items[i], &shell, &web);
    if (captures_wanted(&c->admin)) {
        want(c, &(struct wish){.role = ROLE_capture, .kind = "capture"}, str_lit("packets"));
        c->wanted[c->n - 1].name = str_lit("capture.packets");
    }
    role_listen(c->process, c->wanted, c->n);
    count_mail(c, now);
    role_count(c->process, ROLE_shell, shell || wants_shell(now));
    role_count(c->process, ROLE_web, web);
    role_count(c->process, ROLE_push, wants_push(now));
    role_count(c->process, ROLE_central, wants_central(now));
    role_count(c->process, ROLE_snmp, now->snmp.enabled);
    role_count(c->process, ROLE_clock, now->ntp.servers.n > 0);
    role_count(c->process, ROLE_capture, captures_wanted(&c->admin));
}

static void peer_came(void *ctx, struct bus_peer *p)
{
    struct control *c = ctx;

    store_send(&c->admin, p);
}

static void listen_state(struct process *p, struct str name, struct str error)
{
    struct control *c = p->state;

    if (str_eq(name, str_lit("capture.packets")))
        captures_refused(&c->admin, error);
    else if (error.n)
        event(c->admin.events, listener_failed, .listener = name, .why = error);
}

static enum rc start(struct process *p, struct err *e)
{
    struct control *c = calloc(1, sizeof *c);

    must(c);
    umask(0077);
    c->process = p;
    arena_init(&c->arena, 4096, 1 << 26);
    c->admin = (struct admin){.loop = p->loop,
                              .bus = p->bus,
                              .conf = p->conf,
                              .events = p->events,
                              .board = p->board,
                              .home = p->home,
                              .applied = applied,
                              .applied_ctx = c,
                              .halt = role_halt};
    p->state = c;
    TRY(seal_open(&c->admin, e));
    TRY(store_open(&c->admin, e));
    identity_open(&c->admin);
    auth_open(&c->admin);
    login_open(&c->admin);
    sessions_open(&c->admin);
    run_open(&c->admin);
    enrol_open(&c->admin);
    bus_on_peer(p->bus, peer_came, NULL, c);
    TRY(slbl_open(&c->admin, e));
    captures_open(&c->admin); /* what it tells a new process comes after the snapshot */
    return control_socket_open(&c->admin, e);
}

static void stop(struct process *p)
{
    struct control *c = p->state;

    control_socket_close(&c->admin);
    mgmt_close(&c->admin);
    role_leave(p);
}

int main(int argc, char **argv)
{
    static const struct role_kind kind = {
        .kind = ROLE_control, .start = start, .stop = stop, .listen_state = listen_state, .without_conf = true};

    return role_main(&kind, argc, argv);
}
