/*
 * Verb `exports` of record: what managers ask of a gateway about its segments, by control (central.md 4).
 *
 *   exports list KIND EPOCH SEQ [wait=MS] [cut]         the lines of list-exports
 *   exports ack MANAGER KIND EPOCH SEQ[-SEQ] SHA256     {"acked":SEQ}
 *   exports status [MANAGER]                            {"epoch":N,"exports":{KIND:{first,last,acked,bytes,budget}}} for
 * hello
 *
 * The lines of `list` are the reply's text, the objects its json. `wait` parks the call until a segment is there.
 */
#ifndef RECORD_EXPORT_VERBS_H
#define RECORD_EXPORT_VERBS_H

#include "bus/bus.h"

struct record;
struct bus_verb_call;

/* Answers, now or later. */
void export_verbs_call(struct record *r, const struct bus_in *in);
/* A new segment has its name: parked calls are looked at again. */
void export_verbs_listed(struct record *r);
/* One is in the thread pool. */
bool export_verbs_busy(const struct record *r);
/* The end: what is parked is forgotten. */
void export_verbs_done(struct record *r);

#endif
