/*
 * Links of gateways: the SSH server's side of central.md 8, on a manager.
 *
 * Called by ssh_connection.c and ssh_auth.c. A gateway logs in as `link` with the key of its item of `appliance`, over a
 * carrier that role central has brought so far (link_carried) or at once by the SSH port; with the key that an open token
 * makes it logs in as `enrol`. Such a connection has no sessions. What the gateway opens goes to central as a descriptor,
 * what central has for the gateway becomes a channel; the names are fixed. Owns the channels. A newer link of an appliance
 * ends the older; a link of which nothing is heard for three times central.link_keepalive_ms ends; one whose key was taken
 * back ends with the commit.
 */
#include "shell/ssh_inside.h"

#include "base/clock.h"
#include "base/must.h"
#include "central/link_bridge.h"
#include "conf/hidden.h"
#include "shell/ssh_key_line.h"

#include <fcntl.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <unistd.h>

enum { STATE_MS = 5000, SILENCES = 3, BRIDGES_MAX = 64, PAIR_BUFFER = 65536 };

struct span {
    struct span *next;
    struct link_bridge *bridge;
    struct watch *watch; /* of a duplicate of its socket */
};

struct link_line {
    uint64_t number;
    struct connection *connection;
    struct span *spans;
    size_t n, turn;
    uint64_t octets, heard, heard_ms;
    struct loop_timer timer;
    const char *why; /* it ends */
};

/* --- whose key
 * ------------------------------------------------------------------------------------------------------------- */

bool link_is_account(const char *user)
{
    return user && (strcmp(user, "link") == 0 || strcmp(user, "enrol") == 0);
}

bool link_user_fits(const struct connection *c, const char *user)
{
    if (!c->carried.carrier[0])
        return true;
    return c->carried.mgmt ? strcmp(user, "manager") == 0 : link_is_account(user);
}

/* Its link is not off, its certificate (when the carrier has one) is its own. */
static bool is_gateway(const struct conf_appliance *a, const struct carried *from)
{
    return a->link != 0 && a->serial.n && a->serial.n < sizeof from->serial && a->link_key.n &&
           (!from->id || str_eqi(a->serial, str_c(from->serial)));
}

static bool gateway_key(struct connection *c, ssh_key offered)
{
    for (size_t i = 0; i < c->conf->appliance.n; i++) {
        const struct conf_appliance *a = &c->conf->appliance.items[i];
        struct ssh_key_line line;

        if (!is_gateway(a, &c->carried) || !auth_key_fits(c, a->link_key, offered, &line))
            continue;
        snprintf(c->carried.serial, sizeof c->carried.serial, "%.*s", STR(a->serial));
        return true;
    }
    return false;
}

static bool token_key(struct connection *c, ssh_key offered)
{
    for (size_t i = 0; i < c->conf->link_token.n; i++) {
        const struct conf_link_token *t = &c->conf->link_token.items[i];
        struct ssh_key_line line;

        if (t->expires_ms <= clock_wall_ms() || t->name.n >= sizeof c->carried.token ||
            !auth_key_fits(c, t->key, offered, &line) || (c->carried.token[0] && !str_eq(t->name, str_c(c->carried.token))))
            continue;
        snprintf(c->carried.token, sizeof c->carried.token, "%.*s", STR(t->name));
        return true;
    }
    return false;
}

/* Behind a carrier: its certificate was an enrolled one, or it wants to enrol (by smtp it said with which token, by tls it
 * has no words for that). */
bool link_key_taken(struct connection *c, const char *user, ssh_key offered)
{
    bool enrol = strcmp(user, "enrol") == 0;

    c->link_tried = true;
    if (c->carried.mgmt || !conf_is_manager(c->conf) || (c->carried.id && enrol != (c->carried.serial[0] == '\0')))
        return false;
    return enrol ? token_key(c, offered) : gateway_key(c, offered);
}

/* --- the end
 * ----------------------------------------------------------------------------------------------------------------- */

