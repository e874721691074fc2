/*
 * One channel of the link. See link_bridge.h.
 *
 * Called by link_near.c (gateway, in its thread) and shell/ssh_link.c (manager, on the loop). Owns the channel, the socket
 * and what is under way between them: from the peer at most a window of libssh, to the peer one piece.
 */
#include "central/link_bridge.h"

#include "base/must.h"

#include <errno.h>
#include <libssh/server.h>
#include <poll.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <unistd.h>

enum { PIECE = 32768, IN_MAX = 4 << 20 };

struct link_bridge {
    ssh_channel ssh;
    int fd;
    enum link_channel name;
    bool opening, reverse;
    bool failed, hung_up; /* hung_up: the socket's other end is gone */
    bool eof_sent, eof_passed, eager;
    struct buf in; /* from the peer, not yet taken by the socket from in_done on */
    size_t in_done;
    struct buf out; /* read, not yet taken by libssh */
    uint64_t octets;
    const char *why;
};

struct link_bridge *link_bridge_new(ssh_channel ssh, int fd, enum link_channel name, bool opens, bool reverse)
{
    struct link_bridge *b = calloc(1, sizeof *b);

    must(b);
    *b = (struct link_bridge){.ssh = ssh, .fd = fd, .name = name, .opening = opens, .reverse = reverse, .eager = true};
    b->in = BUF(IN_MAX);
    b->out = BUF(PIECE);
    return b;
}

static void fail(struct link_bridge *b, const char *why)
{
    b->failed = true;
    b->why = why;
}

static void open_channel(struct link_bridge *b)
{
    const struct link_name *n = link_name(b->name);
    int rc = b->reverse ? ssh_channel_open_reverse_forward(b->ssh, n->host, n->port, "127.0.0.1", 1)
                        : ssh_channel_open_forward(b->ssh, n->host, n->port, "127.0.0.1", 1);

    if (rc == SSH_OK)
        b->opening = false;
    else if (rc != SSH_AGAIN)
        fail(b, "the other end refuses the channel");
}

/* --- from the peer
 * ------------------------------------------------------------------------------------------------------------ */

/* All that libssh holds, at once: each read makes the peer's window whole again, so reading less than there is would let it
 * grow without end. */
static void take_in(struct link_bridge *b)
{
    int n = ssh_channel_poll(b->ssh, 0);
    char *room = n > 0 && n <= IN_MAX ? buf_reserve(&b->in, (size_t)n) : NULL;

    if (n > IN_MAX)
        fail(b, "the other end sends more than its window");
    if (room && (n = ssh_channel_read_nonblocking(b->ssh, room, (uint32_t)n, 0)) > 0) {
        b->in.n += (size_t)n;
        b->octets += (uint64_t)n;
    }
}

static void move_in(struct link_bridge *b)
{
    ssize_t w;

    if (!b->in.n)
        take_in(b);
    if (b->in.n && !b->hung_up) {
        size_t left = b->in.n - b->in_done;

        w = send(b->fd, b->in.p + b->in_done, left < PIECE ? left : PIECE, MSG_NOSIGNAL);
        if (w < 0 && errno != EAGAIN && errno != EINTR)
            b->hung_up = true;
        b->in_done += w > 0 ? (size_t)w : 0;
        b->eager |= w > 0;
    }
    if (b->hung_up || b->in_done == b->in.n) {
        buf_clear(&b->in);
        b->in_done = 0;
    }
    buf_shrink(&b->in, 0);
    if (!b->in.n && !b->eof_passed && ssh_channel_is_eof(b->ssh) && ssh_channel_poll(b->ssh, 0) <= 0) {
        b->eof_passed = true;
        shutdown(b->fd, SHUT_WR);
    }
}

/* --- to the peer
 * -------------------------------------------------------------------------------------------------------------- */

static void say(struct link_bridge *b, struct str text)
{
    int n = ssh_channel_write(b->ssh, text.p, (uint32_t)text.n);

    if (n < 0) {
        fail(b, "the connection is lost");
        return;
    }
    b->octets += (uint64_t)n;
    if (b->out.n)
        buf_drop(&b->out, (size_t)n);
    else
        buf_add(&b->out, str_from(text, (size_t)n));
    b->eager |= n > 0;
}

static void move_out(struct link_bridge *b)
{
    char piece[PIECE];
    size_t window = ssh_channel_window_size(b->ssh);
    ssize_t n;

    if (b->eof_sent || !window)
        return;
    if (b->out.n) {
        say(b, str_first(buf_str(&b->out), window));
        return;
    }
    n = recv(b->fd, piece, window < sizeof piece ? window : sizeof piece, 0);
    if (n > 0) {
        say(b, str_of(piece, (size_t)n));
    } else if (n == 0 || (errno != EAGAIN && errno != EINTR)) {
        ssh_channel_send_eof(b->ssh);
        b->eof_sent = true;
        b->hung_up |= n < 0;
    }
    buf_shrink(&b->out, 0);
}

void link_bridge_move(struct link_bridge *b, bool blocked)
{
    b->eager = false;
    if (b->failed)
        return;
    if (b->opening) {
        open_channel(b);
        if (b->opening || b->failed)
            return;
    }
    move_in(b);
    if (!blocked && !b->failed)
        move_out(b);
}

bool link_bridge_eager(const struct link_bridge *b)
{
    return b->eager;
}

short link_bridge_events(const struct link_bridge *b, bool blocked)
{
    int events = 0;

    if (b->opening || b->failed)
        return 0;
    if (!b->eof_sent && !b->out.n && !blocked && ssh_channel_window_size(b->ssh) > 0)
        events |= POLLIN;
    if (b->in.n && !b->hung_up)
        events |= POLLOUT;
    return (short)events;
}

bool link_bridge_over(const struct link_bridge *b, const char **why_out)
{
    *why_out = b->why;
    if (b->failed)
        return true;
    if (b->opening)
        return false;
    if (b->eof_sent && !b->out.n && (b->eof_passed || b->hung_up))
        return true;
    return ssh_channel_is_closed(b->ssh) && !b->in.n && ssh_channel_poll(b->ssh, 0) <= 0;
}

int link_bridge_fd(const struct link_bridge *b)
{
    return b->fd;
}

enum link_channel link_bridge_name(const struct link_bridge *b)
{
    return b->name;
}

uint64_t link_bridge_octets(const struct link_bridge *b)
{
    return b->octets;
}

void link_bridge_free(struct link_bridge *b)
{
    if (!b)
        return;
    ssh_channel_free(b->ssh); /* sends the close when it is open */
    close(b->fd);
    buf_done(&b->in);
    buf_done(&b->out);
    free(b);
}
