/*
 * Life of a connection: from accept or connect over the steps of its conversation to the last octet. See socket.h.
 *
 * Called by receive, deliver and the control role. Owns the sockets, the conversations on them and their timers. Steps run
 * only from here: on input, on time-outs, and in PHASE_STEP for what was resumed elsewhere, never inside each other.
 * Failures of the stream end in the conversation's `broken`; lack of memory at the start gives NULL.
 */
#include "net/socket_private.h"

#include "base/must.h"

#include <errno.h>
#include <stdlib.h>
#include <sys/epoll.h>
#include <unistd.h>

enum { EVENTS_A_TURN = 256 };

/* --- lists ----------------------------------------------------------------------------------------------------------------
 */

void socket_make_ready(struct socket *s)
{
    if (s->ready || s->state == SOCKET_DEAD)
        return;
    s->ready = true;
    s->net->n_ready++;
    TAILQ_INSERT_TAIL(&s->net->ready, s, ready_link);
    loop_again(s->net->loop);
}

static void not_ready(struct socket *s)
{
    if (!s->ready)
        return;
    s->ready = false;
    s->net->n_ready--;
    TAILQ_REMOVE(&s->net->ready, s, ready_link);
}

void socket_make_dirty(struct socket *s)
{
    if (s->dirty || s->write_blocked || s->state == SOCKET_DEAD)
        return;
    s->dirty = true;
    TAILQ_INSERT_TAIL(&s->net->dirty, s, dirty_link);
}

static void not_dirty(struct socket *s)
{
    if (!s->dirty)
        return;
    s->dirty = false;
    TAILQ_REMOVE(&s->net->dirty, s, dirty_link);
}

/* --- the end --------------------------------------------------------------------------------------------------------------
 */

void socket_close(struct socket *s)
{
    if (s->state == SOCKET_DEAD)
        return;
    must(!s->c);
    not_ready(s);
    not_dirty(s);
    loop_timer_cancel(s->net->loop, &s->timer);
    tls_free(s);
    close(s->fd); /* leaves the epoll set with it */
    LIST_REMOVE(s, all_link);
    s->state = SOCKET_DEAD;
    TAILQ_INSERT_TAIL(&s->net->dead, s, ready_link);
}

static void socket_free(struct socket *s)
{
    buf_done(&s->out);
    buf_done(&s->tail);
    tls_unref(s->context);
    free(s);
}

static void bury(struct net *net)
{
    struct socket *s;

    while ((s = TAILQ_FIRST(&net->dead))) {
        TAILQ_REMOVE(&net->dead, s, ready_link);
        socket_free(s);
    }
}

static void on_timer(void *ctx);

static void end_conversation(struct socket *s)
{
    struct conversation *c = s->c;
    bool silent = s->state == SOCKET_CONNECTING;

    conversation_finish(c);
    s->tail = c->out;
    c->out = BUF(0);
    if (c->eof)
        s->ending_input = true;
    s->drained = c->eof ? LINGER_OCTETS : 0; /* nothing left to wait for */
    s->c = NULL;
    s->client = NULL;
    conversation_free(c);
    not_ready(s);
    tls_leave(s);
    s->state = SOCKET_ENDING;
    if (silent || s->write_dead) {
        socket_close(s);
        return;
    }
    loop_timer_set(s->net->loop, &s->timer, FLUSH_END_MS, on_timer, s);
    socket_make_dirty(s);
}

/* The last octet is in the kernel. */
static void linger(struct socket *s)
{
    if (s->drained >= LINGER_OCTETS || shutdown(s->fd, SHUT_WR) != 0) {
        socket_close(s);
        return;
    }
    s->state = SOCKET_LINGERING;
    tls_free(s);
    buf_done(&s->out);
    loop_timer_set(s->net->loop, &s->timer, LINGER_MS, on_timer, s);
    if (s->readable)
        socket_make_ready(s);
}

/* --- waits ----------------------------------------------------------------------------------------------------------------
 */

static uint64_t due_ms(const struct socket *s)
{
    if (!s->wait_ms || (s->life_ms && s->life_ms < s->wait_ms))
        return s->life_ms;
    return s->wait_ms;
}

