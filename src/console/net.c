/*
 * Sockets of the network tools. See net.h.
 *
 * Called by cmd_*.c of the network tools. Owns descriptors through the command's arena, so that Ctrl-C, which leaves by
 * longjmp, leaks none. Waiting for room to write goes over an epoll descriptor: a session waits for descriptors that can be
 * read.
 */
#include "console/net.h"

#include "base/clock.h"
#include "console/ask.h"

#include <errno.h>
#include <poll.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <unistd.h>

enum { READ_MOST = 16384 };

static void close_it(void *ctx)
{
    net_close(ctx);
}

void net_close(struct net_socket *k)
{
    if (k->fd >= 0)
        close(k->fd);
    if (k->epoll >= 0)
        close(k->epoll);
    k->fd = k->epoll = -1;
}

struct net_socket *net_socket(struct session *s, int family, int type, int protocol)
{
    struct net_socket *k = arena_must_alloc(&s->arena, sizeof *k);

    *k = (struct net_socket){-1, -1};
    if (!arena_defer(&s->arena, close_it, k))
        return k;
    k->fd = socket(family, type | SOCK_CLOEXEC | SOCK_NONBLOCK, protocol);
    return k;
}

static int writable(struct net_socket *k)
{
    struct epoll_event want = {.events = EPOLLOUT};

    if (k->epoll < 0) {
        k->epoll = epoll_create1(EPOLL_CLOEXEC);
        if (k->epoll >= 0)
            epoll_ctl(k->epoll, EPOLL_CTL_ADD, k->fd, &want);
    }
    return k->epoll;
}

bool net_wait(struct session *s, struct net_socket *k, bool writing, uint64_t until_ms)
{
    int fd = writing ? writable(k) : k->fd;
    uint64_t now = clock_mono_ms();

    return session_wait(s, fd, until_ms > now ? (unsigned)(until_ms - now) : 0);
}

/* --- TCP ------------------------------------------------------------------------------------------------------------------
 */

static enum rc failed(struct err *e, int number)
{
    if (number == ETIMEDOUT)
        return err_set(e, RC_TIMEOUT, "Connection timed out");
    return err_set(e, number == ECONNRESET ? RC_CLOSED : RC_CONNECT, "%s", strerror(number));
}

enum rc net_connect(struct session *s, const struct address_ip *to, const struct address_ip *from, uint64_t timeout_ms,
                    struct net_socket **out, struct err *e)
{
    struct net_socket *k = net_socket(s, to->family, SOCK_STREAM, 0);
    struct sockaddr_storage at, source;
    socklen_t n = ip_to_sockaddr(to, &at), m = from && from->family ? ip_to_sockaddr(from, &source) : 0;
    int number = 0;
    socklen_t size = sizeof number;

    if (k->fd < 0 || (m && bind(k->fd, (struct sockaddr *)&source, m) != 0))
        return failed(e, errno);
    if (connect(k->fd, (struct sockaddr *)&at, n) != 0 && errno != EINPROGRESS)
        number = errno;
    else if (!net_wait(s, k, true, clock_mono_ms() + timeout_ms))
        number = ETIMEDOUT;
    else if (getsockopt(k->fd, SOL_SOCKET, SO_ERROR, &number, &size) != 0)
        number = errno;
    if (number) {
        net_close(k);
        return failed(e, number);
    }
    *out = k;
    return RC_OK;
}

int net_read(struct session *s, struct net_socket *k, struct buf *in, uint64_t until_ms, struct err *e)
{
    for (;;) {
        char *room = buf_reserve(in, READ_MOST);
        ssize_t n = room ? read(k->fd, room, READ_MOST) : -1;

        if (!room) {
            err_set(e, RC_TOO_LARGE, "The other side sends too much");
            return -1;
        }
        if (n >= 0) {
            in->n += (size_t)n;
            return (int)n;
        }
        if (errno != EAGAIN && errno != EINTR) {
            failed(e, errno);
            return -1;
        }
        if (!net_wait(s, k, false, until_ms)) {
            err_set(e, RC_TIMEOUT, "No answer in time");
            return -1;
        }
    }
}

enum rc net_write(struct session *s, struct net_socket *k, struct str octets, uint64_t until_ms, struct err *e)
{
    while (octets.n) {
        ssize_t n = send(k->fd, octets.p, octets.n, MSG_NOSIGNAL);

        if (n > 0)
            octets = str_from(octets, (size_t)n);
        else if (n < 0 && errno != EAGAIN && errno != EINTR)
            return failed(e, errno);
        else if (!net_wait(s, k, true, until_ms))
            return err_set(e, RC_TIMEOUT, "The other side does not read");
    }
    return RC_OK;
}

/* --- where from
 * ------------------------------------------------------------------------------------------------------------ */

bool net_source(struct session *s, struct str text, int family, struct address_ip *out)
{
    const struct conf_interface *f = conf_find(&session_conf(s)->interface, text);
    struct address_ip ip = {0}, any = {0};

    if (!f && !ip_parse(text, &ip))
        return false;
    if (f && !ip_parse(family == AF_INET6 ? f->address6 : f->address, &ip))
        return true; /* no address of this family: as it comes */
    any.family = ip.family;
    if (!ip_equal(&ip, &any))
        *out = ip;
    return true;
}

struct str net_ask_interface(struct session *s, const char *question)
{
    const struct conf *c = session_conf(s);
    struct str *items = arena_must_alloc(&s->arena, (c->interface.n + 1) * sizeof *items);
    struct strs choices = {items, c->interface.n + 1};
    size_t i;

    items[0] = str_lit("Auto");
    for (i = 0; i < c->interface.n; i++) {
        const struct conf_interface *f = &c->interface.items[i];

        items[i + 1] = arena_printf(&s->arena, "%.*s (%.*s%s%.*s: %.*s)", STR(f->name), STR(f->address),
                                    f->address.n && f->address6.n ? ", " : "", STR(f->address6),
                                    STR(f->hostname.n ? f->hostname : c->system.hostname));
    }
    i = ask_choice(s, question, &choices, 0);
    return i ? c->interface.items[i - 1].name : STR_NONE;
}
