/*
 * Message tracking in role record: the store, and the verb `tracking`.
 *
 * The store lies in HOME/tracking and is opened when it is first asked for. The importer writes to it from one thread at a
 * time; searches run in the thread pool, two at once, the rest wait. A store that cannot be opened is told of once and tried
 * again at the next use.
 */
#ifndef RECORD_TRACK_H
#define RECORD_TRACK_H

#include "bus/bus.h"
#include "store/track_search.h"

struct record;

struct track {
    char *dir;
    struct tracking *store;
    bool told;              /* that it cannot be used */
    unsigned running;       /* searches in the pool */
    struct track_job *wait; /* first of those that wait */
};

void track_init(struct record *r, const char *home);
/* No search runs any more. */
bool track_idle(const struct record *r);
void track_done(struct record *r);
/* Settings have changed. */
void track_apply(struct record *r);
/* The store, on the loop's thread; NULL when it cannot be used: e says why. */
struct tracking *record_tracking(struct record *r, struct err *e);
/* Answers BUS_verb_call `tracking`, later. False when the words are not ours (availability). */
bool track_verb(struct record *r, const struct bus_in *in);

/* track_show.c: in the pool. Text and JSON of a list of hits, and of one message with its steps. */
void track_list(const struct tracking_hits *hits, const struct tracking_query *q, struct buf *text, struct buf *json);
enum rc track_show(struct tracking *t, const struct tracking_query *q, struct arena *a, bool subject, struct buf *text,
                   struct buf *json, struct err *e);

#endif
