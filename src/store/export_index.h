/*
 * Which export segments a gateway has, who acknowledged them, and which were evicted: DIR/exports.db beside the files.
 *
 * The files are the truth: opening looks through them, takes in what the index lacks (a kill between name and row, an index
 * that was lost) and removes what was evicted. A segment that goes leaves its range in a run of lost ones, listed for a
 * year: nothing goes silently. Every call is safe from any thread, and durable when it returns; none may run on a loop but
 * at start.
 */
#ifndef STORE_EXPORT_INDEX_H
#define STORE_EXPORT_INDEX_H

#include "store/segment.h"

struct export_index;

enum { EXPORT_LIST_MOST = 2000 /* lines of one listing */ };

enum rc export_index_open(const char *dir, struct export_index **out, struct err *e);
void export_index_close(struct export_index *x);

/* The file lies under its name (segment_finish). A second time: nothing. */
enum rc export_index_add(struct export_index *x, const struct segment_header *h, uint64_t bytes, const char *digest,
                         struct err *e);

/* Lines of list-exports (central.md 4) from (epoch, seq) on; a run of lost ones is one line with "seqs" = how many. At most
 * EXPORT_LIST_MOST: the caller asks on behind the last. */
enum rc export_index_list(struct export_index *x, enum segment_kind kind, uint64_t epoch, uint64_t seq, struct buf *out,
                          struct err *e);

/* The manager has seq..to on stable storage; digest is that of `to`. RC_NOT_FOUND, RC_CONFLICT (other digest). */
enum rc export_index_ack(struct export_index *x, struct str manager, enum segment_kind kind, uint64_t epoch, uint64_t seq,
                         uint64_t to, struct str digest, struct err *e);

struct export_limits {
    uint64_t now_ms, max_age_ms, max_bytes;
    const struct str *managers; /* serials of those that fetch */
    size_t n_managers;
};
struct export_evicted {
    uint64_t segments;
    uint64_t unfetched;                /* of them not acknowledged by all managers */
    uint64_t events, start_ms, end_ms; /* of the unfetched */
    enum segment_kind kind;
};
/* Removes what the limits do not allow: over max_bytes those that all managers acknowledged first, then the oldest; and what
 * is too old. */
enum rc export_index_evict(struct export_index *x, const struct export_limits *l, struct export_evicted *out, struct err *e);

struct export_state {
    uint64_t first_epoch, first_seq, last_epoch, last_seq; /* of files; 0: none */
    uint64_t segments, bytes;
    uint64_t last;    /* number in the last one */
    uint64_t waiting; /* segments that some manager did not acknowledge */
};
void export_index_state(struct export_index *x, enum segment_kind kind, const struct str *managers, size_t n,
                        struct export_state *out);
/* Last one that this manager acknowledged, 0 0 = none. */
void export_index_acked(struct export_index *x, enum segment_kind kind, struct str manager, uint64_t *epoch_out,
                        uint64_t *seq_out);
/* Octets of all files. */
uint64_t export_index_bytes(struct export_index *x);
/* The highest epoch seen, 0 = none. */
uint64_t export_index_epoch(struct export_index *x);
/* The first segment of that kind and epoch behind `seq`: its header facts without serial. False: none. */
bool export_index_next(struct export_index *x, enum segment_kind kind, uint64_t epoch, uint64_t seq,
                       struct segment_header *out);

#endif
