/*
 * Quarantines: mail that judging held, kept until someone or the clock decides.
 *
 * Mail comes by CPQ (central.md 7) over HOME/run/cpq/socket, on a manager from its gateways too, and leaves by the bus row
 * release_new. 250 to a message means
 * that its record is on stable storage. Nothing of a held message is in memory.
 */
#ifndef QUARANTINE_QUARANTINE_H
#define QUARANTINE_QUARANTINE_H

#include "base/board.h"
#include "bus/bus.h"
#include "conf/conf.h"
#include "event/event.h"
#include "net/loop.h"

struct quarantine;

struct quarantine_options {
    struct loop *loop;
    struct bus *bus;
    struct conf_source *conf;
    struct events *events;
    struct board *board;
    const char *dir;    /* HOME/quarantine */
    const char *socket; /* HOME/run/cpq/socket; NULL = none is opened */
};

enum rc quarantine_new(const struct quarantine_options *o, struct quarantine **out, struct err *e);
/* Takes no more mail; done(ctx) when what was promised is on disk. */
void quarantine_stop(struct quarantine *q, void (*done)(void *ctx), void *ctx);
void quarantine_free(struct quarantine *q);

/* Listening sockets of a manager (hidden.cpq_listener.4 ...): those that are new are opened (taken over), those missing
 * closed. */
struct quarantine_socket {
    const char *name;
    int fd;
};
void quarantine_sockets(struct quarantine *q, const struct quarantine_socket *sockets, size_t n);

#endif
