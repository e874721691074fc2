/*
 * The frame of every role: takes over what master left, waits for settings, starts the role, runs its loop, ends it.
 *
 * Called by each main_NAME.c. Owns everything in struct process. A role ends at SIGTERM and when its line to master breaks;
 * a start that fails is said on standard error and ends the process with 1 (master tries again, ever more slowly).
 */
#include "role/role.h"

#include "base/clock.h"
#include "base/io.h"
#include "base/must.h"
#include "role/line.h"
#include "role/rights.h"

#include <malloc.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

enum { STOP_MS = 10000 };

struct runner {
    struct process process; /* first: a process pointer is a runner pointer */
    const struct role_kind *kind;
    struct process_socket *sockets;
    uv_poll_t line;
    uv_signal_t term;
    struct loop_timer deadline;
    bool started, stopping;
    int status;
};

static void say(const struct runner *r, const char *what, const char *text)
{
    fprintf(stderr, "postern-%s %u: %s%s%s\n", role_name(r->kind->kind), r->process.index, what, *text ? ": " : "", text);
}

/* --- stopping ------------------------------------------------------------------------------------------------------- */

void role_leave(struct process *p)
{
    loop_stop(p->loop);
}

static void too_late(void *ctx)
{
    struct runner *r = ctx;

    say(r, "not ready to stop in time, leaving", "");
    role_leave(&r->process);
}

static void stop(struct runner *r)
{
    if (r->stopping)
        return;
    r->stopping = true;
    loop_timer_set(r->process.loop, &r->deadline, STOP_MS, too_late, r);
    if (r->started && r->kind->stop)
        r->kind->stop(&r->process);
    else
        role_leave(&r->process);
}

static void on_term(uv_signal_t *handle, int number)
{
    (void)number;
    stop(handle->data);
}

/* --- settings ------------------------------------------------------------------------------------------------------- */

/* Files outside the home that the settings let this role read. */
static enum rc drop_rights(const struct runner *r, struct err *e)
{
    const struct conf *c = conf_now(r->process.conf);
    struct str files[40];
    size_t n = 0;

    if (c && r->kind->kind == ROLE_deliver)
        files[n++] = c->tls.ca_file;
    if (c && r->kind->kind == ROLE_lookup) {
        files[n++] = c->dns.trust_anchor_file;
        files[n++] = c->dns.root_hints_file;
        files[n++] = c->dns.sts_ca_file;
        for (size_t i = 0; i < c->ldap_server.n && n < sizeof files / sizeof *files; i++)
            files[n++] = c->ldap_server.items[i].ca_file;
    }
    if (c && r->kind->kind == ROLE_push) {
        files[n++] = c->tls.ca_file;
        for (size_t i = 0; i < c->log.n && n < sizeof files / sizeof *files; i++)
            files[n++] = c->log.items[i].ca_file;
    }
    return rights_drop(r->kind->kind, r->process.home, files, n, e);
}

static void start(struct runner *r)
{
    struct err e = ERR_NONE;

    r->started = true;
    if (drop_rights(r, &e) != RC_OK || r->kind->start(&r->process, &e) != RC_OK) {
        say(r, "cannot start", err_text(&e));
        r->started = false;
        r->status = 1;
        role_leave(&r->process);
        return;
    }
    bus_hold(r->process.bus, false);
    line_say(LINE_FD, -1, running, 0);
}

/* A role without verbs answers all the same: who asks learns that it has read what came before (admin/verbs.c). */
static void on_verb(void *ctx, const struct bus_in *in)
{
    struct runner *r = ctx;
    const struct bus_verb_reply m = {.rc = RC_UNKNOWN_COMMAND};

    bus_reply(r->process.bus, in->from, in->call, BUS_verb_reply, &m);
}

