/*
 * The doors of the SSH and FTP servers: listening sockets, who may come in, how many; settings; the end.
 *
 * Called by the role shell. Owns the server and everything below it. A connection that is not let in is closed at once with
 * a line in the authentication log: address not allowed (access.mode), too many sessions (access.sessions_max), too many
 * connections of one address that have not logged in. When too many of all addresses have not, the oldest of them goes, so
 * that nobody can keep others out by holding connections open.
 */
#include "shell/ssh_inside.h"

#include "base/must.h"
#include "net/socket.h"

#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

enum { REFUSED_LINES_A_SECOND = 20 };

struct door {
    struct door *next;
    struct ssh_server *server;
    struct listener_socket *socket;
    uint64_t id;
    bool ftp, listed;
};

/* --- who may come in ------------------------------------------------------------------------------------------------------
 */

void ssh_server_refused(struct ssh_server *s, const char *service, const struct address_ip *peer, const char *why)
{
    uint64_t now = loop_now_ms(s->o.loop);
    char text[46];

    if (now - s->refused_since_ms >= 1000) {
        s->refused_since_ms = now;
        s->refused_lines = 0;
    }
    if (s->refused_lines++ < REFUSED_LINES_A_SECOND)
        event(s->o.events, access_refused, .service = str_c(service), .peer_ip = ip_text(peer, text), .why = str_c(why));
}

static size_t unproved_at(const struct ssh_server *s, const struct address_ip *peer)
{
    size_t n = 0;

    for (const struct connection *c = s->connections; c; c = c->next)
        n += !c->counted && ip_equal(&c->peer, peer);
    return n;
}

/* NULL, or why not. */
static const char *objection(const struct ssh_server *s, bool ftp, const struct address_ip *peer)
{
    if (!access_allows(s->access, peer, NULL))
        return "the address is not allowed";
    if (s->n_connections - s->n_unproved + s->n_ftp >= s->conf->access.sessions_max)
        return "too many sessions";
    if (!ftp && s->n_unproved >= SSH_THREADS_MAX)
        return "too many logins at once";
    if (ftp ? ftp_count(s, peer) >= SSH_FTP_ADDRESS_MAX : unproved_at(s, peer) >= SSH_UNPROVED_ADDRESS_MAX)
        return "too many connections of this address";
    return NULL;
}

static void end_oldest_unproved(struct ssh_server *s)
{
    struct connection *oldest = NULL;

    for (struct connection *c = s->connections; c; c = c->next)
        if (c->login.running && !c->login.cancelled) /* written by this thread alone */
            oldest = c;
    if (oldest)
        connection_end(oldest);
}

static void accepted(void *ctx, int fd, const struct address_ip *peer)
{
    struct door *d = ctx;
    struct ssh_server *s = d->server;
    const char *why = objection(s, d->ftp, peer);

    if (why || !s->bind) {
        ssh_server_refused(s, d->ftp ? "FTP" : "SSH", peer, why ? why : "no host keys");
        close(fd);
        return;
    }
    if (d->ftp) {
        ftp_accept(s, fd, peer);
        return;
    }
    if (s->n_unproved >= SSH_UNPROVED_MAX)
        end_oldest_unproved(s);
    connection_new(s, fd, peer, NULL);
}

/* --- listening sockets
 * ------------------------------------------------------------------------------------------------------ */

static struct door *door_of(struct ssh_server *s, uint64_t id)
{
    for (struct door *d = s->doors; d; d = d->next)
        if (d->id == id)
            return d;
    return NULL;
}

static void door_open(struct ssh_server *s, const struct ssh_server_socket *from)
{
    struct door *d = calloc(1, sizeof *d);

    must(d);
    *d = (struct door){
        .next = s->doors, .server = s, .id = from->id, .ftp = strncmp(from->name, "ftp.", 4) == 0, .listed = true};
    s->doors = d;
    d->socket = listener_socket_new(s->o.loop, from->fd, accepted, d);
}

static void doors_sweep(struct ssh_server *s)
{
    struct door **at = &s->doors;

    while (*at) {
        struct door *d = *at;

        if (d->listed) {
            at = &d->next;
            continue;
        }
        *at = d->next;
        listener_socket_free(d->socket);
        free(d);
    }
}

void ssh_server_sockets(struct ssh_server *s, const struct ssh_server_socket *list, size_t n)
{
    for (struct door *d = s->doors; d; d = d->next)
        d->listed = false;
    for (size_t i = 0; i < n && !s->stopping; i++) {
        struct door *d = door_of(s, list[i].id);

        if (d)
            d->listed = true;
        else
            door_open(s, &list[i]);
    }
    doors_sweep(s);
}

/* --- settings
 * --------------------------------------------------------------------------------------------------------------- */

static bool same_algorithms(const struct conf_ssh *a, const struct conf_ssh *b)
{
    return str_eq(a->kex, b->kex) && str_eq(a->ciphers, b->ciphers) && str_eq(a->macs, b->macs);
}

static void changed(void *ctx, const struct conf *now, const struct conf *old)
{
    struct ssh_server *s = ctx;
    struct access *access = NULL;
    struct err e = ERR_NONE;

    if (access_new(&now->access, &access, &e) != RC_OK)
        event(s->o.events, settings_refused, .why = str_c(err_text(&e)));
    access_free(s->access);
    s->access = access;
    if (!s->bind || !old || !same_algorithms(&now->ssh, &old->ssh)) {
        ssh_bind_free(s->bind);
        s->bind = ssh_bind_build(&now->ssh, &s->keys, &e);
        if (e.rc)
            event(s->o.events, settings_refused, .why = str_c(err_text(&e)));
    }
    if (s->conf)
        conf_unref(s->conf);
    s->conf = conf_ref(now);
    links_check(s);
}

/* --- beginning and end
 * ------------------------------------------------------------------------------------------------------ */

static void on_child(uv_signal_t *handle, int number)
{
    (void)number;
    children_reap(handle->data);
}

enum rc ssh_server_new(const struct ssh_server_options *o, struct ssh_server **out, struct err *e)
{
    struct ssh_server *s = calloc(1, sizeof *s);

    must(s);
    s->o = *o;
    if (host_keys_open(o->home, &s->keys, e) != RC_OK) {
        free(s);
        return e->rc;
    }
    conf_on_change(o->conf, changed, s);
    openings_begin(s);
    links_begin(s);
    logins_begin(s);
    must(uv_signal_init(loop_uv(o->loop), &s->chld) == 0);
    s->chld.data = s;
    must(uv_signal_start(&s->chld, on_child, SIGCHLD) == 0);
    *out = s;
    return RC_OK;
}

void ssh_server_less(struct ssh_server *s)
{
    void (*stopped)(void *ctx) = s->stopped;

    if (!s->stopping || !stopped || s->children || s->connections || s->ftp)
        return;
    s->stopped = NULL;
    stopped(s->stopped_ctx);
}

void ssh_server_stop(struct ssh_server *s, void (*done)(void *ctx), void *ctx)
{
    s->stopping = true;
    ssh_server_sockets(s, NULL, 0);
    for (struct connection *c = s->connections, *next; c; c = next) {
        next = c->next;
        connection_end(c);
    }
    ftp_stop(s);
    s->stopped = done;
    s->stopped_ctx = ctx;
    ssh_server_less(s);
}
