/*
 * What was held here because the manager was away goes to the manager when it is back (central.md 11, fallback).
 *
 * Such a message is marked in its metadata (`fallback`) and in the table `drain`. When the manager takes mail, it leaves for
 * the object it came by, as a release would (leave.c), with its key, exits and reasons; only when queue has it on stable
 * storage it is let go here. Once it is leaving nobody decides about it here any more, so it is never in two places.
 */
#ifndef QUARANTINE_DRAIN_H
#define QUARANTINE_DRAIN_H

#include "quarantine/inside.h"

void drain_init(struct quarantine *q);
void drain_done(struct quarantine *q);
/* Queue has it; inside the transaction in which it is dropped, behind that. Its key goes, for it may come back. */
void drain_left(struct quarantine *q, const struct held *h);
/* The same message came again while it was leaving (the manager went away once more): it stays, as it was. */
void drain_back(struct quarantine *q, uint64_t id);
/* Starts at most `most` messages of a class on their way; how many. */
size_t drain_some(struct quarantine *q, enum cpq_class class, size_t most);

/* Messages of both classes that wait here for the manager. */
uint64_t drain_waiting(struct quarantine *q);

/* drain_meta.c: appends the coded envelope of a message that leaves for the manager. */
void drain_envelope(struct quarantine *q, struct arena *a, const struct cpq_meta *m, const struct held *h, struct buf *out);

#endif
