/*
 * enrol.manager: what a gateway with a link token says, and what control answers (central.md 3, 8). See link.h.
 *
 * Called by link_manager.c with the channel as a socket. Owns the socket while the talk lasts: one line in, a question to
 * control, one line out. Who sends no line, or too long a one, within a minute is left.
 */
#include "central/link.h"

#include "base/must.h"

#include <errno.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <unistd.h>

enum { LINE_MAX_OCTETS = 65536, TALK_MS = 60000 };

struct enrolling {
    struct enrolling *next;
    struct links *links;
    uv_poll_t poll;
    struct loop_timer limit;
    int fd;
    struct buf line;
    char *token, *peer;
    uint64_t call;
};

static void closed(uv_handle_t *handle)
{
    free(handle->data);
}

static void end(struct enrolling *t)
{
    struct enrolling **at = &t->links->enrolling;
    struct central *c = t->links->central;

    while (*at != t)
        at = &(*at)->next;
    *at = t->next;
    if (t->call)
        bus_cancel(c->o.bus, t->call);
    loop_timer_cancel(c->o.loop, &t->limit);
    uv_poll_stop(&t->poll);
    close(t->fd);
    buf_done(&t->line);
    free(t->token);
    free(t->peer);
    uv_close((uv_handle_t *)&t->poll, closed);
}

/* The line is far smaller than the socket's buffer, which is empty. */
static void say(struct enrolling *t, struct str line)
{
    struct buf out = BUF(LINE_MAX_OCTETS + 1);

    buf_add(&out, line);
    buf_addc(&out, '\n');
    if (!out.failed && send(t->fd, out.p, out.n, MSG_NOSIGNAL | MSG_DONTWAIT) == (ssize_t)out.n)
        shutdown(t->fd, SHUT_WR);
    buf_done(&out);
}

static void answered(void *ctx, enum rc rc, const void *msg)
{
    struct enrolling *t = ctx;
    const struct bus_link_enrolled *m = msg;
    struct central *c = t->links->central;

    t->call = 0;
    if (rc == RC_OK && m->rc == RC_OK)
        say(t, m->json);
    else
        event(c->o.events, link_refused, .peer_ip = str_c(t->peer), .port = 0,
              .why = rc == RC_OK ? m->why : str_c(rc_info(rc)->text));
    end(t);
}

static void ask(struct enrolling *t)
{
    struct central *c = t->links->central;
    const struct bus_link_enrol m = {.token = str_c(t->token), .peer = str_c(t->peer), .json = str_trim(buf_str(&t->line))};

    uv_poll_stop(&t->poll);
    t->call = bus_call(c->o.bus, bus_peer(c->o.bus, ROLE_control, 0), BUS_link_enrol, &m, TALK_MS, answered, t);
}

static void readable(uv_poll_t *poll, int status, int events)
{
    struct enrolling *t = poll->data;
    char piece[4096];
    ssize_t n = status < 0 ? 0 : recv(t->fd, piece, sizeof piece, MSG_DONTWAIT);

    (void)events;
    if (n < 0 && (errno == EAGAIN || errno == EINTR))
        return;
    if (n > 0)
        buf_add(&t->line, str_of(piece, (size_t)n));
    if (n <= 0 || t->line.failed)
        end(t);
    else if (t->line.p[t->line.n - 1] == '\n')
        ask(t);
}

static void too_long(void *ctx)
{
    end(ctx);
}

void enrolling_new(struct links *l, int fd, struct str token, struct str peer)
{
    struct enrolling *t = calloc(1, sizeof *t);

    must(t);
    *t = (struct enrolling){.next = l->enrolling, .links = l, .fd = fd, .line = BUF(LINE_MAX_OCTETS)};
    must((t->token = strndup(token.p, token.n)) && (t->peer = strndup(peer.p, peer.n)));
    l->enrolling = t;
    must(uv_poll_init(loop_uv(l->central->o.loop), &t->poll, fd) == 0);
    t->poll.data = t;
    uv_poll_start(&t->poll, UV_READABLE | UV_DISCONNECT, readable);
    loop_timer_set(l->central->o.loop, &t->limit, TALK_MS, too_long, t);
}

void enrolling_free(struct links *l)
{
    while (l->enrolling)
        end(l->enrolling);
}
