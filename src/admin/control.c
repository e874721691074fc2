/*
 * The control socket: HOME/run/control.sock, where `postern cli`, `settings` and `stop` meet the control role.
 *
 * Opened by main_control.c. Owns the listening pipe and its connections. Whoever connects must be our own user or root
 * (SO_PEERCRED; the socket's mode says the same). A frame that is too large or malformed ends its connection and nothing
 * else.
 */
#include "admin/verbs.h"
#include "admin/wire.h"

#include "base/must.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

enum { CONNECTIONS_MAX = 64, BACKLOG = 64 };

struct connection {
    uv_pipe_t pipe; /* first: a handle is a connection */
    struct control_socket *owner;
    struct buf in;
    struct verb_call *call;        /* running now */
    struct admin_session *session; /* the only login it speaks for; NULL = the local console */
    bool busy, closing;
    char *reply; /* being written */
    uv_write_t write;
};

struct control_socket {
    uv_pipe_t pipe; /* first */
    struct admin *admin;
    unsigned connections;
    char path[sizeof((struct sockaddr_un *)NULL)->sun_path];
};

static void take_request(struct connection *c);

static void on_closed(uv_handle_t *h)
{
    struct connection *c = (struct connection *)(void *)h;

    if (c->session)
        session_ended(c->owner->admin, c->session);
    else
        c->owner->connections--;
    buf_done(&c->in);
    free(c->reply);
    free(c);
}

static void close_connection(struct connection *c)
{
    if (c->closing)
        return;
    c->closing = true;
    if (c->call)
        verb_forget(c->call);
    uv_close((uv_handle_t *)&c->pipe, on_closed);
}

static void on_written(uv_write_t *w, int status)
{
    struct connection *c = w->data;

    free(c->reply);
    c->reply = NULL;
    c->busy = false;
    if (status < 0)
        close_connection(c);
    else if (!c->closing)
        take_request(c);
}

static void on_done(void *ctx, struct verb_call *call)
{
    struct connection *c = ctx;
    struct buf out = BUF(2 * (size_t)WIRE_MAX);
    uv_buf_t b;

    c->call = NULL;
    wire_put_reply(&out, call->rc, buf_str(&call->text), buf_str(&call->json));
    if (out.failed || c->closing) {
        buf_done(&out);
        close_connection(c);
        return;
    }
    c->reply = out.p; /* freed when written */
    b = uv_buf_init(out.p, (unsigned)out.n);
    c->write.data = c;
    if (uv_write(&c->write, (uv_stream_t *)&c->pipe, &b, 1, on_written) != 0)
        close_connection(c);
}

static void take_request(struct connection *c)
{
    struct str body, user;
    struct strs words;
    struct arena a;
    bool too_large;

    if (c->busy || c->closing)
        return;
    if (!wire_take(buf_str(&c->in), &body, &too_large)) {
        if (too_large)
            close_connection(c);
        return;
    }
    arena_init(&a, 512, 1 << 20);
    if (wire_parse_request(&a, body, &user, &words, NULL) != RC_OK) {
        arena_done(&a);
        close_connection(c);
        return;
    }
    c->busy = true;
    if (c->session)
        user = str_c(c->session->user);
    c->call = verb_start(c->owner->admin, user, c->session, words, on_done, c);
    arena_done(&a);
    buf_drop(&c->in, body.n + 4); /* the verb has its own copy */
    buf_shrink(&c->in, 4096);
}

static void on_alloc(uv_handle_t *h, size_t wanted, uv_buf_t *out)
{
    struct connection *c = (struct connection *)(void *)h;
    char *room = buf_reserve(&c->in, 4096);

    (void)wanted;
    *out = room ? uv_buf_init(room, (unsigned)(c->in.cap - c->in.n)) : uv_buf_init(NULL, 0);
}

static void on_read(uv_stream_t *s, ssize_t n, const uv_buf_t *b)
{
    struct connection *c = (struct connection *)(void *)s;

    (void)b;
    if (n < 0) {
        close_connection(c);
        return;
    }
    c->in.n += (size_t)n;
    take_request(c);
}

static bool is_trusted(uv_pipe_t *pipe)
{
    struct ucred who;
    socklen_t n = sizeof who;
    uv_os_fd_t fd;

    return uv_fileno((uv_handle_t *)pipe, &fd) == 0 && getsockopt(fd, SOL_SOCKET, SO_PEERCRED, &who, &n) == 0 &&
           (who.uid == 0 || who.uid == geteuid());
}

static void on_connection(uv_stream_t *server, int status)
{
    struct control_socket *s = (struct control_socket *)(void *)server;
    struct connection *c = status == 0 ? calloc(1, sizeof *c) : NULL;

    if (!c)
        return;
    c->owner = s;
    c->in = BUF((size_t)WIRE_MAX + 8192);
    s->connections++;
    must(uv_pipe_init(loop_uv(s->admin->loop), &c->pipe, 0) == 0);
    if (uv_accept(server, (uv_stream_t *)&c->pipe) != 0 || s->connections > CONNECTIONS_MAX || !is_trusted(&c->pipe) ||
        uv_read_start((uv_stream_t *)&c->pipe, on_alloc, on_read) != 0)
        close_connection(c);
}

enum rc control_socket_session(struct admin *a, struct admin_session *s, int *fd_out, struct err *e)
{
    struct connection *c = a->socket ? calloc(1, sizeof *c) : NULL;
    int fds[2];

    if (!c || socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, fds) != 0) {
        free(c);
        return err_set(e, RC_NO_MEMORY, "no descriptors");
    }
    c->owner = a->socket;
    c->session = s;
    c->in = BUF((size_t)WIRE_MAX + 8192);
    must(uv_pipe_init(loop_uv(a->loop), &c->pipe, 0) == 0);
    must(uv_pipe_open(&c->pipe, fds[0]) == 0 && uv_read_start((uv_stream_t *)&c->pipe, on_alloc, on_read) == 0);
    *fd_out = fds[1];
    return RC_OK;
}

enum rc control_socket_open(struct admin *a, struct err *e)
{
    struct control_socket *s = calloc(1, sizeof *s);
    mode_t old;
    int rc, n;

    must(s);
    s->admin = a;
    n = snprintf(s->path, sizeof s->path, "%s/run/control.sock", a->home);
    if (n < 0 || (size_t)n >= sizeof s->path) {
        free(s);
        return err_set(e, RC_INVALID, "%s is too long a path for a socket", a->home);
    }
    unlink(s->path); /* left by an earlier life; run/ is ours alone */
    must(uv_pipe_init(loop_uv(a->loop), &s->pipe, 0) == 0);
    old = umask(0177);
    rc = uv_pipe_bind(&s->pipe, s->path);
    umask(old);
    if (rc == 0)
        rc = uv_listen((uv_stream_t *)&s->pipe, BACKLOG, on_connection);
    a->socket = s;
    return rc == 0 ? RC_OK : err_set(e, RC_IO, "%s: %s", s->path, uv_strerror(rc));
}

static void on_socket_closed(uv_handle_t *h)
{
    free((struct control_socket *)(void *)h);
}

void control_socket_close(struct admin *a)
{
    if (!a->socket)
        return;
    unlink(a->socket->path);
    uv_close((uv_handle_t *)&a->socket->pipe, on_socket_closed);
    a->socket = NULL;
}
