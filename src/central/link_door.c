/*
 * The manager's end of carriers smtp and tls (central.md 8). See link_door.h.
 *
 * Called by link.c. Owns the listening sockets and a thread for each connection: it says what the carrier wants, hands one
 * end of a pair of sockets to the role shell, which speaks SSH, and carries octets between TLS and the other end until one
 * of them ends. Strangers are few at a time, have a minute, and learn nothing but that this is a link. Who is not enrolled
 * is refused in the handshake, with a line that names his address and fingerprint.
 */
#include "central/link_door.h"

#include "base/clock.h"
#include "base/must.h"
#include "base/thread.h"
#include "central/link_io.h"
#include "central/link_names.h"
#include "net/socket.h"

#include <errno.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

enum { STRANGERS_MAX = 50, STRANGERS_ADDRESS_MAX = 10, ALL_MAX = 1000, STEP_MS = 20000, ALL_MS = 60000 };

struct door {
    struct door *next;
    struct doors *doors;
    struct listener_socket *socket;
    uint64_t id;
    enum link_carrier carrier;
    uint16_t port;
    bool listed;
};

/* A connection and its thread. */
struct guest {
    struct guest *next;
    struct doors *doors;
    uint64_t id;
    const struct conf *conf; /* counted by the main thread */
    struct address_ip peer;
    enum link_carrier carrier;
    uint16_t port;
    pthread_t thread;
    struct link_stop stop;
    struct link_io io;
    /* Written by the thread before `state` rises. */
    struct link_host host;
    struct link_pins pins;
    struct err e;
    int pair[2]; /* SSH's end, ours */
    enum { GUEST_NEW, GUEST_THROUGH, GUEST_OVER } state_seen;
    atomic_int state;
};

struct doors {
    struct central *central;
    struct door *list;
    struct guest *guests;
    size_t n_guests;
    uint64_t last;
    uv_async_t changed;
};

/* --- the thread
 * ---------------------------------------------------------------------------------------------------------------- */

static void tell(struct guest *g, int state)
{
    atomic_store(&g->state, state);
    uv_async_send(&g->doors->changed);
}

static bool token_open(const struct conf *c)
{
    for (size_t i = 0; i < c->link_token.n; i++)
        if (c->link_token.items[i].expires_ms > clock_wall_ms())
            return true;
    return false;
}

static enum rc handshake(struct guest *g, bool alpn, struct err *e)
{
    g->pins = (struct link_pins){.conf = g->conf, .role = 1, .anyone = token_open(g->conf)};
    return link_io_tls(&g->io, true, alpn, &g->pins, e);
}

static void limit(struct guest *g, uint64_t end_ms)
{
    uint64_t step = clock_mono_ms() + STEP_MS;

    g->io.until_ms = step < end_ms ? step : end_ms;
}

static enum rc say(struct guest *g, struct buf *out, struct err *e)
{
    enum rc rc = link_io_say(&g->io, buf_str(out), e);

    buf_clear(out);
    return rc;
}

static enum rc converse(struct guest *g, uint64_t end_ms, struct buf *out, struct err *e)
{
    enum link_next next = LINK_READ;
    struct str line;

    link_host_greet(&g->host, out);
    TRY(say(g, out, e));
    while (next != LINK_READY) {
        limit(g, end_ms);
        TRY(link_io_line(&g->io, &line, e));
        next = link_host_line(&g->host, line, out);
        TRY(say(g, out, e));
        if (next == LINK_END)
            return err_set(e, RC_CLOSED, "it ended the conversation");
        if (next == LINK_HANDSHAKE) {
            TRY(handshake(g, false, e));
            link_host_tls(&g->host, g->pins.found[0] || g->pins.anyone);
        }
    }
    return RC_OK;
}

/* What XLINK said against what the certificate proved; a stranger has nothing but a token. */
static enum rc judge(struct guest *g, struct err *e)
{
    if (g->host.token[0])
        return g->pins.anyone ? RC_OK : err_set(e, RC_NOT_PERMITTED, "no link token is open");
    if (g->pins.found[0] && str_eqi(str_c(g->host.serial), str_c(g->pins.found)))
        return RC_OK;
    return err_set(e, RC_NOT_PERMITTED, "serial number %s is not enrolled with its certificate %s", g->host.serial,
                   g->pins.print);
}