/* The first snapshot starts the role, later ones reach its rooms through conf_on_change(). */
static void on_snapshot(void *ctx, const struct bus_in *in)
{
    struct runner *r = ctx;
    const struct bus_conf_snapshot *m = in->msg;
    struct err e = ERR_NONE;

    if (in->fd >= 0)
        close(in->fd);
    if (conf_source_feed(r->process.conf, m->version, m->blob, &e) != RC_OK) {
        say(r, "settings snapshot refused", err_text(&e));
        return;
    }
    clock_zone(conf_now(r->process.conf)->system.timezone);
    if (!r->started && !r->stopping && r->status == 0)
        start(r);
}

/* --- master --------------------------------------------------------------------------------------------------------- */

static void socket_remove(struct runner *r, uint64_t id)
{
    struct process *p = &r->process;

    for (size_t i = 0; i < p->n_sockets; i++) {
        struct process_socket gone = r->sockets[i];

        if (gone.id != id)
            continue;
        r->sockets[i] = r->sockets[--p->n_sockets];
        if (r->started && r->kind->sockets_changed)
            r->kind->sockets_changed(p); /* closes it: role.h */
        else
            close(gone.fd);
        free((char *)gone.name);
        return;
    }
}

static void socket_add(struct runner *r, struct str name, uint64_t id, int fd)
{
    struct process *p = &r->process;
    struct process_socket *more;

    more = realloc(r->sockets, (p->n_sockets + 1) * sizeof *more);
    must(more && fd >= 0);
    r->sockets = more;
    r->sockets[p->n_sockets] = (struct process_socket){strndup(name.p, name.n), fd, id};
    must(r->sockets[p->n_sockets].name);
    p->n_sockets++;
    p->sockets = r->sockets;
    if (r->started && r->kind->sockets_changed)
        r->kind->sockets_changed(p);
}

/* Master is trusted: what it sends is only decoded, not judged. */
static void from_master(struct runner *r, struct line_in *in)
{
    struct process *p = &r->process;

    switch (in->type) {
    case LINE_peer:
        bus_attach(p->bus, in->fd, (enum role)in->msg.as_peer.role, (unsigned)in->msg.as_peer.index,
                   (unsigned)in->msg.as_peer.life);
        return;
    case LINE_socket_add:
        socket_add(r, in->msg.as_socket_add.name, in->msg.as_socket_add.id, in->fd);
        return;
    case LINE_socket_remove:
        socket_remove(r, in->msg.as_socket_remove.id);
        break;
    case LINE_ticket_key:
        if (in->msg.as_ticket_key.key.n == sizeof p->ticket_key)
            memcpy(p->ticket_key, in->msg.as_ticket_key.key.p, sizeof p->ticket_key);
        explicit_bzero(in->octets, sizeof in->octets);
        break;
    case LINE_fault:
        event(p->events, role_fault, .error = in->msg.as_fault.error);
        break;
    case LINE_listen_state:
        if (r->kind->listen_state)
            r->kind->listen_state(p, in->msg.as_listen_state.name, in->msg.as_listen_state.error);
        break;
    default:
        break;
    }
    if (in->fd >= 0)
        close(in->fd);
}

static void on_line(uv_poll_t *handle, int status, int events)
{
    struct runner *r = handle->data;
    struct line_in in;
    enum line_state state = status < 0 ? LINE_END : LINE_GOT;

    (void)events;
    while (state == LINE_GOT && (state = line_take(LINE_FD, &in, false)) == LINE_GOT)
        from_master(r, &in);
    if (state == LINE_END) {
        uv_poll_stop(&r->line);
        stop(r); /* master is gone: nobody would restart us or anyone else */
    }
}

void role_listen(struct process *p, const struct role_listener *items, size_t n)
{
    (void)p;
    line_say(LINE_FD, -1, listen_begin, 0);
    for (size_t i = 0; i < n; i++)
        line_say(LINE_FD, -1, listen, .name = items[i].name, .address = items[i].address, .port = items[i].port,
                 .backlog = items[i].backlog, .role = items[i].role);
    line_say(LINE_FD, -1, listen_end, 0);
}

void role_halt(bool again)
{
    line_say(LINE_FD, -1, halt, .again = again);
}

