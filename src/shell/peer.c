/*
 * Reading from and writing to a client. See peer.h.
 *
 * Called by the SFTP, SCP and FTP servers. Owns its buffers, not the descriptors. A peer that is gone stays gone.
 */
#include "shell/peer.h"

#include "base/clock.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <poll.h>
#include <signal.h>
#include <unistd.h>

enum { READ_AT_ONCE = 256 << 10 };

static void no_waiting(int fd)
{
    int flags = fcntl(fd, F_GETFL);

    if (flags >= 0)
        fcntl(fd, F_SETFL, flags | O_NONBLOCK);
}

void peer_init(struct peer *p, int in, int out, uint64_t idle_ms)
{
    *p = (struct peer){.in = in, .out = out, .idle_ms = idle_ms, .got = BUF(PEER_IN_MAX), .send = BUF(PEER_OUT_MAX)};
    signal(SIGPIPE, SIG_IGN);
    no_waiting(in);
    no_waiting(out);
}

void peer_done(struct peer *p)
{
    buf_done(&p->got);
    buf_done(&p->send);
}

struct str peer_view(const struct peer *p)
{
    return str_from(buf_str(&p->got), p->at);
}

void peer_drop(struct peer *p, size_t n)
{
    p->at += n;
    if (p->at >= p->got.n) {
        p->at = 0;
        p->got.n = 0;
    }
}

static bool lost(struct peer *p)
{
    p->gone = true;
    return false;
}

/* For how long may be waited; 0 when the time is over. */
static int patience(const struct peer *p)
{
    uint64_t now = p->until_ms ? clock_mono_ms() : 0;
    uint64_t ms = p->idle_ms ? p->idle_ms : INT_MAX;

    if (p->until_ms && p->until_ms < now + ms)
        ms = p->until_ms > now ? p->until_ms - now : 0;
    return ms >= INT_MAX ? -1 : (int)ms;
}

/* Waits until the descriptor can do something; false when the time is over. */
static bool wait_ready(struct peer *p, int fd, short what)
{
    struct pollfd at = {.fd = fd, .events = what};
    int ms, n;

    do {
        ms = patience(p);
        n = ms ? poll(&at, 1, ms) : 0;
    } while (n < 0 && errno == EINTR);
    p->idle = n == 0;
    return n > 0 || lost(p);
}

bool peer_flush(struct peer *p)
{
    size_t done = 0;

    if (p->gone || p->send.failed)
        return lost(p);
    while (done < p->send.n) {
        ssize_t n = write(p->out, p->send.p + done, p->send.n - done);

        if (n >= 0)
            done += (size_t)n;
        else if (errno == EAGAIN ? !wait_ready(p, p->out, POLLOUT) : errno != EINTR)
            return lost(p);
    }
    p->send.n = 0;
    return true;
}

/* Room at the end, moving what is left to the front first when that gives enough. */
static char *room(struct peer *p)
{
    if (p->at && p->got.cap - p->got.n < READ_AT_ONCE) {
        buf_drop(&p->got, p->at);
        p->at = 0;
    }
    return buf_reserve(&p->got, READ_AT_ONCE);
}

bool peer_fill(struct peer *p)
{
    char *to;
    ssize_t n;

    if (!peer_flush(p))
        return false;
    if (!(to = room(p)))
        return lost(p);
    if ((p->idle = patience(p) == 0))
        return lost(p);
    for (;;) {
        n = read(p->in, to, READ_AT_ONCE);
        if (n > 0)
            break;
        if (n == 0 || (errno != EAGAIN && errno != EINTR))
            return lost(p);
        if (errno == EAGAIN && !wait_ready(p, p->in, POLLIN))
            return false;
    }
    p->got.n += (size_t)n;
    return true;
}

int peer_octet(struct peer *p)
{
    int c;

    if (peer_view(p).n == 0 && !peer_fill(p))
        return -1;
    c = (unsigned char)peer_view(p).p[0];
    peer_drop(p, 1);
    return c;
}

bool peer_line(struct peer *p, size_t max, struct str *line_out, bool *too_long_out)
{
    bool too_long = false;

    for (;;) {
        struct str all = peer_view(p);
        size_t n = str_find(all, '\n');

        if (n < all.n) {
            too_long = too_long || n > max;
            *too_long_out = too_long;
            *line_out = too_long ? STR_NONE : str_first(all, n);
            p->at += n + 1; /* not peer_drop: the line is still looked at */
            if (line_out->n && line_out->p[line_out->n - 1] == '\r')
                line_out->n--;
            return true;
        }
        if (all.n > max + 1) { /* forgotten as it comes: nobody may fill the buffer with one line */
            too_long = true;
            peer_drop(p, all.n);
        }
        if (!peer_fill(p))
            return false;
    }
}
