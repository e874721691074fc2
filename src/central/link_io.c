/*
 * Lines with time limits, and the pump. See link_io.h.
 *
 * Called in the threads of link_open.c and link_door.c. Owns the socket and its TLS. Every wait ends at until_ms or by
 * link_stop_now(), but the pump, which ends with one of its ends.
 */
#include "central/link_io.h"

#include "base/clock.h"
#include "base/must.h"

#include <errno.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <openssl/err.h>
#include <poll.h>
#include <stdio.h>
#include <sys/socket.h>
#include <unistd.h>

enum { PIECE = 16384, UNSENT = 131072, PAIR_BUFFER = 65536 };

/* --- giving up
 * --------------------------------------------------------------------------------------------------------------- */

void link_stop_init(struct link_stop *s)
{
    must(pthread_mutex_init(&s->lock, NULL) == 0);
    s->now = false;
    for (size_t i = 0; i < LINK_STOP_FDS; i++)
        s->fd[i] = -1;
}

void link_stop_done(struct link_stop *s)
{
    pthread_mutex_destroy(&s->lock);
}

void link_stop_now(struct link_stop *s)
{
    pthread_mutex_lock(&s->lock);
    s->now = true;
    for (size_t i = 0; i < LINK_STOP_FDS; i++)
        if (s->fd[i] >= 0)
            shutdown(s->fd[i], SHUT_RDWR);
    pthread_mutex_unlock(&s->lock);
}

bool link_stopped(struct link_stop *s)
{
    bool yes;

    pthread_mutex_lock(&s->lock);
    yes = s->now;
    pthread_mutex_unlock(&s->lock);
    return yes;
}

bool link_stop_watch(struct link_stop *s, int fd)
{
    bool going;
    size_t i = 0;

    pthread_mutex_lock(&s->lock);
    while (i < LINK_STOP_FDS && s->fd[i] >= 0)
        i++;
    must(i < LINK_STOP_FDS);
    s->fd[i] = fd;
    going = !s->now;
    if (!going)
        shutdown(fd, SHUT_RDWR);
    pthread_mutex_unlock(&s->lock);
    return going;
}

void link_stop_forget(struct link_stop *s, int fd)
{
    pthread_mutex_lock(&s->lock);
    for (size_t i = 0; i < LINK_STOP_FDS; i++)
        if (s->fd[i] == fd)
            s->fd[i] = -1;
    pthread_mutex_unlock(&s->lock);
}

/* --- waiting
 * ----------------------------------------------------------------------------------------------------------------- */

static enum rc wait_for(struct link_io *io, short events, struct err *e)
{
    struct pollfd p = {.fd = io->fd, .events = events};
    uint64_t now = clock_mono_ms();

    if (now >= io->until_ms)
        return err_set(e, RC_TIMEOUT, "no answer within the time limit");
    poll(&p, 1, (int)(io->until_ms - now < 60000 ? io->until_ms - now : 60000));
    return link_stopped(io->stop) ? err_set(e, RC_UNAVAILABLE, "given up") : RC_OK;
}

/* What a TLS call that could not go on waits for; else the connection is over. */
static enum rc wait_tls(struct link_io *io, int result, const char *what, struct err *e)
{
    int why = SSL_get_error(io->ssl, result), number = errno;
    unsigned long code;
    char text[200];

    if (why == SSL_ERROR_WANT_READ)
        return wait_for(io, POLLIN, e);
    if (why == SSL_ERROR_WANT_WRITE)
        return wait_for(io, POLLOUT, e);
    code = ERR_peek_last_error();
    if (why == SSL_ERROR_SSL && code) {
        ERR_error_string_n(code, text, sizeof text);
        return err_set(e, RC_TLS_FAILED, "%s: %s", what,
                       ERR_reason_error_string(code) ? ERR_reason_error_string(code) : text);
    }
    if (why == SSL_ERROR_SYSCALL && number && number != EAGAIN)
        return err_set(e, RC_CLOSED, "%s: %s", what, strerror(number));
    return err_set(e, RC_CLOSED, "%s: the connection was closed", what);
}

