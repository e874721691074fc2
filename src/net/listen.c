/*
 * Listening sockets: binding them and accepting from them. See socket.h.
 *
 * Called by master (binds) and by receive and the control role (accept from an inherited fd). A listener_socket owns its
 * fd and closes it. Accepting stops for 100 ms when the process is out of descriptors or memory.
 */
#include "net/socket.h"

#include "base/io.h"
#include "base/must.h"

#include <errno.h>
#include <fcntl.h>
#include <netinet/tcp.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

enum { ACCEPTS_A_TURN = 64, PAUSE_MS = 100 };

struct listener_socket {
    uv_poll_t poll;
    struct loop *loop;
    struct loop_timer again;
    int fd;
    bool paused, freed;
    void (*on_accept)(void *ctx, int fd, const struct address_ip *peer);
    void *ctx;
};

static void watch(struct listener_socket *s);

static void again(void *ctx)
{
    struct listener_socket *s = ctx;

    if (!s->paused)
        watch(s);
}

static void accept_some(uv_poll_t *poll, int status, int events)
{
    struct listener_socket *s = poll->data;

    (void)status;
    (void)events;
    for (int i = 0; i < ACCEPTS_A_TURN && !s->paused && !s->freed; i++) {
        struct sockaddr_storage sa = {0};
        socklen_t n = sizeof sa;
        struct address_ip peer;
        int fd = accept4(s->fd, (struct sockaddr *)&sa, &n, SOCK_NONBLOCK | SOCK_CLOEXEC);

        if (fd < 0 && (errno == EMFILE || errno == ENFILE || errno == ENOBUFS || errno == ENOMEM)) {
            uv_poll_stop(&s->poll);
            loop_timer_set(s->loop, &s->again, PAUSE_MS, again, s);
        }
        if (fd < 0 && errno != ECONNABORTED && errno != EINTR)
            return;
        if (fd < 0)
            continue;
        ip_from_sockaddr((struct sockaddr *)&sa, &peer);
        s->on_accept(s->ctx, fd, &peer);
    }
}

static void watch(struct listener_socket *s)
{
    uv_poll_start(&s->poll, UV_READABLE, accept_some);
}

struct listener_socket *listener_socket_new(struct loop *l, int fd,
                                            void (*on_accept)(void *ctx, int fd, const struct address_ip *peer), void *ctx)
{
    struct listener_socket *s = calloc(1, sizeof *s);
    int one = 1;

    must(s);
    s->loop = l;
    s->fd = fd;
    s->on_accept = on_accept;
    s->ctx = ctx;
    s->poll.data = s;
    setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &one, sizeof one); /* connections inherit it */
    must(uv_poll_init(loop_uv(l), &s->poll, fd) == 0);
    watch(s);
    return s;
}

void listener_socket_pause(struct listener_socket *s, bool pause)
{
    s->paused = pause;
    loop_timer_cancel(s->loop, &s->again);
    if (pause)
        uv_poll_stop(&s->poll);
    else
        watch(s);
}

static void closed(uv_handle_t *handle)
{
    free(handle->data);
}

void listener_socket_free(struct listener_socket *s)
{
    if (!s || s->freed)
        return;
    s->freed = true;
    loop_timer_cancel(s->loop, &s->again);
    uv_close((uv_handle_t *)&s->poll, closed);
    close(s->fd);
}

static enum rc listen_on(int fd, const struct sockaddr *sa, socklen_t n, int backlog, const char *what, int *fd_out,
                         struct err *e)
{
    enum rc rc;

    if (fd >= 0 && bind(fd, sa, n) == 0 && listen(fd, backlog) == 0) {
        *fd_out = fd;
        return RC_OK;
    }
    rc = err_errno(e, errno, "listen on %s", what);
    if (fd >= 0)
        close(fd);
    return rc;
}

enum rc listen_tcp(const struct address_ip *at, int backlog, int *fd_out, struct err *e)
{
    struct sockaddr_storage sa;
    socklen_t n = ip_to_sockaddr(at, &sa);
    char ip[46], what[64];
    int one = 1, fd = socket(at->family, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);

    snprintf(what, sizeof what, at->family == AF_INET6 ? "[%s]:%u" : "%s:%u", ip_text(at, ip).p, at->port);
    if (fd >= 0) {
        setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &one, sizeof one);
        setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &one, sizeof one);
        if (at->family == AF_INET6)
            setsockopt(fd, IPPROTO_IPV6, IPV6_V6ONLY, &one, sizeof one);
    }
    return listen_on(fd, (struct sockaddr *)&sa, n, backlog, what, fd_out, e);
}

/* The file of a process that is gone is removed; one that answers is left alone. */
static bool somebody_listens(const struct sockaddr_un *sa)
{
    int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
    bool yes = fd >= 0 && (connect(fd, (const struct sockaddr *)sa, sizeof *sa) == 0 || errno == EAGAIN);

    if (fd >= 0)
        close(fd);
    return yes;
}

enum rc listen_unix(const char *path, int *fd_out, struct err *e)
{
    struct sockaddr_un sa = {.sun_family = AF_UNIX};
    struct stat st;
    mode_t mask;
    enum rc rc;

    if (strlen(path) >= sizeof sa.sun_path)
        return err_set(e, RC_INVALID, "listen on %s: path longer than %zu octets", path, sizeof sa.sun_path - 1);
    strncpy(sa.sun_path, path, sizeof sa.sun_path - 1);
    if (lstat(path, &st) == 0 && S_ISSOCK(st.st_mode) && !somebody_listens(&sa))
        io_unlink("listen.unix", path, NULL);
    mask = umask(0077);
    rc = listen_on(socket(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0), (struct sockaddr *)&sa, sizeof sa, 128,
                   path, fd_out, e);
    umask(mask);
    return rc;
}
