/*
 * The tracking store: what became of every message, folded from events, searched by every key of central.md 12.
 *
 * Called by record (import of own events and of fetched segments, the verb `tracking`). A store is a directory: one SQLite
 * file a day or million messages (partition), and catalog.db. One thread at a time writes (tracking_begin to
 * tracking_commit); searches run in any thread beside it, on connections of their own.
 *
 * Adding is idempotent by (serial, epoch, number) and independent of order: events may come twice, late, out of order and
 * with holes, whatever is cut in between, the answers are the same in the end. What a commit covers is on stable storage
 * when it returns. A disk that fails or is full: the batch has not happened, RC_NO_SPACE or RC_IO with text.
 */
#ifndef STORE_TRACKING_H
#define STORE_TRACKING_H

#include "base/arena.h"
#include "event/record.h"

struct tracking;

struct tracking_options {
    uint64_t max_bytes;      /* the oldest partitions go whole when the store is larger; 0 = no limit */
    uint64_t partition_rows; /* 0 = 1,000,000 */
    bool rejected;           /* connections that were refused are kept */
    bool no_subject;         /* subjects are not kept */
};

enum rc tracking_open(const char *dir, const struct tracking_options *o, struct tracking **out, struct err *e);
void tracking_close(struct tracking *t); /* a batch that was not committed has not happened */
void tracking_options_set(struct tracking *t, const struct tracking_options *o);

/* A batch of events of one appliance. `host` is its name, shown with its messages; may be empty when nothing new is known.
 * Give at most 20,000 events a batch (memory), and 1,000 messages or more when there are as many (speed). */
enum rc tracking_begin(struct tracking *t, struct str serial, struct str host, uint64_t epoch, struct err *e);
/* Any event; those that say nothing about messages are passed over. rec and its strings are not needed afterwards. Numbers
 * of one epoch never repeat with other content. */
enum rc tracking_add(struct tracking *t, uint64_t number, const struct event_record *rec, struct err *e);
/* All events first..last that concern tracking were given in this batch or before (first > last: says nothing). On failure
 * the whole batch is void and may be given again. */
enum rc tracking_commit(struct tracking *t, uint64_t first, uint64_t last, struct err *e);
void tracking_abandon(struct tracking *t);

/* Whether all of first..last is covered: an import of it would change nothing. */
bool tracking_covered(struct tracking *t, struct str serial, uint64_t epoch, uint64_t first, uint64_t last);

/* First and last time of receipt that the store has of this serial (empty: of all), 0 0 = nothing. */
void tracking_span(struct tracking *t, struct str serial, uint64_t *first_ms, uint64_t *last_ms);
uint64_t tracking_bytes(struct tracking *t);    /* on disk */
uint64_t tracking_messages(struct tracking *t); /* rows */

#endif
