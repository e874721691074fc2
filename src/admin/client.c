/*
 * Asks the control role from another process. See client.h.
 *
 * Called by `postern cli`, `postern settings` and tests. Owns nothing; the caller closes the descriptor.
 */
#include "admin/client.h"

#include "admin/wire.h"

#include <errno.h>
#include <stdio.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

enum rc client_open(const char *home, int *fd_out, struct err *e)
{
    struct sockaddr_un at = {.sun_family = AF_UNIX};
    int n = snprintf(at.sun_path, sizeof at.sun_path, "%s/run/control.sock", home);
    int fd;

    if (n < 0 || (size_t)n >= sizeof at.sun_path)
        return err_set(e, RC_INVALID, "%s is too long a path for a socket", home);
    fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
    if (fd < 0)
        return err_errno(e, errno, "socket");
    if (connect(fd, (struct sockaddr *)&at, sizeof at) != 0) {
        err_errno(e, errno, "%s (is it running? `postern start --home %s`)", at.sun_path, home);
        close(fd);
        return e ? (e->rc = RC_UNAVAILABLE) : RC_UNAVAILABLE;
    }
    *fd_out = fd;
    return RC_OK;
}

static enum rc send_all(int fd, struct str s, struct err *e)
{
    while (s.n) {
        ssize_t n = send(fd, s.p, s.n, MSG_NOSIGNAL);

        if (n < 0 && errno != EINTR)
            return err_errno(e, errno, "control socket");
        s = str_from(s, n > 0 ? (size_t)n : 0);
    }
    return RC_OK;
}

static enum rc read_frame(int fd, struct buf *in, struct str *body_out, struct err *e)
{
    bool too_large = false;

    while (!wire_take(buf_str(in), body_out, &too_large)) {
        char *room = buf_reserve(in, 65536);
        ssize_t n;

        if (too_large || !room)
            return err_set(e, RC_TOO_LARGE, "control socket: the reply is too large");
        n = recv(fd, room, 65536, 0);
        if (n < 0 && errno == EINTR)
            continue;
        if (n <= 0)
            return err_set(e, RC_CLOSED, "control socket: connection closed");
        in->n += (size_t)n;
    }
    return RC_OK;
}

enum rc client_send(int fd, struct str user, const struct str *words, size_t n, struct err *e)
{
    struct buf b = BUF((size_t)WIRE_MAX + (1 << 20));
    enum rc rc;

    wire_put_request(&b, user, words, n);
    rc = b.failed ? err_set(e, RC_TOO_LARGE, "the command is too large") : send_all(fd, buf_str(&b), e);
    buf_done(&b);
    return rc;
}

enum rc client_reply(int fd, enum rc *rc_out, struct buf *text, struct buf *json, struct err *e)
{
    struct buf b = BUF((size_t)WIRE_MAX + (1 << 20));
    struct str body, t, j;
    enum rc rc = read_frame(fd, &b, &body, e);

    if (rc == RC_OK && wire_parse_reply(body, rc_out, &t, &j) != RC_OK)
        rc = err_set(e, RC_CORRUPT, "control socket: malformed reply");
    if (rc == RC_OK) {
        buf_add(text, t);
        buf_add(json, j);
    }
    buf_done(&b);
    return rc;
}

enum rc client_ask(int fd, struct str user, const struct str *words, size_t n, enum rc *rc_out, struct buf *text,
                   struct buf *json, struct err *e)
{
    TRY(client_send(fd, user, words, n, e));
    return client_reply(fd, rc_out, text, json, e);
}
