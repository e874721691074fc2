/*
 * One listening socket served by libmicrohttpd on the loop of the role; its connections and their deadlines.
 *
 * Called by web.c. A server owns its daemon, its listening socket while it has one, and a visitor for each connection; it
 * frees itself. libmicrohttpd knows one idle time only, so deadlines are kept here: whoever is late (slow headers, slow
 * body, slow reader, idle) is cut off by a shutdown of his socket. A daemon that cannot start is RC_UNAVAILABLE.
 */
#include "web/inside.h"

#include "base/must.h"

#include <stdlib.h>
#include <sys/socket.h>
#include <unistd.h>

enum {
    HEADERS_MS = 10000,
    DAEMON_IDLE_S = 300, /* behind our own deadlines */
    PER_ADDRESS = 100,
    POOL_SPARE = 16384, /* of a connection's memory: beside URI and headers */
};

/* --- visitors ---------------------------------------------------------------------------------------------------------- */

static void too_late(void *ctx)
{
    struct visitor *v = ctx;

    shutdown(v->fd, SHUT_RDWR);
}

void visitor_allow(struct visitor *v, uint64_t ms)
{
    struct loop *loop = v->server->web->o.loop;

    if (ms)
        loop_timer_set(loop, &v->deadline, ms, too_late, v);
    else
        loop_timer_cancel(loop, &v->deadline);
}

static void address_of(int fd, int (*ask)(int, struct sockaddr *, socklen_t *), struct address_ip *out)
{
    struct sockaddr_storage sa = {0};
    socklen_t n = sizeof sa;

    if (ask(fd, (struct sockaddr *)&sa, &n) == 0)
        ip_from_sockaddr((struct sockaddr *)&sa, out);
}

static struct visitor *visitor_come(struct server *s, struct MHD_Connection *c)
{
    struct visitor *v = calloc(1, sizeof *v);

    must(v);
    v->server = s;
    v->fd = MHD_get_connection_info(c, MHD_CONNECTION_INFO_CONNECTION_FD)->connect_fd;
    address_of(v->fd, getpeername, &v->peer);
    address_of(v->fd, getsockname, &v->local);
    v->next = s->visitors;
    if (v->next)
        v->next->prev = v;
    s->visitors = v;
    s->n_visitors++;
    s->web->n_visitors++;
    visitor_allow(v, HEADERS_MS);
    return v;
}

static void visitor_go(struct visitor *v)
{
    struct server *s = v->server;

    visitor_allow(v, 0);
    if (v->prev)
        v->prev->next = v->next;
    else
        s->visitors = v->next;
    if (v->next)
        v->next->prev = v->prev;
    s->n_visitors--;
    s->web->n_visitors--;
    free(v);
    if (s->retired)
        server_wake(s);
}

static void on_connection(void *cls, struct MHD_Connection *c, void **context, enum MHD_ConnectionNotificationCode how)
{
    if (how == MHD_CONNECTION_NOTIFY_STARTED) {
        *context = visitor_come(cls, c);
    } else if (*context) {
        visitor_go(*context);
        *context = NULL;
    }
}

/* IPACCESS is judged here: who may not manage this machine gets no answer at all. */
static enum MHD_Result on_accept(void *cls, const struct sockaddr *sa, socklen_t n)
{
    struct server *s = cls;
    const struct conf *c = conf_now(s->web->o.conf);
    struct address_ip peer;

    (void)n;
    ip_from_sockaddr(sa, &peer);
    return c && s->web->n_visitors < c->http.connections_max && access_allows(s->web->access, &peer, NULL) ? MHD_YES
                                                                                                           : MHD_NO;
}

/* --- the daemon -------------------------------------------------------------------------------------------------------- */

static void freed(uv_handle_t *handle)
{
    struct server *s = handle->data;

    free(s->name);
    free(s);
}

static void turn(struct server *s);

static void timer_fired(void *ctx)
{
    turn(ctx);
}

void server_wake(struct server *s)
{
    if (s->closing)
        return;
    loop_timer_set(s->web->o.loop, &s->timer, 0, timer_fired, s);
}

static void turn(struct server *s)
{
    MHD_UNSIGNED_LONG_LONG ms;

    if (s->closing || !s->daemon)
        return;
    if (s->retired && s->n_visitors == 0) {
        server_close(s);
        return;
    }
    MHD_run(s->daemon);
    if (MHD_get_timeout(s->daemon, &ms) == MHD_YES)
        loop_timer_set(s->web->o.loop, &s->timer, ms, timer_fired, s);
    else if (!(s->retired && s->n_visitors == 0))
        loop_timer_cancel(s->web->o.loop, &s->timer);
}

static void on_ready(uv_poll_t *handle, int status, int events)
{
    (void)status;
    (void)events;
    turn(handle->data);
}

struct server *server_new(struct web *w, const struct web_socket *socket, unsigned kind, struct str interface)
{
    struct server *s = calloc(1, sizeof *s);