/* The timer is moved only when it would come too late: one that comes early looks again. */
void socket_arm(struct socket *s)
{
    uint64_t due = due_ms(s), now;

    if (!due || (s->timer.slot && s->timer.at_ms <= due))
        return;
    now = loop_now_ms(s->net->loop);
    loop_timer_set(s->net->loop, &s->timer, due > now ? due - now : 0, on_timer, s);
}

static void new_wait(struct socket *s)
{
    const struct conversation *c = s->c;
    uint64_t ms = c->at.ms || c->at.what == STEP_SLEEP ? c->at.ms : c->kind->timeout_ms;

    s->steps = c->steps;
    s->wait_ms = ms || c->at.what == STEP_SLEEP ? loop_now_ms(s->net->loop) + ms : 0;
    socket_arm(s);
}

/* A step waits for input, but there is already as much as may be kept. */
static bool stuck(const struct socket *s)
{
    const struct conversation *c = s->c;

    return c->at.what == STEP_READ && !c->eof && !c->fresh && c->kind->max_in && c->in.n >= c->kind->max_in;
}

void socket_settle(struct socket *s)
{
    struct conversation *c = s->c;

    if (!c || s->state == SOCKET_DEAD)
        return;
    if (!c->ended && stuck(s))
        conversation_broke(c, RC_LIMIT, str_lit("more input than may be kept"), true);
    if (c->ended) {
        end_conversation(s);
        return;
    }
    if (c->steps != s->steps)
        new_wait(s);
    if (c->at.what == STEP_TLS && !c->ready && (s->tls == TLS_PLAIN || s->tls == TLS_FAILED || s->tls == TLS_UP)) {
        if (s->tls == TLS_PLAIN && s->context) {
            s->tls = TLS_WANTED;
        } else {
            c->rc = RC_TLS_FAILED;
            c->why = s->context ? str_lit("TLS is in use already") : str_lit("TLS is not set up");
            c->ready = true;
            socket_make_ready(s);
        }
    }
    if (c->out.n || s->out.n || s->tls == TLS_WANTED)
        socket_make_dirty(s);
    if (s->readable && (socket_wants_input(s) || s->tls == TLS_HANDSHAKE))
        socket_make_ready(s);
}

static void on_timer(void *ctx)
{
    struct socket *s = ctx;
    struct conversation *c = s->c;
    uint64_t now = loop_now_ms(s->net->loop);

    if (!c) {
        socket_close(s);
        return;
    }
    if (s->wait_ms && now >= s->wait_ms) {
        s->wait_ms = 0;
        if (s->state == SOCKET_CONNECTING)
            conversation_broke(c, RC_TIMEOUT, str_lit("connection timed out"), true);
        else if (c->at.what == STEP_SLEEP)
            conversation_wait_over(c);
        else
            conversation_broke(c, RC_TIMEOUT, str_lit("timed out"), true);
    } else if (s->life_ms && now >= s->life_ms) {
        s->life_ms = 0;
        conversation_broke(c, RC_TIMEOUT, str_lit("connection lasted too long"), false);
    }
    socket_settle(s);
    if (s->c)
        socket_arm(s);
}

/* --- turns --- */

static void run_ready(struct socket *s)
{
    struct conversation *c = s->c;

    if (c && s->error) {
        conversation_broke(c, RC_CONNECT, arena_str(&c->arena, str_c(strerror(s->error))), true);
        s->error = 0;
        s->hung = s->write_dead = c->eof = true;
        socket_settle(s);
        return;
    }
    if (c && s->state == SOCKET_OPEN) {
        conversation_run(c);
        if (c->ended || !(s->readable || s->hung || s->tls == TLS_QUEUED)) {
            socket_settle(s);
            return;
        }
    }
    stream_readable(s);
}

/* PHASE_STEP: conversations resumed since the last pass, and those whose input was not read to its end. */
static void run_all_ready(void *ctx)
{
    struct net *net = ctx;
    struct socket *s;

    bury(net);
    for (size_t n = net->n_ready; n && (s = TAILQ_FIRST(&net->ready)); n--) {
        not_ready(s);
        run_ready(s);
    }
    if (net->n_ready)
        loop_again(net->loop);
}

static void watch_write(struct socket *s)
{
    struct epoll_event ev = {.events = EPOLLIN | EPOLLOUT | EPOLLRDHUP | EPOLLET, .data.ptr = s};

    if (!s->watch_write)
        epoll_ctl(s->net->epoll, EPOLL_CTL_MOD, s->fd, &ev);
    s->watch_write = true;
}

