/*
 * Reading the event files of all processes as one stream in causal order (design-notes F1, F2).
 *
 * A round looks for new files and octets; then event_merge_next() gives every event older than the round before, in the
 * order of their stamps. What comes later than its place (a process that did not write for two rounds) is given at once:
 * late, never dropped. Files left by an earlier run of the machine come first, their stamps do not compare with ours.
 * Torn tails and damaged blocks are skipped and reported. The position survives in a state of some 100 octets a process.
 */
#ifndef EVENT_MERGE_H
#define EVENT_MERGE_H

#include "event/record.h"

struct event_merge;

struct event_merge *event_merge_new(const char *dir);
void event_merge_free(struct event_merge *m);
/* fn(ctx, file name, octets that could not be read) during event_merge_next(). */
void event_merge_on_damage(struct event_merge *m, void (*fn)(void *ctx, const char *file, uint64_t bytes), void *ctx);

/* Begins a round at monotonic time now_ns. Records given before are invalid from here on. */
void event_merge_round(struct event_merge *m, uint64_t now_ns);
/* Next event; its strings are views valid until the next round. False when the round has no more. */
bool event_merge_next(struct event_merge *m, struct event_record *out);
/* Gives everything that is readable, however new, until the next round (at shutdown, in tests). */
void event_merge_release_all(struct event_merge *m);
/* Events are read but held back for their turn, so another round is needed even when nobody writes. */
bool event_merge_holds(const struct event_merge *m);
/* Octets in the files that have not been given out. */
uint64_t event_merge_unread(const struct event_merge *m);
uint64_t event_merge_late(const struct event_merge *m);

/* The position behind the last event given, and going back to it: call before the first round. RC_CORRUPT: ignored. */
void event_merge_save(struct event_merge *m, struct buf *out);
enum rc event_merge_restore(struct event_merge *m, struct str state, struct err *e);
/* The state last saved is on stable storage: files that lie behind it are deleted. */
void event_merge_saved(struct event_merge *m);

/* Descriptors of files with octets that were not synced yet, at most `max`; the caller syncs and closes them. */
size_t event_merge_unsynced(struct event_merge *m, int *fds_out, size_t max);

#endif