    must(s);
    s->web = w;
    s->name = strdup(socket->name);
    must(s->name);
    s->id = socket->id;
    s->kind = kind;
    s->interface = str_of(s->name + (interface.p - socket->name), interface.n);
    s->fd = socket->fd;
    s->next = w->servers; /* in front: who walks the list while renewing does not meet it */
    w->servers = s;
    return s;
}

/* The path and the query are read by target.c, from what was sent. */
static size_t leave_as_it_is(void *cls, struct MHD_Connection *c, char *s)
{
    (void)cls;
    (void)c;
    return strlen(s);
}

static struct MHD_Daemon *daemon_start(struct server *s, const struct conf *c)
{
    const struct credentials *k = &s->web->credentials;
    const struct MHD_OptionItem tls[] = {{MHD_OPTION_HTTPS_MEM_CERT, 0, k->cert.p},
                                         {MHD_OPTION_HTTPS_MEM_KEY, 0, k->key.p},
                                         {MHD_OPTION_HTTPS_PRIORITIES, 0, k->priorities},
                                         {MHD_OPTION_END, 0, NULL}};
    const struct MHD_OptionItem none[] = {{MHD_OPTION_END, 0, NULL}};
    bool secure = s->kind & LISTENERS_TLS;

    return MHD_start_daemon(
        MHD_USE_EPOLL | MHD_ALLOW_SUSPEND_RESUME | (secure ? MHD_USE_TLS : 0), 0, on_accept, s, request_access, s,
        MHD_OPTION_LISTEN_SOCKET, s->fd, MHD_OPTION_NOTIFY_CONNECTION, on_connection, s, MHD_OPTION_URI_LOG_CALLBACK,
        request_uri, s, MHD_OPTION_NOTIFY_COMPLETED, request_completed, s, MHD_OPTION_UNESCAPE_CALLBACK, leave_as_it_is, s,
        MHD_OPTION_CONNECTION_LIMIT, (unsigned)c->http.connections_max, MHD_OPTION_PER_IP_CONNECTION_LIMIT,
        (unsigned)PER_ADDRESS, MHD_OPTION_CONNECTION_TIMEOUT, (unsigned)DAEMON_IDLE_S, MHD_OPTION_CONNECTION_MEMORY_LIMIT,
        (size_t)(URI_MOST + c->access.max_header_bytes + POOL_SPARE), MHD_OPTION_ARRAY, secure ? tls : none, MHD_OPTION_END);
}

static void refuse(void *ctx, int fd, const struct address_ip *peer)
{
    (void)ctx;
    (void)peer;
    close(fd);
}

enum rc server_open(struct server *s, struct err *e)
{
    const struct conf *c = conf_now(s->web->o.conf);
    const union MHD_DaemonInfo *info;
    bool possible = !(s->kind & LISTENERS_TLS) || s->web->tls_ready;

    if (possible)
        s->daemon = daemon_start(s, c);
    if (!s->daemon) {
        s->refusing = listener_socket_new(s->web->o.loop, dup(s->fd), refuse, s);
        return err_set(e, RC_UNAVAILABLE, possible ? "the server cannot start" : "there is no certificate");
    }
    info = MHD_get_daemon_info(s->daemon, MHD_DAEMON_INFO_EPOLL_FD);
    must(info && uv_poll_init(loop_uv(s->web->o.loop), &s->poll, info->epoll_fd) == 0);
    s->poll.data = s;
    s->polled = true;
    must(uv_poll_start(&s->poll, UV_READABLE, on_ready) == 0);
    server_wake(s);
    return RC_OK;
}

static void unlink_server(struct server *s)
{
    for (struct server **at = &s->web->servers; *at; at = &(*at)->next)
        if (*at == s) {
            *at = s->next;
            return;
        }
}

void server_close(struct server *s)
{
    struct web *w = s->web;

    s->closing = true;
    loop_timer_cancel(w->o.loop, &s->timer);
    if (s->polled)
        uv_poll_stop(&s->poll);
    for (struct request *r = w->requests, *next; r; r = next) {
        next = r->next;
        if (r->server == s)
            reply_resume(r); /* MHD_stop_daemon() wants none suspended */
    }
    if (s->daemon)
        MHD_stop_daemon(s->daemon); /* closes the listening socket, unless it has retired */
    else if (s->fd >= 0)
        close(s->fd);
    listener_socket_free(s->refusing);
    unlink_server(s);
    if (s->polled) {
        uv_close((uv_handle_t *)&s->poll, freed);
    } else {
        free(s->name);
        free(s);
    }
}

int server_retire(struct server *s)
{
    int fd = s->fd;

    s->fd = -1;
    s->retired = true;
    if (!s->daemon) {
        server_close(s);
        return fd;
    }
    MHD_quiesce_daemon(s->daemon);
    for (struct visitor *v = s->visitors; v; v = v->next)
        if (!v->busy)
            shutdown(v->fd, SHUT_RDWR);
    server_wake(s);
    return fd;
}
