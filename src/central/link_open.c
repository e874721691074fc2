/*
 * From an address to the place where SSH begins: the three carriers (central.md 8). See link_near.h.
 *
 * Called in the thread of link_near.c. Owns the socket until it has returned RC_OK. Every step has a limit; the reason names
 * what the other end said, so that a foreign server or a middle box that removes TLS is told from a closed port.
 */
#include "central/link_near.h"

#include "base/clock.h"

#include <errno.h>
#include <poll.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

static enum rc wait_connected(struct link_io *io, struct err *e)
{
    struct pollfd p = {.fd = io->fd, .events = POLLOUT};
    uint64_t now = clock_mono_ms();
    int error = 0;
    socklen_t n = sizeof error;

    if (now >= io->until_ms || poll(&p, 1, (int)(io->until_ms - now)) == 0)
        return err_set(e, RC_TIMEOUT, "not answered");
    if (link_stopped(io->stop))
        return err_set(e, RC_UNAVAILABLE, "given up");
    if (getsockopt(io->fd, SOL_SOCKET, SO_ERROR, &error, &n) != 0)
        error = errno;
    return error ? err_set(e, RC_CONNECT, "%s", strerror(error)) : RC_OK;
}

static enum rc dial(const struct address_ip *to, struct link_io *io, struct err *e)
{
    struct sockaddr_storage at;
    socklen_t n = ip_to_sockaddr(to, &at);

    io->fd = socket(at.ss_family, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
    if (io->fd < 0)
        return err_errno(e, errno, "socket");
    link_tune(io->fd);
    if (!link_stop_watch(io->stop, io->fd))
        return err_set(e, RC_UNAVAILABLE, "given up");
    if (connect(io->fd, (struct sockaddr *)&at, n) == 0)
        return RC_OK;
    return errno == EINPROGRESS ? wait_connected(io, e) : err_set(e, RC_CONNECT, "%s", strerror(errno));
}

static enum rc handshake(struct link_job *j, bool alpn, struct link_io *io, struct err *e)
{
    struct link_pins pins = {.conf = j->conf, .serial = j->serial, .role = 0, .anyone = j->token.n > 0};

    io->until_ms = clock_mono_ms() + j->step_ms;
    return link_io_tls(io, false, alpn, &pins, e);
}

static enum rc say(struct link_io *io, struct buf *out, struct err *e)
{
    enum rc rc = link_io_say(io, buf_str(out), e);

    buf_clear(out);
    return rc;
}

static enum rc talk(struct link_job *j, struct link_caller *c, struct link_io *io, struct buf *out, struct err *e)
{
    enum link_next next = LINK_READ;
    struct str line;

    while (next != LINK_READY) {
        io->until_ms = clock_mono_ms() + j->step_ms;
        TRY(link_io_line(io, &line, e));
        next = link_caller_line(c, line, out);
        if (next == LINK_END)
            return err_set(e, c->e.rc, "%s", err_text(&c->e));
        if (next == LINK_HANDSHAKE) {
            TRY(handshake(j, false, io, e));
            link_caller_tls(c, out);
        }
        TRY(say(io, out, e));
    }
    return RC_OK;
}

static enum rc by_smtp(struct link_job *j, struct link_io *io, struct err *e)
{
    struct link_caller c = {
        .name = j->conf->system.hostname, .serial = j->conf->system.serial, .token = j->token, .e = ERR_NONE};
    struct buf out = BUF(LINK_LINE_MAX);
    enum rc rc = talk(j, &c, io, &out, e);

    buf_done(&out);
    return rc;
}

enum rc link_open(struct link_job *j, const struct address_ip *to, enum link_carrier carrier, struct link_io *io,
                  struct err *e)
{
    enum rc rc;

    *io = (struct link_io){.fd = -1, .stop = &j->stop, .until_ms = clock_mono_ms() + LINK_CONNECT_MS};
    rc = dial(to, io, e);
    if (rc == RC_OK && carrier == LINK_SMTP)
        rc = by_smtp(j, io, e);
    if (rc == RC_OK && carrier == LINK_TLS)
        rc = handshake(j, true, io, e);
    if (rc == RC_OK)
        return RC_OK;
    if (io->fd >= 0)
        link_stop_forget(io->stop, io->fd);
    link_io_done(io);
    return rc;
}
