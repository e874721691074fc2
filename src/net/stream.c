/*
 * Octets of a connection: reading into borrowed memory, running the conversation on them, writing in PHASE_PEER.
 *
 * Called by socket.c. A read goes into the loop's scratch buffer together with the rest of the last one; only what the steps
 * leave is copied into memory of the conversation. A connection is written at most once a turn unless the socket takes more.
 * A broken stream is read to its end first (the last reply is often in it), then the conversation's `broken` runs.
 */
#include "net/socket_private.h"
#include "net/tls_private.h"

#include <errno.h>
#include <sys/socket.h>

/* --- in -----------------------------------------------------------------------------------------------------------------
 */

static void count_rate(struct socket *s, size_t n)
{
    uint64_t now = loop_now_ms(s->net->loop) / 1000;

    if (now - s->rate_second >= RATE_SECONDS)
        memset(s->rate, 0, sizeof s->rate);
    else
        for (uint64_t at = s->rate_second + 1; at <= now; at++)
            s->rate[at % RATE_SECONDS] = 0;
    s->rate_second = now;
    s->rate[now % RATE_SECONDS] += (uint32_t)n;
}

ssize_t stream_receive(struct socket *s, void *to, size_t n)
{
    ssize_t got;

    do
        got = recv(s->fd, to, n, 0);
    while (got < 0 && errno == EINTR);
    if (got > 0) {
        count_rate(s, (size_t)got);
        if ((size_t)got < n && !s->ending_input && !s->hung)
            s->readable = false; /* a short read emptied it; more gives a new edge */
    } else if (got < 0 && errno == EAGAIN) {
        s->readable = false;
    }
    return got;
}

static ssize_t receive(struct socket *s, char *to, size_t n)
{
    return s->tls == TLS_UP ? tls_read(s, to, n) : stream_receive(s, to, n);
}

static struct str why(struct conversation *c, const char *text)
{
    return arena_str(&c->arena, str_c(text));
}

/* Tells the conversation what a read gave; false when there was nothing. */
static bool tell(struct socket *s, ssize_t got, int error)
{
    struct conversation *c = s->c;

    if (got > 0) {
        c->in.n += (size_t)got;
        conversation_input_came(c);
        return true;
    }
    if (got < 0 && error == EAGAIN)
        return false;
    s->readable = false;
    if (got < 0) {
        s->hung = s->write_dead = true;
        if (s->not_taken)
            conversation_broke(c, RC_TLS_FAILED, str_lit(TLS_NOT_TAKEN), false);
        else
            conversation_broke(c, RC_CLOSED, why(c, strerror(error)), false);
        return false;
    }
    c->eof = true;
    conversation_input_came(c);
    return true;
}

static bool steps_wait_for_input(const struct conversation *c)
{
    return c->at.what == STEP_READ || c->at.what == STEP_IDLE;
}

/* The conversation works on borrowed memory; what it leaves is copied back into its own. */
static bool read_borrowed(struct socket *s, size_t room)
{
    struct conversation *c = s->c;
    struct buf own = c->in;
    ssize_t got;
    bool told;

    if (own.n)
        memcpy(s->net->scratch, own.p, own.n);
    got = receive(s, s->net->scratch + own.n, room < READ_MOST ? room : READ_MOST);
    if (got < 0 && errno == EAGAIN)
        return false;
    c->in = (struct buf){.p = s->net->scratch, .n = own.n, .cap = CARRY_MOST + READ_MOST, .max = CARRY_MOST + READ_MOST};
    told = tell(s, got, errno);
    own.n = 0;
    buf_add(&own, buf_str(&c->in));
    c->in = own;
    return told;
}

static bool read_owned(struct socket *s, size_t room)
{
    struct conversation *c = s->c;
    size_t n = room < CARRY_MOST ? room : CARRY_MOST;
    char *to = buf_reserve(&c->in, n);

    if (!to) {
        c->in.failed = false;
        conversation_broke(c, RC_NO_MEMORY, str_lit("out of memory"), true);
        return false;
    }
    return tell(s, receive(s, to, n), errno);
}

static size_t room_for_input(const struct conversation *c)
{
    size_t most = c->kind->max_in ? c->kind->max_in : READ_MOST;

    return c->in.n < most ? most - c->in.n : 0;
}

