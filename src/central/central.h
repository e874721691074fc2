/*
 * Role `central`: on a manager the connections to its gateways (what is fetched, asked and sent over SSH 22), on a gateway
 * the link that it opens (central.md 2 to 5, 8).
 *
 * Wired by role/main_central.c; the only header for others.
 */
#ifndef CENTRAL_CENTRAL_H
#define CENTRAL_CENTRAL_H

#include "base/board.h"
#include "bus/bus.h"
#include "conf/conf.h"
#include "event/event.h"
#include "net/loop.h"

struct central;

struct central_options {
    struct loop *loop;
    struct bus *bus;
    struct conf_source *conf;
    struct events *events;
    struct board *board;
    const char *home;
    uint64_t connect_ms, step_ms; /* of SSH connections; 0 = those of ssh_line.h (tests take shorter ones) */
};

/* Listening sockets of the role: "link.CARRIER.4" (role/role.h); the whole list, what is no longer there is closed. */
struct central_socket {
    const char *name;
    int fd;
    uint64_t id;
};
void central_sockets(struct central *c, const struct central_socket *list, size_t n);

struct central *central_new(const struct central_options *o);
/* Ends what is under way; stopped(ctx) runs once, later. */
void central_stop(struct central *c, void (*stopped)(void *ctx), void *ctx);
void central_free(struct central *c);

#endif
