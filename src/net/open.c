/*
 * Starting conversations on sockets, and what others may ask or do from outside. See socket.h.
 *
 * Called by receive, deliver and the control role. What it makes is owned by socket.c. A failed connect or a lack of
 * descriptors comes back as the conversation's `broken`, after the caller has got its pointer.
 */
#include "net/socket_private.h"

#include <errno.h>
#include <netinet/tcp.h>
#include <stdlib.h>
#include <sys/epoll.h>
#include <sys/un.h>
#include <unistd.h>

/* --- start --- */

static void wake(struct conversation *c)
{
    socket_make_ready(c->runtime);
}

static struct socket *socket_new(struct loop *l, int fd, const struct conversation_kind *kind, struct tls_context *tls,
                                 void *ctx)
{
    struct socket *s = calloc(1, sizeof *s);
    struct conversation *c = s ? conversation_new(kind, ctx) : NULL;

    if (!c) {
        free(s);
        if (fd >= 0)
            close(fd);
        return NULL;
    }
    s->net = net_of(l);
    s->fd = fd;
    s->c = c;
    s->context = tls ? tls_ref(tls) : NULL;
    s->out = s->tail = BUF(SIZE_MAX / 2);
    s->steps = UINT64_MAX;
    s->born_second = s->rate_second = loop_now_ms(l) / 1000;
    s->life_ms = kind->total_ms ? loop_now_ms(l) + kind->total_ms : 0;
    c->runtime = s;
    c->wake = wake;
    LIST_INSERT_HEAD(&s->net->all, s, all_link);
    return s;
}

static bool watch(struct socket *s)
{
    struct epoll_event ev = {.events = EPOLLIN | EPOLLRDHUP | EPOLLET, .data.ptr = s};

    if (s->state == SOCKET_CONNECTING) {
        ev.events |= EPOLLOUT;
        s->watch_write = true;
    }
    return epoll_ctl(s->net->epoll, EPOLL_CTL_ADD, s->fd, &ev) == 0;
}

struct conversation *conversation_accept(struct loop *l, int fd, const struct conversation_kind *kind,
                                         struct tls_context *tls, void *ctx)
{
    struct socket *s = socket_new(l, fd, kind, tls, ctx);

    if (!s)
        return NULL;
    s->state = SOCKET_OPEN;
    if (!watch(s))
        s->error = errno;
    socket_make_ready(s);
    return s->c;
}

static int start_connect(struct socket *s, const struct address_ip *to, const struct address_ip *source)
{
    struct sockaddr_storage sa;
    socklen_t n = ip_to_sockaddr(to, &sa);
    int one = 1;

    setsockopt(s->fd, IPPROTO_TCP, TCP_NODELAY, &one, sizeof one);
    if (source && source->family) {
        struct sockaddr_storage from;
        socklen_t from_n = ip_to_sockaddr(source, &from);

        setsockopt(s->fd, IPPROTO_IP, IP_BIND_ADDRESS_NO_PORT, &one, sizeof one);
        if (bind(s->fd, (struct sockaddr *)&from, from_n) != 0)
            return errno;
    }
    if (connect(s->fd, (struct sockaddr *)&sa, n) != 0 && errno != EINPROGRESS)
        return errno;
    return watch(s) ? 0 : errno;
}

struct conversation *conversation_connect(struct loop *l, const struct address_ip *to, const struct address_ip *source,
                                          uint64_t timeout_ms, const struct conversation_kind *kind, struct tls_context *tls,
                                          void *ctx)
{
    int fd = socket(to->family, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0), error = errno;
    struct socket *s = socket_new(l, fd, kind, tls, ctx);

    if (!s)
        return NULL;
    s->state = SOCKET_CONNECTING;
    s->error = fd < 0 ? error : start_connect(s, to, source);
    s->wait_ms = timeout_ms ? loop_now_ms(l) + timeout_ms : 0;
    socket_arm(s);
    if (s->error)
        socket_make_ready(s);
    return s->c;
}

static int start_connect_unix(struct socket *s, const char *path)
{
    struct sockaddr_un sa = {.sun_family = AF_UNIX};

    if (s->fd < 0)
        return errno;
    if (strlen(path) >= sizeof sa.sun_path)
        return ENAMETOOLONG;
    strncpy(sa.sun_path, path, sizeof sa.sun_path - 1);
    if (connect(s->fd, (struct sockaddr *)&sa, sizeof sa) != 0)
        return errno == EAGAIN ? ECONNREFUSED : errno; /* its queue of connections is full */
    return watch(s) ? 0 : errno;
}

struct conversation *conversation_connect_unix(struct loop *l, const char *path, uint64_t timeout_ms,
                                               const struct conversation_kind *kind, void *ctx)
{
    return conversation_connect_unix_tls(l, path, timeout_ms, kind, NULL, ctx);
}

struct conversation *conversation_connect_unix_tls(struct loop *l, const char *path, uint64_t timeout_ms,
                                                   const struct conversation_kind *kind, struct tls_context *tls, void *ctx)
{
    int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
    struct socket *s = socket_new(l, fd, kind, tls, ctx);

    if (!s)
        return NULL;
    s->state = SOCKET_CONNECTING;
    s->error = start_connect_unix(s, path);
    s->wait_ms = timeout_ms ? loop_now_ms(l) + timeout_ms : 0;
    socket_arm(s);
    if (s->error)
        socket_make_ready(s);
    return s->c;
}

uid_t socket_peer_uid(int fd)
{
    struct ucred who;
    socklen_t n = sizeof who;

    return getsockopt(fd, SOL_SOCKET, SO_PEERCRED, &who, &n) == 0 && n == sizeof who ? who.uid : (uid_t)-1;
}

/* --- from outside --- */

void conversation_abort(struct conversation *c, struct str last)
{
    struct socket *s = c->runtime;

    if (c->finished)
        return;
    buf_add(&c->out, last);
    c->ended = true;
    c->at = step_end();
    if (c->running)
        return; /* from within its own step: the end comes when that returns */
    if (s)
        socket_settle(s);
    else
        conversation_finish(c);
}

void conversation_addresses(const struct conversation *c, struct address_ip *local_out, struct address_ip *peer_out)
{
    const struct socket *s = c->runtime;
    struct sockaddr_storage sa = {0};
    socklen_t n = sizeof sa;

    if (local_out) {
        *local_out = (struct address_ip){0};
        if (s && getsockname(s->fd, (struct sockaddr *)&sa, &n) == 0)
            ip_from_sockaddr((struct sockaddr *)&sa, local_out);
    }
    n = sizeof sa;
    if (peer_out) {
        *peer_out = (struct address_ip){0};
        if (s && getpeername(s->fd, (struct sockaddr *)&sa, &n) == 0)
            ip_from_sockaddr((struct sockaddr *)&sa, peer_out);
    }
}

uint64_t conversation_rate(const struct conversation *c)
{
    const struct socket *s = c->runtime;
    uint64_t now, sum = 0, span;

    if (!s)
        return 0;
    now = loop_now_ms(s->net->loop) / 1000;
    for (uint64_t i = 0; i < RATE_SECONDS && i <= s->rate_second; i++)
        if (now - (s->rate_second - i) < RATE_SECONDS)
            sum += s->rate[(s->rate_second - i) % RATE_SECONDS];
    span = now - s->born_second + 1;
    return sum / (span < RATE_SECONDS ? span : RATE_SECONDS);
}
