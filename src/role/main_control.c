/*
 * The control role: settings, operator verbs, logins. See admin/admin.h.
 *
 * Started by master without a snapshot: it is where snapshots come from. Loads the version in force, sends it to each
 * process that comes and to all at every commit, and tells master which listening sockets and how many processes that
 * version wants.
 */
#include "admin/admin.h"
#include "base/must.h"
#include "role/role.h"

#include <stdlib.h>
#include <sys/stat.h>

struct control {
    struct admin admin;
    struct process *process;
    struct arena arena; /* of the wanted sockets */
    struct role_listener *wanted;
    size_t n, room;
};

/* "4" or "6", and a number from the second address of a family on: listener.InboundMail.4, listener.InboundMail.4-2. */
static struct str socket_name(struct control *c, const struct conf_listener *l, bool six)
{
    unsigned n = 1;
    struct str name = arena_printf(&c->arena, "listener.%.*s.%s", STR(l->name), six ? "6" : "4");

    for (size_t i = 0; i < c->n; i++)
        if (str_eq(c->wanted[i].name, name))
            name = arena_printf(&c->arena, "listener.%.*s.%s-%u", STR(l->name), six ? "6" : "4", ++n);
    return name;
}

static void want(struct control *c, const struct conf_listener *l, struct str address)
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
        .name = socket_name(c, l, str_find(address, ':') < address.n),
        .address = address,
        .port = l->port,
        .backlog = l->backlog,
    };
}

static void want_listener(struct control *c, const struct conf *now, const struct conf_listener *l)
{
    const struct conf_interface *f = conf_find(&now->interface, l->interface);

    if (!l->enabled)
        return;
    for (size_t i = 0; i < l->address.n; i++)
        want(c, l, l->address.items[i]);
    if (l->address.n || !f)
        return;
    if (f->address.n)
        want(c, l, f->address);
    if (f->address6.n)
        want(c, l, f->address6);
}

static void applied(void *ctx, const struct conf *now)
{
    struct control *c = ctx;

    c->n = c->room = 0;
    c->wanted = NULL;
    arena_reset(&c->arena);
    for (size_t i = 0; i < now->listener.n; i++)
        want_listener(c, now, &now->listener.items[i]);
    role_listen(c->process, c->wanted, c->n);
    role_count(c->process, ROLE_receive, now->roles.receive);
    role_count(c->process, ROLE_scan, now->roles.scan);
    role_count(c->process, ROLE_deliver, now->roles.deliver);
}

static void peer_came(void *ctx, struct bus_peer *p)
{
    struct control *c = ctx;

    store_send(&c->admin, p);
}

static void listen_state(struct process *p, struct str name, struct str error)
{
    struct control *c = p->state;

    if (error.n)
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
                              .applied_ctx = c};
    p->state = c;
    TRY(store_open(&c->admin, e));
    auth_open(&c->admin);
    bus_on_peer(p->bus, peer_came, NULL, c);
    return control_socket_open(&c->admin, e);
}

static void stop(struct process *p)
{
    struct control *c = p->state;

    control_socket_close(&c->admin);
    role_leave(p);
}

int main(int argc, char **argv)
{
    static const struct role_kind kind = {
        .kind = ROLE_control, .start = start, .stop = stop, .listen_state = listen_state, .without_conf = true};

    return role_main(&kind, argc, argv);
}