static void span_free(struct link_line *l, struct span *s)
{
    l->octets += link_bridge_octets(s->bridge);
    watch_free(s->watch);
    link_bridge_free(s->bridge);
    free(s);
    l->n--;
}

void link_end(struct connection *c)
{
    struct link_line *l = c->link_line;
    struct ssh_server *s = c->server;
    struct bus_link_ended m;

    if (!l)
        return;
    c->link_line = NULL;
    loop_timer_cancel(s->o.loop, &l->timer);
    while (l->spans) {
        struct span *one = l->spans;

        l->spans = one->next;
        span_free(l, one);
    }
    m = (struct bus_link_ended){.link = l->number, .why = str_c(l->why ? l->why : "the connection was closed")};
    bus_send(s->o.bus, bus_peer(s->o.bus, ROLE_central, 0), BUS_link_ended, &m);
    free(l);
}

static void end_with(struct connection *c, const char *why)
{
    c->link_line->why = why;
    connection_end(c);
}

void link_not_proved(struct connection *c)
{
    struct ssh_server *s = c->server;

    if ((c->link_tried || (c->carried.id && !c->carried.mgmt)) && s->o.events)
        event(s->o.events, link_refused, .peer_ip = str_c(c->peer_text), .port = c->carried.port,
              .why = c->link_tried ? str_lit("its key is not enrolled, or its link is off")
                                   : str_lit("the login did not come to an end"));
}

/* --- channels
 * ------------------------------------------------------------------------------------------------------------------ */

static void ready(void *ctx)
{
    connection_turn(ctx);
}

/* fd is the bridge's. */
static void span_new(struct link_line *l, ssh_channel ssh, int fd, enum link_channel name, bool opens)
{
    struct span *s = calloc(1, sizeof *s);
    int ours = fcntl(fd, F_DUPFD_CLOEXEC, 0);

    must(s && ours >= 0);
    s->bridge = link_bridge_new(ssh, fd, name, opens, true);
    s->watch = watch_new(l->connection->server->o.loop, ours, ready, l->connection);
    s->next = l->spans;
    l->spans = s;
    l->n++;
}

static const char *objection(const struct connection *c, enum link_channel name)
{
    const struct conf *now = c->server->conf;
    const char *why = NULL;

    if (!c->link_line || name >= LINK_CHANNELS || !link_name(name)->by_gateway)
        return "there is no such channel";
    if ((name == LINK_ENROL) != (c->carried.token[0] != '\0'))
        return "not on this connection";
    if (c->link_line->n >= (c->carried.token[0] ? 1 : BRIDGES_MAX))
        return "too many channels";
    return link_channel_taken(now, name, &why) ? NULL : why;
}

static void say_refused(const struct connection *c, const char *host, int port, const char *why)
{
    char channel[100];

    snprintf(channel, sizeof channel, "%.60s:%d", host ? host : "", port);
    if (c->server->o.events)
        event(c->server->o.events, link_channel, .name = str_c(c->carried.token[0] ? c->carried.token : c->carried.serial),
              .channel = str_c(channel), .refused = 1, .why = str_c(why));
}

static bool pair_of(int out[2])
{
    int size = PAIR_BUFFER;

    if (socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0, out) != 0)
        return false;
    setsockopt(out[0], SOL_SOCKET, SO_SNDBUF, &size, sizeof size);
    setsockopt(out[1], SOL_SOCKET, SO_SNDBUF, &size, sizeof size);
    return true;
}

int link_asked(struct connection *c, ssh_message m)
{
    const char *host = ssh_message_channel_request_open_destination(m), *why;
    int port = ssh_message_channel_request_open_destination_port(m), pair[2];
    enum link_channel name = link_channel_find(str_c(host), (uint64_t)port);
    struct bus *bus = c->server->o.bus;
    struct bus_link_incoming out;
    ssh_channel ssh;

    if (ssh_message_subtype(m) != SSH_CHANNEL_DIRECT_TCPIP || !c->counted)
        return 1;
    why = objection(c, name);
    if (!why && !bus_peer(bus, ROLE_central, 0))
        why = "the service is starting";
    if (!why && !pair_of(pair))
        why = "no socket can be made";
    if (why) {
        say_refused(c, host, port, why);
        return 1;
    }
    ssh = ssh_message_channel_request_open_reply_accept(m);
    if (ssh) {
        out = (struct bus_link_incoming){.link = c->link_line->number, .name = str_c(link_name(name)->host)};
        bus_send_fd(bus, bus_peer(bus, ROLE_central, 0), BUS_link_incoming, &out, pair[1]);
        span_new(c->link_line, ssh, pair[0], name, false);
    } else {
        close(pair[0]);
    }
    close(pair[1]);
    return 0;
}