static enum rc read_more(struct link_io *io, struct err *e)
{
    for (;;) {
        char *at = io->in + io->n_in;
        size_t room = sizeof io->in - io->n_in;
        ssize_t n;

        if (io->ssl) {
            ERR_clear_error();
            n = SSL_read(io->ssl, at, (int)room);
            if (n > 0) {
                io->n_in += (size_t)n;
                return RC_OK;
            }
            TRY(wait_tls(io, (int)n, "read", e));
            continue;
        }
        n = recv(io->fd, at, room, 0);
        if (n > 0) {
            io->n_in += (size_t)n;
            return RC_OK;
        }
        if (n == 0)
            return err_set(e, RC_CLOSED, "the connection was closed");
        if (errno != EAGAIN && errno != EINTR)
            return err_set(e, RC_CLOSED, "%s", strerror(errno));
        TRY(wait_for(io, POLLIN, e));
    }
}

/* The line before stays in front of the buffer until the next is asked for. */
static void drop(struct link_io *io, size_t n)
{
    memmove(io->in, io->in + n, io->n_in - n);
    io->n_in -= n;
}

enum rc link_io_line(struct link_io *io, struct str *out, struct err *e)
{
    static _Thread_local char line[LINK_LINE_MAX];
    size_t end;

    for (;;) {
        end = str_find(str_of(io->in, io->n_in), '\n');
        if (end < io->n_in)
            break;
        if (io->n_in >= LINK_LINE_MAX)
            return err_set(e, RC_LINE_TOO_LONG, "line too long");
        TRY(read_more(io, e));
    }
    if (end >= LINK_LINE_MAX)
        return err_set(e, RC_LINE_TOO_LONG, "line too long");
    memcpy(line, io->in, end);
    drop(io, end + 1);
    *out = str_of(line, end && line[end - 1] == '\r' ? end - 1 : end);
    return RC_OK;
}

enum rc link_io_say(struct link_io *io, struct str text, struct err *e)
{
    while (text.n) {
        ssize_t n;

        if (io->ssl) {
            ERR_clear_error();
            n = SSL_write(io->ssl, text.p, (int)text.n);
            if (n <= 0) {
                TRY(wait_tls(io, (int)n, "write", e));
                continue;
            }
        } else {
            n = send(io->fd, text.p, text.n, MSG_NOSIGNAL);
            if (n < 0 && errno != EAGAIN && errno != EINTR)
                return err_set(e, RC_CLOSED, "%s", strerror(errno));
            if (n < 0) {
                TRY(wait_for(io, POLLOUT, e));
                continue;
            }
        }
        text = str_from(text, (size_t)n);
    }
    return RC_OK;
}

enum rc link_io_handshake(struct link_io *io, struct err *e)
{
    for (;;) {
        int n;

        ERR_clear_error();
        n = SSL_do_handshake(io->ssl);
        if (n == 1)
            return RC_OK;
        TRY(wait_tls(io, n, "TLS", e));
    }
}

/* --- the pump
 * ---------------------------------------------------------------------------------------------------------------- */

struct pump {
    struct link_io *io;
    int inner;
    char up[PIECE], down[PIECE]; /* inner -> connection, connection -> inner */
    size_t n_up, n_down, at_down;
    bool over, write_wants_read, read_wants_write;
};

static void pump_up(struct pump *p, bool *moved)
{
    ssize_t n;

    if (!p->n_up) {
        n = recv(p->inner, p->up, sizeof p->up, 0);
        if (n > 0)
            p->n_up = (size_t)n;
        else
            p->over |= n == 0 || (errno != EAGAIN && errno != EINTR);
    }
    if (!p->n_up)
        return;
    ERR_clear_error();
    n = SSL_write(p->io->ssl, p->up, (int)p->n_up);
    p->write_wants_read = false;
    if (n > 0) {
        p->n_up -= (size_t)n;
        memmove(p->up, p->up + n, p->n_up);
        *moved = true;
        return;
    }
    switch (SSL_get_error(p->io->ssl, (int)n)) {
    case SSL_ERROR_WANT_WRITE:
        break;
    case SSL_ERROR_WANT_READ:
        p->write_wants_read = true;
        break;
    default:
        p->over = true;
    }
}

