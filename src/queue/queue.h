/*
 * The queue: what happens to every accepted message between receive, scan and deliver.
 *
 * State lies in memory in slabs (state.h), addresses and bodies stay in the spool, every change is a journal entry before
 * its effects leave the process (B1). A new queue goes on from journal, segments and flight boards: see recover.c.
 */
#ifndef QUEUE_QUEUE_H
#define QUEUE_QUEUE_H

#include "base/board.h"
#include "bus/bus.h"
#include "conf/conf.h"
#include "event/event.h"
#include "net/loop.h"

struct queue;

struct queue_options {
    struct loop *loop;
    struct bus *bus;
    struct conf_source *conf;
    struct events *events;
    struct board *board;
    const char *home; /* HOME: the spool is HOME/spool, the numbers HOME/spool/numbers */
};

struct queue_counts {
    uint64_t messages, recipients, work, destinations, flying;
    uint64_t octets;       /* memory of the index: everything that grows with the queue */
    uint64_t recovered_ms; /* what recovery took */
};

/* Recovers the state, then sets board->numbers_ready and takes its bus messages. The options' members must outlive it. */
enum rc queue_new(const struct queue_options *o, struct queue **out, struct err *e);
/* Hands nothing out any more; done(ctx) once the journal is synced. The process may end then. */
void queue_stop(struct queue *q, void (*done)(void *ctx), void *ctx);
/* For tests; not from inside a callback of the loop. Writes what is pending; messages in flight are left to the next life
 * (flight boards). */
void queue_free(struct queue *q);
void queue_counts(const struct queue *q, struct queue_counts *out);

#endif
