/*
 * Opens and closes the doors, and lets in whom they are for. See door.h.
 *
 * Called by quarantine.c; listening sockets of the network come from master by name. Owns doors, their sockets and the TLS
 * context that shows our certificate and takes enrolled gateways. Without a certificate STARTTLS is not offered, so no mail
 * is taken: the log says why.
 */
#include "quarantine/door.h"

#include "base/must.h"
#include "conf/hidden.h"
#include "smtp/cpq_tls.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

struct str door_listener(const struct door *d)
{
    return d->class == CPQ_SPAM ? str_lit("euq_listener") : str_lit("cpq_listener");
}

static struct door *door_new(struct quarantine *q, const char *name, enum cpq_class class)
{
    struct door *d = calloc(1, sizeof *d);

    must(d);
    d->q = q;
    d->class = class;
    d->name = name ? strdup(name) : NULL;
    session_prepare(d);
    d->next = q->doors;
    q->doors = d;
    return d;
}

static void accepted(void *ctx, int fd, const struct address_ip *peer)
{
    char text[46];

    session_accept(ctx, fd, ip_text(peer, text));
}

static enum rc open_local(struct quarantine *q, struct err *e)
{
    struct door *d;
    int fd;

    TRY(listen_unix(q->o.socket, &fd, e));
    d = door_new(q, NULL, CPQ_PVO);
    d->local = true;
    d->socket = listener_socket_new(q->o.loop, fd, accepted, d);
    return RC_OK;
}

/* ---- channels of the link ------------------------------------------------------------------------------------------------
 */

static bool is_suspended(const struct conf *c, struct str name)
{
    for (size_t i = 0; i < c->receiving.suspended.n; i++)
        if (str_eqi(c->receiving.suspended.items[i], name) || str_eqi(c->receiving.suspended.items[i], str_lit("all")))
            return true;
    return c->central.suspended;
}

static bool takes_channels(const struct door *d)
{
    const struct conf *c = quarantine_conf(d->q);

    return (d->class == CPQ_SPAM ? conf_listens_euq(c) : conf_listens_cpq(c)) && !is_suspended(c, door_listener(d));
}

/* A connection of a gateway came through its link: refused as one to the port would be. */
static void on_channel(void *ctx, const struct bus_in *in)
{
    struct quarantine *q = ctx;
    const struct bus_link_hold *m = in->msg;
    struct door *d = q->doors;

    while (d && !(d->via_link && (d->class == CPQ_SPAM) == (m->spam != 0)))
        d = d->next;
    if (in->fd < 0)
        return;
    if (d && takes_channels(d))
        session_accept(d, in->fd, m->peer);
    else
        close(in->fd);
}

enum rc doors_open(struct quarantine *q, struct err *e)
{
    doors_settings(q);
    door_new(q, NULL, CPQ_PVO)->via_link = true;
    door_new(q, NULL, CPQ_SPAM)->via_link = true;
    if (q->o.bus)
        bus_on(q->o.bus, BUS_link_hold, on_channel, q);
    return q->o.socket ? open_local(q, e) : RC_OK;
}

static void shut(struct door *d)
{
    listener_socket_free(d->socket);
    d->socket = NULL;
}

void doors_close(struct quarantine *q)
{
    for (struct door *d = q->doors; d; d = d->next)
        shut(d);
}

static void sweep(struct quarantine *q, bool all)
{
    for (struct door **at = &q->doors; *at;) {
        struct door *d = *at;

        if (!all && (d->socket || d->open || d->via_link)) {
            at = &d->next;
            continue;
        }
        *at = d->next;
        shut(d);
        free(d->name);
        free(d);
    }
}

void doors_free(struct quarantine *q)
{
    sweep(q, true);
    tls_unref(q->tls);
    q->tls = NULL;
}

void doors_settings(struct quarantine *q)
{
    const struct conf *c = quarantine_conf(q);
    struct tls_context *made;
    struct err e = ERR_NONE;

    if (!conf_listens_cpq(c) && !conf_listens_euq(c))
        return;
    if (cpq_tls_server(c, CPQ_PEER_GATEWAY, &made, &e) != RC_OK)
        event(q->o.events, certificate_unusable,
              .listener = conf_listens_cpq(c) ? str_lit("cpq_listener") : str_lit("euq_listener"),
              .why = str_c(err_text(&e)));
    tls_unref(q->tls);
    q->tls = made;
    for (struct door *d = q->doors; d; d = d->next)
        if (d->via_link && d->open && !takes_channels(d))
            session_expel(d);
}

/* ---- sockets of the network --------------------------------------------------------------------------------------------
 */

static struct door *door_named(struct quarantine *q, const char *name)
{
    for (struct door *d = q->doors; d; d = d->next)
        if (d->socket && d->name && strcmp(d->name, name) == 0)
            return d;
    return NULL;
}

static bool listed(const struct door *d, const struct quarantine_socket *sockets, size_t n)
{
    for (size_t i = 0; i < n; i++)
        if (strcmp(sockets[i].name, d->name) == 0)
            return true;
    return false;
}

void quarantine_sockets(struct quarantine *q, const struct quarantine_socket *sockets, size_t n)
{
    for (struct door *d = q->doors; d; d = d->next)
        if (d->socket && d->name && !listed(d, sockets, n)) {
            shut(d);
            session_expel(d);
        }
    sweep(q, false);
    for (size_t i = 0; i < n; i++) {
        struct str name = str_c(sockets[i].name);
        struct door *d;

        if (door_named(q, sockets[i].name) || !str_starts(name, str_lit("hidden.")))
            continue;
        d = door_new(q, sockets[i].name, str_starts(name, str_lit("hidden.euq")) ? CPQ_SPAM : CPQ_PVO);
        d->socket = listener_socket_new(q->o.loop, sockets[i].fd, accepted, d);
    }
}
