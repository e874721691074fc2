/*
 * Delivery: takes pieces of work from queue, finds the next hop, sends over kept connections, tells what became of each
 * recipient.
 *
 * Bus in: deliver_work, deliver_limit. Bus out: deliver_done (one for each piece), destination_down. Each piece has a flight
 * board slot: DOT_SENT is stored before the octets that end the message leave, ANSWERED (with results) before deliver_done
 * (design-notes D2).
 */
#ifndef DELIVER_DELIVER_H
#define DELIVER_DELIVER_H

#include "base/board.h"
#include "bus/ask.h"
#include "bus/bus.h"
#include "conf/conf.h"
#include "event/event.h"
#include "net/loop.h"

struct deliver;

struct deliver_options {
    struct loop *loop;
    struct bus *bus;
    struct conf_source *conf;
    struct events *events;
    struct board *board;
    struct dns_asker *ask; /* owned by the caller */
    const char *spool;     /* directory of the spool */
    const char *holder;    /* socket file of the local quarantines (CPQ) */
    const char *channels;  /* directory of the link's sockets to the manager: cpq, euq; NULL = none */
    unsigned column;       /* index of this process: its board slots and gauges */
};

enum rc deliver_new(const struct deliver_options *o, struct deliver **out, struct err *e);
/* Takes no more work, lets the messages under way end; done(ctx) when no connection is left. */
void deliver_stop(struct deliver *d, void (*done)(void *ctx), void *ctx);
/* Only after deliver_stop()'s done, or when the loop runs no more. */
void deliver_free(struct deliver *d);

#endif