void role_count(struct process *p, enum role role, uint64_t count)
{
    (void)p;
    line_say(LINE_FD, -1, count, .role = role, .count = count);
}

/* --- beginning ------------------------------------------------------------------------------------------------------ */

static uint64_t stamp(void *bus)
{
    return bus_stamp(bus);
}

/* What does not depend on anything yet. */
static void settle(void)
{
    struct sigaction ignore = {.sa_handler = SIG_IGN};
    sigset_t none;

    sigemptyset(&none);
    sigprocmask(SIG_SETMASK, &none, NULL);
    sigaction(SIGPIPE, &ignore, NULL);
    sigaction(SIGINT, &ignore, NULL); /* the terminal's ^C is for master */
    sigaction(SIGHUP, &ignore, NULL);
    setenv("UV_THREADPOOL_SIZE", "2", 0);
    mallopt(M_ARENA_MAX, 1);
}

/* Everything master hands over before `go`. False when the line breaks or does not begin as it should. */
static bool take_over(struct runner *r)
{
    struct process *p = &r->process;
    struct line_in in;

    if (line_take(LINE_FD, &in, true) != LINE_GOT || in.type != LINE_hello || in.fd < 0)
        return false;
    p->index = (unsigned)in.msg.as_hello.index;
    p->board = board_map(in.fd);
    close(in.fd);
    if (!p->board) {
        say(r, "the board is of another build than this program", "");
        return false;
    }
    p->loop = loop_new();
    p->bus = bus_new(p->loop, r->kind->kind, p->index);
    bus_hold(p->bus, true);
    while (line_take(LINE_FD, &in, true) == LINE_GOT) {
        if (in.type == LINE_go)
            return true;
        from_master(r, &in);
    }
    return false;
}

static enum rc furnish(struct runner *r, struct err *e)
{
    struct process *p = &r->process;
    char dir[4096];

    if (snprintf(dir, sizeof dir, "%s/events", p->home) >= (int)sizeof dir)
        return err_set(e, RC_INVALID, "path of the home is too long");
    p->conf = conf_source_new();
    p->events = events_new(p->loop, dir, role_name(r->kind->kind), p->index, p->board, stamp, p->bus, e);
    if (!p->events)
        return e->rc ? e->rc : RC_INTERNAL;
    must(uv_poll_init(loop_uv(p->loop), &r->line, LINE_FD) == 0);
    must(uv_signal_init(loop_uv(p->loop), &r->term) == 0);
    r->line.data = r->term.data = r;
    must(uv_poll_start(&r->line, UV_READABLE, on_line) == 0);
    must(uv_signal_start(&r->term, on_term, SIGTERM) == 0);
    return RC_OK;
}

int role_main(const struct role_kind *kind, int argc, char **argv)
{
    static struct runner runner; /* one a process; everything reaches it by pointer */
    struct runner *r = &runner;
    struct err e = ERR_NONE;

    if (argc < 2) {
        fprintf(stderr, "postern-%s is started by postern-master: use `postern run --home DIR`\n", role_name(kind->kind));
        return 2;
    }
    r->kind = kind;
    r->process.kind = kind->kind;
    r->process.home = argv[1];
    settle();
    io_init(role_name(kind->kind));
    rights_begin();
    if (!take_over(r)) {
        fprintf(stderr, "postern-%s: no line to master\n", role_name(kind->kind));
        return 2;
    }
    if (furnish(r, &e) != RC_OK) {
        say(r, "cannot start", err_text(&e));
        return 1;
    }
    if (kind->kind != ROLE_control)
        bus_on(r->process.bus, BUS_verb_call, on_verb, r); /* start() may put its own in place */
    if (kind->without_conf)
        start(r);
    else
        bus_on(r->process.bus, BUS_conf_snapshot, on_snapshot, r);
    if (r->status == 0)
        loop_run(r->process.loop);
    events_flush(r->process.events);
    fflush(NULL);
    _exit(r->status);
}