static void take_down(struct pump *p)
{
    int n;

    if (p->io->n_in) { /* came together with the last line */
        memcpy(p->down, p->io->in, p->io->n_in);
        p->n_down = p->io->n_in;
        p->io->n_in = 0;
        return;
    }
    ERR_clear_error();
    n = SSL_read(p->io->ssl, p->down, sizeof p->down);
    p->read_wants_write = false;
    if (n > 0) {
        p->n_down = (size_t)n;
        return;
    }
    switch (SSL_get_error(p->io->ssl, n)) {
    case SSL_ERROR_WANT_READ:
        break;
    case SSL_ERROR_WANT_WRITE:
        p->read_wants_write = true;
        break;
    default:
        p->over = true;
    }
}

static void pump_down(struct pump *p, bool *moved)
{
    ssize_t n;

    if (!p->n_down) {
        p->at_down = 0;
        take_down(p);
    }
    if (p->at_down == p->n_down)
        return;
    n = send(p->inner, p->down + p->at_down, p->n_down - p->at_down, MSG_NOSIGNAL);
    if (n > 0) {
        p->at_down += (size_t)n;
        if (p->at_down == p->n_down)
            p->n_down = 0;
        *moved = true;
    } else if (errno != EAGAIN && errno != EINTR) {
        p->over = true;
    }
}

static void pump_wait(const struct pump *p)
{
    struct pollfd fds[2] = {{.fd = p->io->fd}, {.fd = p->inner}};

    if (!p->n_down || p->write_wants_read)
        fds[0].events |= POLLIN;
    if ((p->n_up && !p->write_wants_read) || p->read_wants_write)
        fds[0].events |= POLLOUT;
    if (!p->n_up)
        fds[1].events |= POLLIN;
    if (p->n_down)
        fds[1].events |= POLLOUT;
    poll(fds, 2, 60000);
}

void link_io_pump(struct link_io *io, int inner)
{
    struct pump p = {.io = io, .inner = inner};

    while (!p.over && !link_stopped(io->stop)) {
        bool moved = false;

        pump_up(&p, &moved);
        if (!p.over)
            pump_down(&p, &moved);
        if (!p.over && !moved)
            pump_wait(&p);
    }
    if (!link_stopped(io->stop))
        SSL_shutdown(io->ssl);
}

void link_io_done(struct link_io *io)
{
    SSL_free(io->ssl);
    io->ssl = NULL;
    if (io->fd >= 0)
        close(io->fd);
    io->fd = -1;
}

/* --- sockets
 * ----------------------------------------------------------------------------------------------------------------- */

enum rc link_pair(int out[2], struct err *e)
{
    int size = PAIR_BUFFER;

    if (socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0, out) != 0)
        return err_errno(e, errno, "socketpair");
    for (int i = 0; i < 2; i++)
        setsockopt(out[i], SOL_SOCKET, SO_SNDBUF, &size, sizeof size);
    return RC_OK;
}

void link_tune(int fd)
{
    static const struct {
        int level, name, value;
    } options[] = {
        {IPPROTO_TCP, TCP_NODELAY, 1},   {IPPROTO_TCP, TCP_NOTSENT_LOWAT, UNSENT}, {SOL_SOCKET, SO_KEEPALIVE, 1},
        {IPPROTO_TCP, TCP_KEEPIDLE, 30}, {IPPROTO_TCP, TCP_KEEPINTVL, 10},         {IPPROTO_TCP, TCP_KEEPCNT, 3},
    };

    for (size_t i = 0; i < sizeof options / sizeof *options; i++)
        setsockopt(fd, options[i].level, options[i].name, &options[i].value, sizeof options[i].value);
    fcntl(fd, F_SETFL, fcntl(fd, F_GETFL) | O_NONBLOCK);
}
