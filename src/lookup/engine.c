/*
 * Connecting to scan engines on behalf of scan. See engine.h.
 *
 * Made by lookup.c. Owns an attempt per connection under way: its socket, its watcher, its deadline. A worker that went away
 * is not answered; its socket is closed.
 */
#include "lookup/engine.h"

#include "base/must.h"
#include "net/engine_address.h"

#include <errno.h>
#include <netinet/tcp.h>
#include <stdlib.h>
#include <sys/un.h>
#include <unistd.h>

enum { TIMEOUT_LEAST_MS = 100, TIMEOUT_MOST_MS = 60000 };

struct attempt {
    struct attempt *next, *prev;
    struct engine_connector *c;
    struct bus_peer *from;
    uint64_t id, engine;
    int fd;
    uv_poll_t poll;
    struct loop_timer deadline;
};

struct engine_connector {
    struct loop *loop;
    struct bus *bus;
    struct attempt *attempts;
    size_t n;
};

static void answer(struct engine_connector *c, struct bus_peer *to, uint64_t id, uint64_t engine, int fd, enum rc rc,
                   const char *why)
{
    struct bus_engine_socket msg = {.id = id, .engine = engine, .rc = rc, .why = str_c(why)};

    if (rc == RC_OK)
        bus_send_fd(c->bus, to, BUS_engine_socket, &msg, fd);
    else
        bus_send(c->bus, to, BUS_engine_socket, &msg);
}

static void poll_closed(uv_handle_t *h)
{
    free(h->data);
}

/* The attempt is over; its memory goes when libuv is done with the watcher. */
static void attempt_end(struct attempt *a)
{
    struct engine_connector *c = a->c;

    loop_timer_cancel(c->loop, &a->deadline);
    if (a->prev)
        a->prev->next = a->next;
    else
        c->attempts = a->next;
    if (a->next)
        a->next->prev = a->prev;
    c->n--;
    uv_poll_stop(&a->poll);
    uv_close((uv_handle_t *)&a->poll, poll_closed);
    close(a->fd);
}

static void finish(struct attempt *a, int error)
{
    if (error)
        answer(a->c, a->from, a->id, a->engine, -1, RC_CONNECT, strerror(error));
    else
        answer(a->c, a->from, a->id, a->engine, a->fd, RC_OK, "");
    attempt_end(a);
}

static void on_deadline(void *ctx)
{
    struct attempt *a = ctx;

    answer(a->c, a->from, a->id, a->engine, -1, RC_TIMEOUT, "connection timed out");
    attempt_end(a);
}

static void on_ready(uv_poll_t *poll, int status, int events)
{
    int error = 0;
    socklen_t n = sizeof error;
    struct attempt *a = poll->data;

    (void)events;
    if (getsockopt(a->fd, SOL_SOCKET, SO_ERROR, &error, &n) != 0)
        error = errno;
    else if (status < 0 && !error)
        error = -status; /* libuv says EBADF for every error of a socket: the socket's own comes first */
    finish(a, error);
}

/* A socket that connects or is connected; -1 with errno. */
static int start(const struct engine_address *to, bool *connected_out)
{
    struct sockaddr_storage sa;
    struct sockaddr_un *un = (struct sockaddr_un *)&sa;
    socklen_t n = ip_to_sockaddr(&to->ip, &sa);
    int one = 1, fd, saved;

    if (!to->ip.family) {
        un->sun_family = AF_UNIX;
        memcpy(un->sun_path, to->path, sizeof to->path);
        n = sizeof *un;
    }
    fd = socket(sa.ss_family, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
    if (fd < 0)
        return -1;
    if (to->ip.family)
        setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &one, sizeof one);
    *connected_out = connect(fd, (struct sockaddr *)&sa, n) == 0;
    if (*connected_out || errno == EINPROGRESS)
        return fd;
    saved = errno;
    close(fd);
    errno = saved;
    return -1;
}

static void wait_for(struct engine_connector *c, const struct bus_in *in, int fd)
{
    const struct bus_engine_open *m = in->msg;
    uint64_t timeout = m->timeout_ms < TIMEOUT_LEAST_MS  ? TIMEOUT_LEAST_MS
                       : m->timeout_ms > TIMEOUT_MOST_MS ? TIMEOUT_MOST_MS
                                                         : m->timeout_ms;
    struct attempt *a = calloc(1, sizeof *a);

    must(a);
    *a = (struct attempt){.c = c, .from = in->from, .id = m->id, .engine = m->engine, .fd = fd};
    if (uv_poll_init(loop_uv(c->loop), &a->poll, fd) != 0) {
        answer(c, in->from, m->id, m->engine, -1, RC_NO_MEMORY, "no watcher");
        close(fd);
        free(a);
        return;
    }
    a->poll.data = a;
    a->next = c->attempts;
    if (a->next)
        a->next->prev = a;
    c->attempts = a;
    c->n++;
    must(uv_poll_start(&a->poll, UV_WRITABLE, on_ready) == 0);
    loop_timer_set(c->loop, &a->deadline, timeout, on_deadline, a);
}

static void on_open(void *ctx, const struct bus_in *in)
{
    struct engine_connector *c = ctx;
    const struct bus_engine_open *m = in->msg;
    struct engine_address to;
    bool connected = false;
    int fd;

    if (!engine_address_parse(m->address, &to)) {
        answer(c, in->from, m->id, m->engine, -1, RC_INVALID, "no address of an engine");
        return;
    }
    if (c->n >= ENGINE_CONNECTS) {
        answer(c, in->from, m->id, m->engine, -1, RC_LIMIT, "too many connections under way");
        return;
    }
    fd = start(&to, &connected);
    if (fd < 0) {
        answer(c, in->from, m->id, m->engine, -1, RC_CONNECT, strerror(errno));
    } else if (connected) {
        answer(c, in->from, m->id, m->engine, fd, RC_OK, "");
        close(fd);
    } else {
        wait_for(c, in, fd);
    }
}

struct engine_connector *engine_connector_new(struct loop *loop, struct bus *bus)
{
    struct engine_connector *c = calloc(1, sizeof *c);

    must(c);
    c->loop = loop;
    c->bus = bus;
    bus_on(bus, BUS_engine_open, on_open, c);
    return c;
}

void engine_connector_free(struct engine_connector *c)
{
    if (!c)
        return;
    while (c->attempts)
        attempt_end(c->attempts);
    free(c);
}
