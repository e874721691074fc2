/*
 * One SSH connection: its place on the loop, its time limits, its end.
 *
 * Called by ssh_server.c for each connection that was let in. Owns the libssh session with everything in it, a duplicate of
 * the socket for the loop, and (through ssh_channel.c) the children of its channels. Until it has logged in, a thread has
 * the session (ssh_login.c).
 *
 * How libssh and the loop fit together: libssh has a loop of its own, ssh_event, that waits in poll(2). Here every
 * connection has an ssh_event with nothing but its own session, libuv watches the socket, and when it may be read or written
 * ssh_event_dopoll() runs once with no waiting. So there is one thread, bus messages, children and timers need no locks, and
 * a connection that fails touches no other; a poll(2) of one descriptor for each turn is the price. libssh never waits:
 * sessions are in its non-blocking mode, the key exchange too.
 *
 * A slow or hostile peer: while its output waits to be read nothing more of it is read, so neither side can make the other
 * grow; a login that is not there in time (access.login_grace_ms) ends the connection, and so does one without a channel for
 * as long as an idle command line may last.
 */
#include "shell/ssh_inside.h"

#include "base/must.h"

#include <errno.h>
#include <fcntl.h>
#include <netinet/tcp.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <unistd.h>

enum { KEEP_IDLE_S = 60, KEEP_EVERY_S = 30, KEEP_TRIES = 4, UNREAD_MS = 300000 };

bool connection_blocked(const struct connection *c)
{
    return ssh_get_poll_flags(c->session) & SSH_WRITE_PENDING;
}

bool connection_over(const struct connection *c)
{
    return c->dead || !ssh_is_connected(c->session) || (ssh_get_status(c->session) & (SSH_CLOSED | SSH_CLOSED_ERROR));
}

void connection_turn(struct connection *c)
{
    bool blocked;

    if (c->turning)
        return;
    c->turning = true;
    c->dead |= ssh_event_dopoll(c->event, 0) == SSH_ERROR;
    if (!connection_over(c))
        channels_pump(c);
    if (!connection_over(c) && c->is_link)
        link_pump(c);
    c->turning = false;
    if (connection_over(c)) {
        connection_end(c);
        return;
    }
    blocked = connection_blocked(c);
    watch_for(c->watch, !blocked, blocked);
}

static void ready(void *ctx)
{
    connection_turn(ctx);
}

/* --- limits ----------------------------------------------------------------------------------------------------------- */

static void too_long(void *ctx)
{
    struct connection *c = ctx;

    if (!c->login.running && (c->n_channels || c->is_link))
        return;
    connection_end(c);
}

void connection_idle(struct connection *c, bool idle)
{
    struct ssh_server *s = c->server;

    if (idle)
        loop_timer_set(s->o.loop, &c->limit, s->conf->access.cli_timeout_ms, too_long, c);
    else
        loop_timer_cancel(s->o.loop, &c->limit);
}

/* --- beginning and end
 * ------------------------------------------------------------------------------------------------------ */

/* A peer that is gone without a word, or does not read for minutes, is noticed by the kernel. */
static void keep_alive(int fd)
{
    static const struct {
        int level, name, value;
    } options[] = {
        {SOL_SOCKET, SO_KEEPALIVE, 1},
        {IPPROTO_TCP, TCP_KEEPIDLE, KEEP_IDLE_S},
        {IPPROTO_TCP, TCP_KEEPINTVL, KEEP_EVERY_S},
        {IPPROTO_TCP, TCP_KEEPCNT, KEEP_TRIES},
        {IPPROTO_TCP, TCP_USER_TIMEOUT, UNREAD_MS},
    };

    for (size_t i = 0; i < sizeof options / sizeof *options; i++)
        setsockopt(fd, options[i].level, options[i].name, &options[i].value, sizeof options[i].value);
}

/* The session takes fd over, whatever comes of it. */
static bool begin(struct connection *c, int fd)
{
    c->session = ssh_new();
    c->event = ssh_event_new();
    if (!c->session || !c->event) {
        close(fd);
        return false;
    }
    ssh_callbacks_init(&c->callbacks);
    c->callbacks.userdata = c;
    c->callbacks.channel_open_request_session_function = channel_open;
    if (ssh_bind_accept_fd(c->server->bind, c->session, fd) != SSH_OK)
        return false;
    ssh_options_set(c->session, SSH_OPTIONS_COMPRESSION, "no"); /* memory of a peer's choosing */
    ssh_set_counters(c->session, &c->counter, NULL);
    auth_begin(c);
    ssh_set_server_callbacks(c->session, &c->callbacks);
    ssh_set_blocking(c->session, 0);
    return login_start(c);
}

static void connection_free(struct connection *c)
{
    struct ssh_server *s = c->server;

    *c->link = c->next;
    if (c->next)
        c->next->link = c->link;
    s->n_connections--;
    if (!c->counted)
        s->n_unproved--;
    loop_timer_cancel(s->o.loop, &c->limit);
    channels_end(c);
    link_end(c);
    watch_free(c->watch);
    if (c->event && c->session)
        ssh_event_remove_session(c->event, c->session);
    ssh_event_free(c->event);
    ssh_free(c->session);
    conf_unref(c->conf);
    free(c);
    ssh_server_less(s);
}

void connection_new(struct ssh_server *s, int fd, const struct address_ip *peer, const struct carried *carried)
{
    struct connection *c = calloc(1, sizeof *c);
    int ours = fcntl(fd, F_DUPFD_CLOEXEC, 0);

    must(c);
    if (ours < 0) {
        close(fd);
        free(c);
        return;
    }
    *c = (struct connection){.server = s, .peer = *peer, .next = s->connections, .link = &s->connections};
    c->conf = conf_ref(s->conf);
    if (carried)
        c->carried = *carried;
    ip_text(peer, c->peer_text);
    keep_alive(fd);
    c->watch = watch_new(s->o.loop, ours, ready, c);
    if (c->next)
        c->next->link = &c->next;
    s->connections = c;
    s->n_connections++;
    s->n_unproved++;
    loop_timer_set(s->o.loop, &c->limit, s->conf->access.login_grace_ms, too_long, c);
    if (!begin(c, fd))
        connection_free(c);
}

void connection_end(struct connection *c)
{
    if (c->login.running) {
        login_cancel(c);
        return;
    }
    channels_end(c); /* ssh_disconnect frees all channels that are left */
    link_end(c);
    if (!connection_over(c))
        ssh_disconnect(c->session);
    connection_free(c);
}

void connection_login_over(struct connection *c)
{
    struct ssh_server *s = c->server;

    if (c->login.cancelled || !c->proved || connection_over(c)) {
        link_not_proved(c);
        connection_end(c);
        return;
    }
    c->counted = true;
    s->n_unproved--;
    if (c->is_link) {
        loop_timer_cancel(s->o.loop, &c->limit);
        if (link_begin(c))
            connection_turn(c);
        else
            connection_end(c);
        return;
    }
    connection_idle(c, true);
    if (s->n_connections - s->n_unproved + s->n_ftp > s->conf->access.sessions_max) {
        ssh_server_refused(s, "SSH", &c->peer, "too many sessions");
        connection_end(c);
        return;
    }
    connection_turn(c);
}
