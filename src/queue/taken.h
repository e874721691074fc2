/*
 * Keys of releases that this gateway took: a manager that heard no answer gives one again, and it is taken once (central.md
 * 7.4).
 *
 * A file of records of 40 octets, HOME/spool/released, and a table of it in memory. A key is on stable storage before the
 * journal knows its message, so whatever ends this process in between, the next one finds either both or a record of the
 * same message that it takes then.
 */
#ifndef QUEUE_TAKEN_H
#define QUEUE_TAKEN_H

#include "queue/state.h"

/* Reads the file; keys older than quarantine_service.keep_keys_ms are forgotten. */
enum rc taken_open(struct queue *q, struct err *e);
void taken_close(struct queue *q);
/* The message taken under this key, 0 = none. */
uint64_t taken_find(const struct queue *q, struct str key);
/* Written at once, on stable storage after taken_sync(). A key that cannot be written is known as long as this process
 * lives. */
void taken_add(struct queue *q, struct str key, uint64_t mid);
/* Before the journal of the turn is written. */
void taken_sync(struct queue *q);

#endif
