/*
 * Listening sockets and what is refused at the door: too many connections, suspended listeners.
 *
 * Sockets come from master by name and live here until they are taken away. Whoever is refused gets one line and is closed
 * without a conversation, so a flood costs a system call or two each.
 */
#include "receive/inside.h"

#include <stdlib.h>
#include <sys/socket.h>
#include <unistd.h>

static void refuse(int fd, enum rc rc)
{
    const struct rc_info *info = rc_info(rc);
    char line[200];
    struct buf out = BUF(sizeof line);

    buf_addf(&out, "%d %s %s\r\n", info->smtp, info->enhanced, info->text);
    if (out.n && send(fd, out.p, out.n, MSG_DONTWAIT | MSG_NOSIGNAL) < 0) {
        /* the peer is gone or does not read: it is being refused anyway */
    }
    buf_done(&out);
    close(fd);
}

static void sweep(struct receive *r, bool all);

void listener_count(struct listener *l, int by)
{
    l->open += (unsigned)by;
    rate_connected(l->receive, l->rate_key, by);
}

/* A listener with IPv4 and IPv6 sockets counts once. */
static uint64_t open_here(const struct receive *r, struct str name)
{
    unsigned n = 0;

    for (const struct listener *l = r->listeners; l; l = l->next)
        if (str_eq(l->name, name))
            n += l->open;
    return n;
}

/* Over all receive processes; when the shared table had no place for it, at least our own. */
static uint64_t open_at(struct receive *r, const struct listener *l)
{
    uint64_t here = open_here(r, l->name), all = rate_connections(r, l->rate_key);

    return all > here ? all : here;
}

static enum rc door(const struct listener *l, const struct terms *t)
{
    struct receive *r = l->receive;

    if (r->stopping)
        return RC_SHUTTING_DOWN;
    if (l->suspended || r->queue_suspended)
        return RC_SUSPENDED;
    if (!t)
        return RC_UNAVAILABLE;
    if (open_at(r, l) >= t->conf->max_connections || r->open >= r->tables->conf->receiving.max_connections)
        return RC_TOO_MANY_CONNECTIONS;
    return RC_OK;
}

static enum rc hidden_door(const struct listener *l)
{
    if (l->receive->stopping)
        return RC_SHUTTING_DOWN;
    if (l->suspended || l->receive->queue_suspended)
        return RC_SUSPENDED;
    return open_here(l->receive, l->name) >= RELEASES_MOST ? RC_TOO_MANY_CONNECTIONS : RC_OK;
}

static void accepted(void *ctx, int fd, const struct address_ip *peer)
{
    struct listener *l = ctx;
    const struct tables *now = l->receive->tables;
    const struct terms *t = l->hidden ? NULL : tables_find(now, l->name);
    enum rc rc = l->hidden ? hidden_door(l) : door(l, t);

    (void)peer;
    if (rc != RC_OK) {
        refuse(fd, rc);
        return;
    }
    if (l->hidden)
        conversation_accept(l->receive->o.loop, fd, &release_kind, now->cpq_tls, l);
    else
        conversation_accept(l->receive->o.loop, fd, t->conf->protocol == 1 ? &qmqp_kind : &session_kind, t->tls, l);
}

/* Released mail that comes through the link: a listener of its own for the time of the conversation, swept like one whose
 * socket is closed. Settings decide as for the port (central.md 8: central refuses the channel when the listener is off). */
void listeners_link(void *ctx, const struct bus_in *in)
{
    struct receive *r = ctx;
    const struct bus_link_release *m = in->msg;
    struct listener *l = in->fd >= 0 ? calloc(1, sizeof *l) : NULL;
    enum rc rc;

    if (!l || !(l->socket_name = strndup(m->peer.p ? m->peer.p : "", m->peer.n))) {
        free(l);
        if (in->fd >= 0)
            close(in->fd);
        return;
    }
    sweep(r, false); /* those whose conversations are over */
    l->hidden = l->via_link = true;
    l->ctx.handler = &release_handler;
    l->receive = r;
    l->name = str_lit("cpq_listener");
    l->rate_key = rate_key_listener(l->name);
    l->next = r->listeners;
    r->listeners = l;
    listeners_conf(r, r->tables->conf);
    rc = hidden_door(l);
    if (rc != RC_OK)
        refuse(in->fd, rc);
    if (rc != RC_OK || !conversation_accept(r->o.loop, in->fd, &release_kind, r->tables->cpq_tls, l))
        l->begun = true; /* nobody will use it */
}

