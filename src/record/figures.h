/*
 * Figures of reports from events, counted by quarter of an hour, each event exactly once whatever dies (central.md 13).
 *
 * What events say is summed in memory (`sums`); every ten seconds, at the end of a quarter, or when somebody asks, the sums
 * are set aside as a numbered batch, which goes into reporting.db behind a state that holds it. Messages under way (who sent
 * it, what was found) are part of the state too. At the end of a quarter its figures become a reporting segment for the
 * managers.
 */
#ifndef RECORD_FIGURES_H
#define RECORD_FIGURES_H

#include "conf/conf.h"
#include "record/exports.h"
#include "record/figures_fold.h"
#include "store/ledger.h"

enum { FIGURES_PAUSES = 8 };

struct figures {
    bool on;
    struct figures_fold fold;
    struct figure_sums batch; /* set aside */
    uint64_t batch_number;    /* of the batch, or of the last one */
    bool have_batch, added;   /* added: and it is in the database */
    bool now;                 /* somebody waits for all that was counted */
    uint64_t epoch, seq;      /* of the next reporting segment */
    uint64_t open_ms;         /* the open quarter begins */
    bool closing, closed;     /* a segment is made: `leaving` */
    struct segment_header leaving;
    uint64_t aside_ms;     /* monotonic: when sums were set aside */
    uint64_t off_since_ms; /* not counted since then; 0: counting */
    struct figures_pause {
        uint64_t from_ms, to_ms;
    } pauses[FIGURES_PAUSES]; /* ended, and in no segment yet; the first n_leaving go into `leaving` */
    uint64_t n_pauses, n_leaving;
    struct reporting *db;
    char error[200]; /* of the last addition */
};

/* `saved`: figures_save() of the last state. db may be NULL: then nothing is counted. */
void figures_init(struct figures *f, struct reporting *db, uint64_t epoch, struct str saved);
void figures_done(struct figures *f);
void figures_apply(struct figures *f, const struct conf *conf);

void figures_take(struct figures *f, const struct event_record *ev);
/* A save is wanted: a quarter is over, or somebody waits. */
bool figures_due(const struct figures *f);
/* All that was counted so far is to be in the database soon. */
void figures_now(struct figures *f);
/* It is: since figures_now(). */
bool figures_settled(const struct figures *f);
/* Nothing before this time is counted any more, and all of it is in the database. */
bool figures_closed(const struct figures *f, uint64_t to_ms);

/* The three parts of a save, as those of exports.h. */
void figures_save(struct figures *f, struct buf *out);
void figures_stored(struct figures *f, const struct exports *x);
/* True: a new segment is listed. */
bool figures_saved(struct figures *f);

#endif