static void flush_one(struct socket *s)
{
    stream_flush(s);
    if (s->state == SOCKET_DEAD)
        return;
    if (s->write_blocked) {
        watch_write(s);
        return;
    }
    if (s->tls == TLS_WANTED && s->c) {
        tls_begin(s);
        if (s->out.n)
            stream_flush(s);
        if (s->readable)
            socket_make_ready(s);
        if (s->write_blocked)
            watch_write(s);
    }
    if (s->state == SOCKET_ENDING)
        linger(s);
    else if (s->c && (s->c->at.what == STEP_FLUSH || s->c->at.what == STEP_GOTO || s->c->fresh || s->c->resumed))
        socket_make_ready(s);
}

/* PHASE_PEER */
static void flush_all_dirty(void *ctx)
{
    struct net *net = ctx;
    struct socket *s;

    while ((s = TAILQ_FIRST(&net->dirty))) {
        not_dirty(s);
        flush_one(s);
    }
}

static void connected(struct socket *s)
{
    socklen_t n = sizeof s->error;

    if (getsockopt(s->fd, SOL_SOCKET, SO_ERROR, &s->error, &n) != 0)
        s->error = errno;
    if (!s->error) {
        s->state = SOCKET_OPEN;
        s->wait_ms = 0;
    }
    socket_make_ready(s);
}

static void on_event(struct socket *s, uint32_t events)
{
    if (s->state == SOCKET_DEAD)
        return;
    if (s->state == SOCKET_CONNECTING) {
        connected(s);
        if (!(events & EPOLLIN))
            return;
    }
    if (events & EPOLLRDHUP)
        s->ending_input = s->readable = true;
    if (events & (EPOLLHUP | EPOLLERR))
        s->hung = s->readable = true;
    if (events & EPOLLIN)
        s->readable = true;
    if ((events & EPOLLOUT) && s->write_blocked) {
        s->write_blocked = false;
        socket_make_dirty(s);
    }
    if (s->readable && !s->ready)
        stream_readable(s);
}

static void on_poll(uv_poll_t *poll, int status, int what)
{
    struct net *net = poll->data;
    struct epoll_event events[EVENTS_A_TURN];
    int n = epoll_wait(net->epoll, events, EVENTS_A_TURN, 0);

    (void)status;
    (void)what;
    for (int i = 0; i < n; i++)
        on_event(events[i].data.ptr, events[i].events);
}

/* --- one net a loop --- */

static void net_closed(uv_handle_t *poll)
{
    struct net *net = poll->data;

    close(net->epoll);
    free(net->scratch);
    free(net);
}

/* Conversations that are still alive at the end of the loop lose their memory; their rooms are gone, `done` is not run. */
static void net_free(void *state)
{
    struct net *net = state;
    struct socket *s;

    loop_timer_cancel(net->loop, &net->slow);
    while ((s = LIST_FIRST(&net->all))) {
        if (s->c)
            conversation_free(s->c);
        s->c = NULL;
        socket_close(s);
    }
    bury(net);
    uv_close((uv_handle_t *)&net->poll, net_closed);
}

struct net *net_of(struct loop *l)
{
    struct net *net = loop_sockets(l);

    if (net)
        return net;
    net = calloc(1, sizeof *net);
    must(net);
    net->loop = l;
    net->scratch = malloc(CARRY_MOST + READ_MOST);
    net->epoll = epoll_create1(EPOLL_CLOEXEC);
    must(net->scratch && net->epoll >= 0);
    TAILQ_INIT(&net->ready);
    TAILQ_INIT(&net->dirty);
    TAILQ_INIT(&net->dead);
    TAILQ_INIT(&net->shaking);
    TAILQ_INIT(&net->queued);
    net->poll.data = net;
    must(uv_poll_init(loop_uv(l), &net->poll, net->epoll) == 0);
    uv_poll_start(&net->poll, UV_READABLE, on_poll);
    loop_at_end(l, PHASE_STEP, run_all_ready, net);
    loop_at_end(l, PHASE_PEER, flush_all_dirty, net);
    loop_sockets_set(l, net, net_free);
    return net;
}