static enum rc by_smtp(struct guest *g, struct err *e)
{
    struct buf out = BUF(LINK_LINE_MAX);
    uint64_t end_ms = clock_mono_ms() + ALL_MS;
    enum rc rc;

    g->host = (struct link_host){.name = g->conf->system.hostname, .has_tls = true};
    rc = converse(g, end_ms, &out, e);
    if (rc == RC_OK) {
        rc = judge(g, e);
        buf_add(&out, rc == RC_OK ? str_lit("220 2.0.0 link ready\r\n") : str_lit("550 5.7.1 not enrolled\r\n"));
        limit(g, end_ms);
        if (link_io_say(&g->io, buf_str(&out), rc == RC_OK ? e : NULL) != RC_OK && rc == RC_OK)
            rc = e->rc;
    }
    buf_done(&out);
    return rc;
}

/* No words: the certificate says who it is; who has none wants to enrol, which SSH will see. */
static enum rc by_tls(struct guest *g, struct err *e)
{
    limit(g, UINT64_MAX);
    TRY(handshake(g, true, e));
    snprintf(g->host.serial, sizeof g->host.serial, "%s", g->pins.found);
    return RC_OK;
}

static void *run(void *ctx)
{
    struct guest *g = ctx;
    enum rc rc = g->carrier == LINK_TLS ? by_tls(g, &g->e) : by_smtp(g, &g->e);
    int inner;

    if (rc == RC_OK)
        rc = link_pair(g->pair, &g->e);
    if (rc == RC_OK) {
        inner = g->pair[1];
        tell(g, GUEST_THROUGH);
        link_io_pump(&g->io, inner);
        shutdown(inner, SHUT_RDWR);
    }
    tell(g, GUEST_OVER);
    return NULL;
}

/* --- main thread
 * --------------------------------------------------------------------------------------------------------------- */

static void hand_over(struct doors *d, struct guest *g)
{
    char peer[46];
    const struct bus_link_carried m = {.id = g->id,
                                       .serial = str_c(g->host.token[0] ? "" : g->host.serial),
                                       .token = str_c(g->host.token),
                                       .peer = ip_text(&g->peer, peer),
                                       .carrier = str_c(link_carrier_name(g->carrier)),
                                       .port = g->port};

    bus_send_fd(d->central->o.bus, bus_peer(d->central->o.bus, ROLE_shell, 0), BUS_link_carried, &m, g->pair[0]);
    close(g->pair[0]); /* nobody there: the pump sees the end */
}

static void say_refused(struct doors *d, const struct guest *g)
{
    char peer[46];

    if (g->e.rc != RC_OK && g->e.rc != RC_CLOSED && g->e.rc != RC_UNAVAILABLE && d->central->o.events)
        event(d->central->o.events, link_refused, .peer_ip = ip_text(&g->peer, peer), .port = g->port,
              .why = str_c(err_text(&g->e)));
}

static void guest_free(struct doors *d, struct guest *g)
{
    link_stop_now(&g->stop);
    pthread_join(g->thread, NULL);
    link_io_done(&g->io);
    if (g->pair[1] >= 0)
        close(g->pair[1]);
    if (g->pair[0] >= 0 && g->state_seen == GUEST_NEW)
        close(g->pair[0]);
    link_stop_done(&g->stop);
    conf_unref(g->conf);
    free(g);
    d->n_guests--;
}

static void on_changed(uv_async_t *handle)
{
    struct doors *d = handle->data;
    struct guest **at = &d->guests;

    while (*at) {
        struct guest *g = *at;
        int state = atomic_load(&g->state);

        if (state >= GUEST_THROUGH && g->state_seen == GUEST_NEW && g->pair[0] >= 0) {
            g->state_seen = GUEST_THROUGH;
            hand_over(d, g);
        }
        if (state != GUEST_OVER) {
            at = &g->next;
            continue;
        }
        *at = g->next;
        say_refused(d, g);
        guest_free(d, g);
    }
}

static const char *objection(const struct doors *d, const struct address_ip *peer)
{
    size_t strangers = 0, here = 0;

    for (const struct guest *g = d->guests; g; g = g->next) {
        strangers += g->state_seen == GUEST_NEW;
        here += g->state_seen == GUEST_NEW && ip_equal(&g->peer, peer);
    }
    if (d->n_guests >= ALL_MAX || strangers >= STRANGERS_MAX)
        return "too many links at once";
    if (here >= STRANGERS_ADDRESS_MAX)
        return "too many connections of this address";
    return d->central->conf ? NULL : "the service is starting";
}