bool socket_wants_input(const struct socket *s)
{
    return s->c && s->state == SOCKET_OPEN && !s->c->ended && !s->c->eof && room_for_input(s->c) > 0 &&
           (s->tls == TLS_PLAIN || s->tls == TLS_UP);
}

static void read_some(struct socket *s)
{
    struct conversation *c = s->c;
    size_t room = room_for_input(c);

    if (c->in.n <= CARRY_MOST && steps_wait_for_input(c))
        read_borrowed(s, room);
    else
        read_owned(s, room);
    if (c->in.n == 0)
        buf_shrink(&c->in, 0);
}

/* Our side is shut: what still comes is thrown away, within bounds. */
static void drain(struct socket *s)
{
    ssize_t got;

    do {
        got = stream_receive(s, s->net->scratch, READ_MOST);
        if (got > 0)
            s->drained += (uint32_t)got;
    } while (got > 0 && s->readable && s->drained < LINGER_OCTETS);
    if (got == 0 || (got < 0 && errno != EAGAIN) || s->drained >= LINGER_OCTETS)
        socket_close(s);
}

/* One portion of input; the rest comes in the next pass, so one busy peer does not keep the others waiting. */
void stream_readable(struct socket *s)
{
    if (s->state == SOCKET_LINGERING) {
        drain(s);
        return;
    }
    if (s->state != SOCKET_OPEN)
        return;
    if (s->tls == TLS_HANDSHAKE || s->tls == TLS_QUEUED) {
        tls_continue(s);
        if (s->state != SOCKET_OPEN || !s->c)
            return;
    }
    if (socket_wants_input(s) && s->readable)
        read_some(s);
    if (s->hung && !s->c->ended && s->tls != TLS_FAILED && !(s->readable && socket_wants_input(s)))
        conversation_broke(s->c, RC_CLOSED, str_lit("connection reset by peer"), false);
    socket_settle(s);
}

/* --- out ----------------------------------------------------------------------------------------------------------------
 */

/* Moves what the conversation said into the wire buffer. Plain text changes hands without a copy. */
static void fill(struct socket *s)
{
    struct buf *from = s->c ? &s->c->out : &s->tail;

    if (s->tls == TLS_UP) {
        if (s->sent >= CIPHER_MOST / 2) {
            buf_drop(&s->out, s->sent);
            s->sent = 0;
        }
        tls_write(s, from);
        if (!s->c && from->n == 0)
            tls_farewell(s);
    } else if (s->tls == TLS_PLAIN || s->tls == TLS_WANTED) {
        if (s->out.n == 0 && from->n) {
            struct buf empty = s->out;

            s->out = *from;
            *from = empty;
            from->max = s->out.max;
            s->out.max = SIZE_MAX / 2;
        }
    } else {
        from->n = 0; /* neither plain nor protected: it cannot be said */
    }
}

static void write_failed(struct socket *s)
{
    s->write_dead = true;
    s->out.n = s->sent = 0;
    if (!s->c) {
        socket_close(s);
        return;
    }
    s->hung = s->readable = true; /* the peer's last words are read first */
    socket_make_ready(s);
}

/* False when the socket takes no more now. */
static bool send_out(struct socket *s)
{
    ssize_t n;

    do
        n = send(s->fd, s->out.p + s->sent, s->out.n - s->sent, MSG_NOSIGNAL);
    while (n < 0 && errno == EINTR);
    if (n < 0 && errno == EAGAIN)
        return false;
    if (n < 0) {
        write_failed(s);
        return false;
    }
    s->sent += (size_t)n;
    if (s->sent < s->out.n)
        return false;
    s->out.n = s->sent = 0;
    return true;
}

static void account(struct socket *s)
{
    s->write_blocked = s->out.n > 0;
    if (s->out.n == 0)
        buf_shrink(&s->out, OUT_KEEP);
    if (s->c) {
        s->c->held = s->out.n - s->sent;
        if (s->c->out.n == 0)
            buf_shrink(&s->c->out, OUT_KEEP);
    }
}

void stream_flush(struct socket *s)
{
    if (s->write_dead) {
        s->out.n = s->sent = s->tail.n = 0;
        if (s->c)
            buf_clear(&s->c->out);
    }
    while (!s->write_dead) {
        if (s->out.n == 0 || s->tls == TLS_UP)
            fill(s);
        if (s->out.n == 0 || !send_out(s))
            break;
    }
    if (s->state != SOCKET_DEAD)
        account(s);
}
