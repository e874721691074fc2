/* HOME/events/record.state: what record has done so far. Replaced as a whole; a sum over all of it. */
#ifndef RECORD_STATE_H
#define RECORD_STATE_H

#include "event/merge.h"
#include "record/cef.h"
#include "record/counters.h"
#include "record/subscription.h"

struct saved_log {
    struct str name, stem;
    struct logfile_state file;
};

struct saved_state {
    struct buf content; /* the strings below are views into it */
    uint64_t born_ms;   /* the run of the program it was written in */
    struct saved_log logs[SUBSCRIPTIONS_MOST];
    size_t n_logs;
    struct str cef;              /* cef_save(); empty: none */
    struct logfile_state dmarc;  /* the file of DMARC rows; start 0: unknown */
    struct str exports, figures; /* exports_save(), figures_save(); empty: none */
};

/* cef may be NULL; dmarc is where the file of DMARC rows stands; exports and figures are parts of theirs. */
void state_build(struct event_merge *m, const struct counters *c, const struct subscriptions *s, const struct cef *cef,
                 const struct logfile_state *dmarc, struct str exports, struct str figures, uint64_t born_ms,
                 struct buf *out);
/* Fills everything from the file. RC_NOT_FOUND: a first start. RC_CORRUPT: treated like one by the caller, with an alert. */
enum rc state_read(const char *path, struct event_merge *m, struct counters *c, struct saved_state *out, struct err *e);
void state_done(struct saved_state *s);
/* subscription_saved_fn over a struct saved_state. */
const struct logfile_state *state_log(void *saved, const char *name, const char *stem);

#endif