static void watch_again(const struct connection *c, const struct span *s)
{
    short events = link_bridge_events(s->bridge, connection_blocked(c));

    watch_for(s->watch, events & POLLIN, events & POLLOUT);
}

/* Each channel one piece, beginning with another one each time. */
void link_pump(struct connection *c)
{
    struct link_line *l = c->link_line;
    struct span **at = &l->spans;
    const char *why;

    if (l->spans && l->spans->next) { /* the first becomes the last */
        struct span *first = l->spans, *last = first;

        while (last->next)
            last = last->next;
        l->spans = first->next;
        first->next = NULL;
        last->next = first;
    }
    while (*at) {
        struct span *s = *at;

        link_bridge_move(s->bridge, connection_blocked(c));
        if (!link_bridge_over(s->bridge, &why)) {
            at = &s->next;
            continue;
        }
        *at = s->next;
        span_free(l, s);
    }
    for (struct span *s = l->spans; s; s = s->next)
        watch_again(c, s);
}

/* --- life
 * --------------------------------------------------------------------------------------------------------------------- */

static void every(void *ctx)
{
    struct connection *c = ctx;
    struct ssh_server *s = c->server;
    struct link_line *l = c->link_line;
    uint64_t now = loop_now_ms(s->o.loop), alive_ms = s->conf->central.link_keepalive_ms;
    struct tcp_info info = {0};
    socklen_t size = sizeof info;
    struct bus_link_state m = {.link = l->number, .channels = l->n, .octets = l->octets};

    if (c->counter.in_bytes != l->heard) {
        l->heard = c->counter.in_bytes;
        l->heard_ms = now;
    }
    if (now - l->heard_ms >= SILENCES * alive_ms) {
        end_with(c, "nothing was heard for too long");
        return;
    }
    for (const struct span *one = l->spans; one; one = one->next)
        m.octets += link_bridge_octets(one->bridge);
    if (getsockopt(watch_fd(c->watch), IPPROTO_TCP, TCP_INFO, &info, &size) == 0)
        m.rtt_us = info.tcpi_rtt;
    bus_send(s->o.bus, bus_peer(s->o.bus, ROLE_central, 0), BUS_link_state, &m);
    loop_timer_set(s->o.loop, &l->timer, alive_ms < STATE_MS ? alive_ms : STATE_MS, every, c);
}

static void end_older(struct ssh_server *s, const struct connection *than)
{
    for (struct connection *c = s->connections, *next; c; c = next) {
        next = c->next;
        if (c != than && c->link_line && !c->carried.token[0] && strcmp(c->carried.serial, than->carried.serial) == 0)
            end_with(c, "a newer link took its place");
    }
}

static bool still_allowed(const struct conf *now, const struct connection *c)
{
    for (size_t i = 0; i < now->appliance.n; i++)
        if (now->appliance.items[i].link != 0 && str_eqi(now->appliance.items[i].serial, str_c(c->carried.serial)))
            for (size_t k = 0; k < c->conf->appliance.n; k++)
                if (str_eqi(c->conf->appliance.items[k].serial, str_c(c->carried.serial)))
                    return str_eq(c->conf->appliance.items[k].link_key, now->appliance.items[i].link_key);
    return c->carried.token[0] != '\0';
}