static bool is_hidden(const char *socket_name)
{
    return str_starts(str_c(socket_name), str_lit("hidden."));
}

/* "listener.InboundMail.4" -> "InboundMail", "hidden.cpq_listener.4" -> "cpq_listener" */
static struct str listener_of(const char *socket_name)
{
    struct str s = str_c(socket_name);

    if (!str_starts(s, str_lit("listener.")) && !is_hidden(socket_name))
        return STR_NONE;
    s = str_from(s, str_find(s, '.') + 1);
    return str_first(s, str_find_last(s, '.'));
}

static void open_one(struct receive *r, const struct receive_socket *s)
{
    struct str name = listener_of(s->name);
    struct listener *l = name.n ? calloc(1, sizeof *l) : NULL;

    if (!l || !(l->socket_name = strdup(s->name))) {
        free(l);
        return;
    }
    l->hidden = is_hidden(s->name);
    l->ctx.handler = l->hidden ? &release_handler : &session_handler;
    l->receive = r;
    l->name = listener_of(l->socket_name);
    l->rate_key = rate_key_listener(l->name);
    l->next = r->listeners;
    r->listeners = l;
    l->socket = listener_socket_new(r->o.loop, s->fd, accepted, l);
}

static struct listener *find(struct receive *r, const char *socket_name)
{
    for (struct listener *l = r->listeners; l; l = l->next)
        if (l->socket && strcmp(l->socket_name, socket_name) == 0)
            return l;
    return NULL;
}

static bool listed(const char *name, const struct receive_socket *sockets, size_t n)
{
    for (size_t i = 0; i < n; i++)
        if (strcmp(sockets[i].name, name) == 0)
            return true;
    return false;
}

static void close_socket(struct listener *l)
{
    if (l->socket)
        listener_socket_free(l->socket);
    l->socket = NULL;
}

/* Listeners without a socket stay as long as conversations point to them. */
static void sweep(struct receive *r, bool all)
{
    struct listener **at = &r->listeners;

    while (*at) {
        struct listener *l = *at;

        if (l->socket || (l->open && !all) || (l->via_link && !l->begun && !all)) {
            at = &l->next;
            continue;
        }
        *at = l->next;
        free(l->socket_name);
        free(l);
    }
}

void listeners_set(struct receive *r, const struct receive_socket *sockets, size_t n)
{
    for (struct listener *l = r->listeners; l; l = l->next)
        if (l->socket && !listed(l->socket_name, sockets, n))
            close_socket(l);
    sweep(r, false);
    for (size_t i = 0; i < n; i++)
        if (!find(r, sockets[i].name))
            open_one(r, &sockets[i]);
    listeners_conf(r, r->tables->conf);
}

void listeners_close(struct receive *r)
{
    for (struct listener *l = r->listeners; l; l = l->next)
        close_socket(l);
    if (r->open == 0)
        sweep(r, true);
}

static bool is_all(struct str name)
{
    return !name.n || str_eqi(name, str_lit("all"));
}

void listeners_suspend(struct receive *r, struct str name, bool suspend)
{
    for (struct listener *l = r->listeners; l; l = l->next) {
        if (!is_all(name) && !str_eqi(l->name, name))
            continue;
        if (suspend && !l->suspended)
            l->suspended_ms = loop_now_ms(r->o.loop);
        l->suspended = suspend;
    }
}

void listeners_conf(struct receive *r, const struct conf *conf)
{
    for (struct listener *l = r->listeners; l; l = l->next) {
        bool suspended = false;

        for (size_t i = 0; i < conf->receiving.suspended.n; i++)
            suspended |= is_all(conf->receiving.suspended.items[i]) || str_eqi(conf->receiving.suspended.items[i], l->name);
        if (suspended != l->suspended)
            listeners_suspend(r, l->name, suspended);
    }
}
