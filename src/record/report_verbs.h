/*
 * Verbs `report` and the word `availability` of `tracking` and `report` (cli.md 12.5), the same on gateway and manager.
 *
 *   report list
 *   report NAME [range=RANGE] [top=N] [by=quarter|hour|day] [appliance=SERIAL|NAME] [--csv]
 *   report availability, tracking availability
 *
 * On a gateway what was counted up to the call is stored first, then the answer is made in the thread pool.
 */
#ifndef RECORD_REPORT_VERBS_H
#define RECORD_REPORT_VERBS_H

#include "bus/bus.h"
#include "record/report_range.h"
#include "store/ledger.h"

struct record;

/* Answers, later. `tracking`: the call is `tracking availability`. */
void report_verbs_call(struct record *r, const struct bus_in *in, bool tracking);
/* A save was done: calls that wait for it go on. */
void report_verbs_saved(struct record *r);
bool report_verbs_busy(const struct record *r);
void report_verbs_done(struct record *r);

/* report_show.c, in the thread pool. `names`: serial and display name, NUL terminated; contact, as known when it was asked.
 */
struct report_names {
    size_t n;
    struct report_name {
        char serial[SEGMENT_SERIAL], name[64];
        bool away;         /* a gateway without contact */
        uint64_t heard_ms; /* since, 0 = not known */
    } items[200];
};
void report_list(struct buf *text, struct buf *json);
enum rc report_show(struct reporting *db, const struct report_query *q, uint64_t top, bool csv, struct buf *text,
                    struct buf *json, struct err *e);
enum rc report_availability(struct reporting *db, enum segment_kind kind, const struct report_names *names, struct buf *text,
                            struct buf *json, struct err *e);

#endif