bool link_begin(struct connection *c)
{
    struct ssh_server *s = c->server;
    struct bus_peer *central = bus_peer(s->o.bus, ROLE_central, 0);
    struct link_line *l;
    struct bus_link_began m;

    if (!central || !still_allowed(s->conf, c))
        return false;
    if (!c->carried.token[0])
        end_older(s, c);
    l = calloc(1, sizeof *l);
    must(l);
    *l = (struct link_line){.number = ++s->last_link, .connection = c, .heard_ms = loop_now_ms(s->o.loop)};
    c->link_line = l;
    m = (struct bus_link_began){.link = l->number,
                                .carried = c->carried.id,
                                .serial = str_c(c->carried.token[0] ? "" : c->carried.serial),
                                .token = str_c(c->carried.token),
                                .peer = str_c(c->peer_text),
                                .carrier = str_c(c->carried.id ? c->carried.carrier : "ssh"),
                                .port = c->carried.id ? c->carried.port : 22};
    bus_send(s->o.bus, central, BUS_link_began, &m);
    every(c);
    return true;
}

void links_check(struct ssh_server *s)
{
    for (struct connection *c = s->connections, *next; c; c = next) {
        next = c->next;
        if (c->link_line && !still_allowed(s->conf, c))
            end_with(c, "its key was taken back, or its link is off");
    }
}

/* --- the bus
 * -------------------------------------------------------------------------------------------------------------------- */

static void word_set(char *out, size_t size, struct str value)
{
    snprintf(out, size, "%.*s", STR(str_first(value, size - 1)));
}

static void enter(struct ssh_server *s, int fd, struct str peer, const struct carried *from)
{
    struct address_ip ip = {0};

    ip_parse(peer, &ip);
    if (s->stopping || !s->bind || s->n_unproved >= SSH_UNPROVED_MAX)
        close(fd);
    else
        connection_new(s, fd, &ip, from);
}

static void on_carried(void *ctx, const struct bus_in *in)
{
    const struct bus_link_carried *m = in->msg;
    struct carried from = {.id = m->id, .port = (uint16_t)m->port};

    if (in->fd < 0)
        return;
    word_set(from.serial, sizeof from.serial, m->serial);
    word_set(from.token, sizeof from.token, m->token);
    word_set(from.carrier, sizeof from.carrier, m->carrier);
    enter(ctx, in->fd, m->peer, &from);
}

static void on_mgmt(void *ctx, const struct bus_in *in)
{
    const struct bus_link_mgmt *m = in->msg;
    struct carried from = {.carrier = "link", .mgmt = true};

    if (in->fd < 0)
        return;
    word_set(from.serial, sizeof from.serial, m->serial);
    enter(ctx, in->fd, m->peer, &from);
}

static void on_outgoing(void *ctx, const struct bus_in *in)
{
    struct ssh_server *s = ctx;
    const struct bus_link_outgoing *m = in->msg;
    enum link_channel name = link_channel_named(m->name);
    struct connection *c = s->connections;
    ssh_channel ssh;

    while (c && (!c->link_line || c->link_line->number != m->link))
        c = c->next;
    if (in->fd < 0)
        return;
    if (!c || c->carried.token[0] || name >= LINK_CHANNELS || link_name(name)->by_gateway ||
        c->link_line->n >= BRIDGES_MAX || !(ssh = ssh_channel_new(c->session))) {
        close(in->fd);
        return;
    }
    span_new(c->link_line, ssh, in->fd, name, true);
    connection_turn(c);
}

/* Without central nobody has the far ends of the channels. */
static void on_gone(void *ctx, struct bus_peer *p)
{
    struct ssh_server *s = ctx;

    for (struct connection *c = s->connections, *next; p->role == ROLE_central && c; c = next) {
        next = c->next;
        if (c->link_line)
            end_with(c, "the service ended");
    }
}

void links_begin(struct ssh_server *s)
{
    bus_on(s->o.bus, BUS_link_carried, on_carried, s);
    bus_on(s->o.bus, BUS_link_mgmt, on_mgmt, s);
    bus_on(s->o.bus, BUS_link_outgoing, on_outgoing, s);
    bus_on_peer(s->o.bus, NULL, on_gone, s);
}
