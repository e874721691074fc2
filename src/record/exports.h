/*
 * What a gateway writes for managers to fetch: the stream of events in numbered segments below HOME/exports (central.md 5).
 *
 * The open segment goes along with the state of record: what is in it up to the saved length, and no more, has a number.
 * After a kill it is cut back to that and closed, and the events since get the same numbers again. A number is in no file
 * that has its name before a state behind it is on stable storage (design-notes F3). A segment that is due is left with a
 * save (named in the state), gets its header and name in the thread pool behind it, and only then is listed.
 */
#ifndef RECORD_EXPORTS_H
#define RECORD_EXPORTS_H

#include "conf/conf.h"
#include "event/record.h"
#include "store/export_index.h"
#include "store/segment.h"

enum { EXPORT_MANAGERS = 16, CUT_EVERY_MS = 1000 };

struct exports {
    char dir[400];
    struct events *events;
    struct export_index *index;                                               /* NULL: cannot be opened */
    void (*added)(void *ctx, uint64_t number, const struct event_record *ev); /* each event with its number; may be NULL */
    void *added_ctx;
    struct segment_writer open;
    uint64_t epoch;
    bool wanted[EVENT_TYPE_COUNT];
    bool gateway; /* segments are written at all */
    /* settings */
    char serial[SEGMENT_SERIAL];
    bool on, subject;
    uint64_t segment_bytes, segment_ms, max_age_ms, max_bytes;
    char managers[EXPORT_MANAGERS][SEGMENT_SERIAL];
    size_t n_managers;

    uint64_t off_since_ms; /* not recorded since then; 0: on */
    bool end_now;          /* by the switch */
    bool cut;              /* asked for */
    uint64_t cut_ms;       /* monotonic, the last time */

    /* A segment that was left and has no name yet. */
    bool closing, closed; /* closed: and has its name */
    struct segment_header leaving;
    uint64_t leaving_length;
    int leaving_fd;

    uint64_t evict_ms; /* monotonic: when it was looked at last */
    struct export_evicted gone;
    uint64_t waiting; /* segments to be fetched */
    unsigned told_percent;
    bool failed_told;
};

/* `saved`: exports_save() of the last state, empty = none. */
void exports_init(struct exports *x, const char *home, struct events *events, const struct conf *conf, struct str saved);
void exports_done(struct exports *x);
void exports_apply(struct exports *x, const struct conf *conf);

/* The event's number, 0 = it is not exported. */
uint64_t exports_take(struct exports *x, const struct event_record *ev);
/* Lines into the file when there are enough, or all of them. RC_OK: no more wait than may. */
enum rc exports_write(struct exports *x, bool all, struct err *e);
/* The open segment is to be closed now: a save is wanted. */
bool exports_due(const struct exports *x);
/* Ends the open segment with the next save, at most once a second. False: nothing is in it, or it is too early. */
bool exports_cut(struct exports *x);
bool exports_can_cut(const struct exports *x);

/* --- the three parts of a save (record/save.c) ---------------------------------------------------------------------- */

/* On the loop: leaves a segment that is due, adds its part of the state, and descriptors to be synced before that. */
void exports_save(struct exports *x, struct buf *out, int *fds, size_t *n_fds);
/* In the thread pool, when the state is stored: names the segment that was left, evicts. */
void exports_stored(struct exports *x);
/* On the loop. True: a new segment is listed. */
bool exports_saved(struct exports *x);

#endif
