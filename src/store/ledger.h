/*
 * What was imported of which gateway, and what is missing: data availability (central.md 5). Part of reporting.db.
 *
 * Imported segments are runs without a hole; what the gateway lists says which others exist there or are lost. From both
 * follow the gaps: exactly the missing segments and numbers, the time they cover, and one cause.
 */
#ifndef STORE_LEDGER_H
#define STORE_LEDGER_H

#include "store/reporting.h"

/* The segment's content is stored. RC_EXISTS: it was noted before. RC_CORRUPT: its numbers do not follow its neighbours'. */
enum rc ledger_add(struct reporting *r, const struct segment_header *h, struct err *e);
bool ledger_has(struct reporting *r, const struct segment_header *h);
/* A stretch that the gateway did not record. */
enum rc ledger_paused(struct reporting *r, struct str serial, enum segment_kind kind, uint64_t from_ms, uint64_t to_ms,
                      struct err *e);
/* Lines of list-exports. A line that is none is passed over. */
enum rc ledger_listed(struct reporting *r, struct str serial, enum segment_kind kind, struct str lines, struct err *e);
/* Digest as listed; false: not listed (any more). */
bool ledger_digest(struct reporting *r, const struct segment_header *h, char out[SEGMENT_DIGEST]);
/* Varints: epoch, first seq, last seq of each run, rising. */
enum rc ledger_runs(struct reporting *r, struct str serial, enum segment_kind kind, struct buf *out, struct err *e);

enum gap_cause { GAP_NOT_FETCHED, GAP_LOST, GAP_PAUSED, GAP_REBUILT };
struct gap {
    enum gap_cause cause;
    uint64_t epoch, seq, seq_to; /* 0: none (paused, rebuilt) */
    uint64_t first, last;
    uint64_t start_ms, end_ms;
};
const char *gap_cause_text(enum gap_cause c);

struct availability {
    char serial[SEGMENT_SERIAL];
    uint64_t first_ms, last_ms; /* 0: no data */
    uint64_t backlog;           /* segments that exist and were not fetched */
    struct gap *gaps;
    size_t n_gaps;
};
/* One for each appliance known; free with ledger_free(). */
enum rc ledger_availability(struct reporting *r, enum segment_kind kind, struct availability **out, size_t *n_out,
                            struct err *e);
void ledger_free(struct availability *a, size_t n);

#endif
