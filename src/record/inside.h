/* What the files of this room share about struct record. Not for other rooms. */
#ifndef RECORD_INSIDE_H
#define RECORD_INSIDE_H

#include "event/merge.h"
#include "record/alerts.h"
#include "record/contacts.h"
#include "record/dmarc_rows.h"
#include "record/dmarc_send.h"
#include "record/export_verbs.h"
#include "record/exports.h"
#include "record/figures.h"
#include "record/imports.h"
#include "record/machine.h"
#include "record/record.h"
#include "record/report_verbs.h"
#include "record/state.h"
#include "record/status.h"
#include "record/track.h"

enum { SYNC_MOST = 192 };

/* One save: filled on the loop, carried out in the thread pool, finished on the loop. */
struct save {
    bool running;
    struct buf content, part, figures;
    int fds[SYNC_MOST];
    size_t n_fds;
    uint64_t events_to_ms; /* what was emitted before this will be on stable storage */
    bool roll;             /* roll-overs are named in the content: do them when it is stored */
    enum rc rc;
    struct err e;
};

struct record {
    struct loop *loop;
    struct bus *bus;
    struct conf_source *conf;
    struct events *events;
    struct board *board;
    char *state_path, *log_dir;
    struct event_merge *merge;
    struct counters *counters;
    struct subscriptions *logs;
    struct alerts *alerts;
    struct cef *cef; /* NULL: no subscription of that type */
    struct buf cef_line;
    uint64_t cef_forgotten; /* that were told of */
    struct dmarc_rows dmarc;
    struct dmarc_send *dmarc_send;
    struct track track;
    struct machine_load machine;
    struct exports exports;
    struct figures figures;
    struct imports *imports;
    struct contacts contacts;
    struct report_call *reports;   /* verb report */
    struct export_waiter *waiters; /* parked list-exports */
    struct loop_timer wait_timer;
    struct saved_state saved; /* only while starting */
    struct save save;
    struct loop_timer timer;
    uint64_t born_ms;
    uint64_t now_ms, before_ms; /* begin of this round and of the one before */
    uint64_t saved_ms, status_ms, active_ms;
    bool changed; /* since the last save */
    bool unread;  /* the last round left events in the files */
    bool stuck;   /* lines could not be written */
    bool unsaved; /* the lengths of files opened at start are not saved yet: nothing may be added to them */
    bool alerted;
    bool roll_refused; /* by the disk: rounds do not wait for it */
    void (*stopped)(void *ctx);
    void *stopped_ctx;
};

/* save.c: begins a save on the loop; false while lines wait, since the position would be ahead of the logs. save_work runs
 * in the thread pool, save_done on the loop. */
bool save_begin(struct record *r);
void save_work(void *ctx);
void save_done(void *ctx);

/* verbs.c: answers BUS_verb_call. */
void verbs_register(struct record *r);

/* record.c: the next tick comes at once, and saves. */
void record_save_soon(struct record *r);

/* record.c: some file is due for a roll-over. */
bool record_due(struct record *r);

struct status_view record_view(const struct record *r);

#endif