static void accepted(void *ctx, int fd, const struct address_ip *peer)
{
    struct door *door = ctx;
    struct doors *d = door->doors;
    const char *why = objection(d, peer);
    struct guest *g = why ? NULL : calloc(1, sizeof *g);
    char text[46];

    if (!g) {
        if (d->central->o.events)
            event(d->central->o.events, link_refused, .peer_ip = ip_text(peer, text), .port = door->port,
                  .why = str_c(why ? why : "out of memory"));
        close(fd);
        return;
    }
    *g = (struct guest){.doors = d, .id = ++d->last, .peer = *peer, .carrier = door->carrier, .port = door->port};
    g->conf = conf_ref(d->central->conf);
    g->pair[0] = g->pair[1] = -1;
    link_stop_init(&g->stop);
    link_tune(fd);
    g->io = (struct link_io){.fd = fd, .stop = &g->stop, .until_ms = clock_mono_ms() + STEP_MS};
    link_stop_watch(&g->stop, fd);
    if (!thread_start(&g->thread, run, g)) {
        close(fd);
        conf_unref(g->conf);
        link_stop_done(&g->stop);
        free(g);
        return;
    }
    g->next = d->guests;
    d->guests = g;
    d->n_guests++;
}

uint64_t doors_rtt_us(struct doors *d, uint64_t id)
{
    struct tcp_info info;
    socklen_t n = sizeof info;

    for (const struct guest *g = d->guests; g; g = g->next)
        if (g->id == id && getsockopt(g->io.fd, IPPROTO_TCP, TCP_INFO, &info, &n) == 0)
            return info.tcpi_rtt;
    return 0;
}

/* --- sockets
 * --------------------------------------------------------------------------------------------------------------------- */

/* "link.smtp.4" or "link.tls.6-2" */
static bool carrier_of(const char *name, enum link_carrier *out)
{
    struct str s = str_c(name);

    if (str_starts(s, str_lit("link.smtp.")))
        *out = LINK_SMTP;
    else if (str_starts(s, str_lit("link.tls.")))
        *out = LINK_TLS;
    else
        return false;
    return true;
}

static uint16_t port_of(int fd)
{
    struct sockaddr_storage at = {0};
    socklen_t n = sizeof at;
    struct address_ip ip = {0};

    if (getsockname(fd, (struct sockaddr *)&at, &n) == 0)
        ip_from_sockaddr((struct sockaddr *)&at, &ip);
    return ip.port;
}

static void door_open(struct doors *d, const struct central_socket *from)
{
    enum link_carrier carrier;
    struct door *door;

    if (!carrier_of(from->name, &carrier))
        return;
    door = calloc(1, sizeof *door);
    must(door);
    *door = (struct door){
        .next = d->list, .doors = d, .id = from->id, .carrier = carrier, .port = port_of(from->fd), .listed = true};
    d->list = door;
    door->socket = listener_socket_new(d->central->o.loop, from->fd, accepted, door);
}

void doors_sockets(struct doors *d, const struct central_socket *list, size_t n)
{
    for (struct door *door = d->list; door; door = door->next)
        door->listed = false;
    for (size_t i = 0; i < n; i++) {
        struct door *door = d->list;

        while (door && door->id != list[i].id)
            door = door->next;
        if (door)
            door->listed = true;
        else
            door_open(d, &list[i]);
    }
    for (struct door **at = &d->list; *at;) {
        struct door *door = *at;

        if (door->listed) {
            at = &door->next;
            continue;
        }
        *at = door->next;
        listener_socket_free(door->socket);
        free(door);
    }
}

/* --- life
 * ------------------------------------------------------------------------------------------------------------------------
 */

struct doors *doors_new(struct central *c)
{
    struct doors *d = calloc(1, sizeof *d);

    must(d);
    d->central = c;
    must(uv_async_init(loop_uv(c->o.loop), &d->changed, on_changed) == 0);
    uv_unref((uv_handle_t *)&d->changed);
    d->changed.data = d;
    return d;
}

static void closed(uv_handle_t *handle)
{
    free(handle->data);
}

void doors_free(struct doors *d)
{
    doors_sockets(d, NULL, 0);
    while (d->guests) {
        struct guest *g = d->guests;

        d->guests = g->next;
        guest_free(d, g);
    }
    uv_close((uv_handle_t *)&d->changed, closed);
}
