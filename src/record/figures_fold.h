/* Events to sums: what is known of connections and messages under way, and what their events count. */
#ifndef RECORD_FIGURES_FOLD_H
#define RECORD_FIGURES_FOLD_H

#include "event/record.h"
#include "record/figures_sums.h"

struct fold_item;

enum { FOLD_PLACES = 4096, FOLD_ITEMS_MOST = 20000 };

/* Items by number: messages, connections in and out. */
struct fold_table {
    struct fold_item *places[FOLD_PLACES];
    size_t n;
};

struct figures_fold {
    struct figure_sums sums;
    struct fold_table messages, incoming, outgoing;
    uint64_t slot_ms; /* the open quarter: nothing is counted into an earlier one */
};

void fold_take(struct figures_fold *f, const struct event_record *ev);
void fold_done(struct figures_fold *f);
/* Connections and messages under way. */
void fold_save(const struct figures_fold *f, struct buf *out);
bool fold_restore(struct figures_fold *f, struct str *in);

#endif
