/*
 * What goes into the tracking store, the figures and the ledger: segments of gateways that role central fetched, and on a
 * gateway its own events (it is a manager of itself, by the same code).
 *
 * Jobs run one after the other in the thread pool. Own events are given about a second after they happened, once a state
 * behind them is on stable storage (until then their numbers could change); when they do not fit in memory or a job fails,
 * the closed segment that has them is read instead. A segment is noted in the ledger after all of it is stored, so what is
 * cut is done again.
 */
#ifndef RECORD_IMPORTS_H
#define RECORD_IMPORTS_H

#include "event/record.h"
#include "store/ledger.h"

struct record;
struct imports;

/* Opens HOME/record/reporting.db. */
struct imports *imports_new(struct record *r, const char *home);
void imports_done(struct imports *im);
/* The figures and the ledger; NULL: cannot be used. */
struct reporting *imports_reporting(struct imports *im);
bool imports_busy(const struct imports *im);
/* No more jobs are begun. */
void imports_stop(struct imports *im);

/* An own event got its number (exports.h). */
void imports_own(struct imports *im, uint64_t number, const struct event_record *ev);
/* A save begins that covers all own events so far; it is done. */
void imports_saving(struct imports *im);
void imports_saved(struct imports *im);
/* Something may be to be done: a segment was closed, settings have changed. */
void imports_look(struct imports *im);

#endif
