/* Blocking input and output with a deadline. See engine_io.h. Called by the engines' clients; the descriptor is the
 * caller's. */
#include "scan/engine_io.h"

#include "base/clock.h"

#include <errno.h>
#include <poll.h>
#include <sys/socket.h>

enum { READ_BYTES = 64 << 10, POLL_MS = 60000 };

static enum rc wait_for(const struct engine_io *io, short events, struct err *e)
{
    struct pollfd one = {.fd = io->fd, .events = events};

    for (;;) {
        uint64_t now = clock_mono_ms();
        uint64_t left = io->deadline_ms > now ? io->deadline_ms - now : 0;

        if (!left)
            return err_set(e, RC_TIMEOUT, "no answer in time");
        if (poll(&one, 1, (int)(left < POLL_MS ? left : POLL_MS)) > 0)
            return RC_OK;
    }
}

enum rc engine_send(const struct engine_io *io, struct str data, struct err *e)
{
    while (data.n) {
        ssize_t n = send(io->fd, data.p, data.n, MSG_DONTWAIT | MSG_NOSIGNAL);

        if (n >= 0)
            data = str_from(data, (size_t)n);
        else if (errno == EAGAIN)
            TRY(wait_for(io, POLLOUT, e));
        else if (errno != EINTR)
            return err_set(e, RC_CLOSED, "connection broken: %s", strerror(errno));
    }
    return RC_OK;
}

enum rc engine_read(const struct engine_io *io, struct buf *in, bool *ended, struct err *e)
{
    char *at = buf_reserve(in, in->max - in->n < READ_BYTES ? in->max - in->n : READ_BYTES);
    size_t room = in->max - in->n < READ_BYTES ? in->max - in->n : READ_BYTES;

    *ended = false;
    if (!at || !room)
        return err_set(e, RC_TOO_LARGE, "the answer is too long");
    for (;;) {
        ssize_t n = recv(io->fd, at, room, MSG_DONTWAIT);

        if (n > 0) {
            in->n += (size_t)n;
            return RC_OK;
        }
        if (n == 0) {
            *ended = true;
            return RC_OK;
        }
        if (errno == EAGAIN)
            TRY(wait_for(io, POLLIN, e));
        else if (errno != EINTR)
            return err_set(e, RC_CLOSED, "connection broken: %s", strerror(errno));
    }
}
