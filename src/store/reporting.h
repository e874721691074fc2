/*
 * The figures of reports, and the ledger of what was imported (ledger.h): one database, DIR/reporting.db.
 *
 * A figure is a counter of a report and a key (spec/reports.def) in a quarter of an hour of one appliance. Older quarters
 * are folded into hours, hours into days, days into months; a sum over a range is the same before and after, as far as the
 * range does not cut what was folded. Adding a batch is one transaction with the note that it was added, so nothing is
 * counted twice. Calls are safe from any thread; they wait for the disk, so none may run on a loop but at start.
 */
#ifndef STORE_REPORTING_H
#define STORE_REPORTING_H

#include "base/buf.h"
#include "base/err.h"
#include "store/segment.h"

enum report {
#define REPORT(name, title, key, counters) REPORT_##name,
#include "spec/reports.def"
#undef REPORT
    REPORTS
};
enum report_counter {
#define FIGURE(name) FIGURE_##name,
#include "spec/report_counters.def"
#undef FIGURE
    FIGURES
};

struct report_info {
    const char *name, *title, *key, *counters;
};
const struct report_info *report_info(enum report r);
bool report_named(struct str name, enum report *out);
const char *report_counter_name(enum report_counter c);
bool report_counter_named(struct str name, enum report_counter *out);

enum { SLOT_MS = 15 * 60 * 1000, FIGURE_KEY_MOST = 320 };

/* One row of figures: pairs of counter and amount. */
struct figure {
    enum report report;
    uint64_t slot_ms;
    struct str key;
    size_t n;
    struct {
        enum report_counter counter;
        uint64_t amount;
    } parts[FIGURES];
};

struct reporting;

enum rc reporting_open(const char *dir, struct reporting **out, struct err *e);
void reporting_close(struct reporting *r);

/* A batch of own figures, numbered: one that was added before is passed over. next(ctx, &figure) false = no more. */
typedef bool figure_next(void *ctx, struct figure *out);
enum rc reporting_add(struct reporting *r, struct str serial, uint64_t batch, figure_next *next, void *ctx, struct err *e);

/* The figures of one slot as lines of a reporting segment, numbered from w's next; in the order of report and key. */
enum rc reporting_write(struct reporting *r, struct str serial, uint64_t slot_ms, struct segment_writer *w, struct err *e);
/* The line that says that nothing was counted from .. to; slot_ms: a slot of the segment. */
void reporting_write_pause(struct segment_writer *w, uint64_t slot_ms, uint64_t from_ms, uint64_t to_ms);
/* All lines of a reporting segment: added, and the segment noted in the ledger, in one transaction. RC_EXISTS: it was there.
 */
enum rc reporting_import(struct reporting *r, struct segment_reader *in, struct err *e);

struct report_query {
    enum report report;
    uint64_t from_ms, to_ms;   /* slots that begin in [from, to) */
    const struct str *serials; /* NULL: all */
    size_t n_serials;
    uint64_t step_ms; /* 0: one sum; else one a step (a quarter, hour, day) */
    bool by_tld;      /* keys are domains and shown by their last label */
};
/* fn gets each row, of time and key in no order; slot_ms = begin of the step (from_ms when there is none). */
enum rc reporting_query(struct reporting *r, const struct report_query *q, void (*fn)(void *ctx, const struct figure *f),
                        void *ctx, struct err *e);

/* Folds what is old, forgets what is over max_bytes (oldest first). */
enum rc reporting_age(struct reporting *r, uint64_t now_ms, uint64_t max_bytes, struct err *e);

#endif
