/*
 * Receiving: listeners, the SMTP and QMQP conversations on them, and what becomes of a message until queue knows it.
 *
 * One struct receive per process. It follows the configuration by itself; listening sockets come from master by name
 * ("listener.NAME.4"). A peer gets 250 only when its message is on stable storage; queue is told of it in the same turn.
 */
#ifndef RECEIVE_RECEIVE_H
#define RECEIVE_RECEIVE_H

#include "bus/bus.h"
#include "conf/conf.h"
#include "event/event.h"
#include "net/loop.h"

struct receive;

struct receive_options {
    struct loop *loop;
    struct bus *bus;
    struct conf_source *conf;
    struct events *events; /* may be NULL */
    struct board *board;
    unsigned index; /* which receive process: column of the board */
    const char *home;
    const unsigned char *ticket_key; /* RECEIVE_TICKET_KEY octets that all receive processes share; NULL: one of its own */
};

struct receive_socket {
    const char *name;
    int fd;
};

/* Needs a snapshot in o->conf. Nothing is accepted before receive_sockets(). */
enum rc receive_new(const struct receive_options *o, struct receive **out, struct err *e);
/* The listening sockets there are now; those that are new are opened (the fd is taken over), those missing are closed. */
void receive_sockets(struct receive *r, const struct receive_socket *sockets, size_t n);
/* Accepts no more, ends idle conversations with 421, calls done(ctx) when the last one has ended. */
void receive_stop(struct receive *r, void (*done)(void *ctx), void *ctx);
void receive_free(struct receive *r);

/* Conversations open now; for status and tests. */
unsigned receive_open(const struct receive *r);

#endif
