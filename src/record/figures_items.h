/* Messages and connections under way, by number. Private to the files figures_*.c. */
#ifndef RECORD_FIGURES_ITEMS_H
#define RECORD_FIGURES_ITEMS_H

#include "record/figures_fold.h"

enum fold_text { TEXT_IP, TEXT_DOMAIN, TEXT_SENDER, TEXT_VIRUS, TEXT_RECIPIENTS /* get_str each */, FOLD_TEXTS };
enum fold_flag {
    FOLD_OUTGOING = 1,
    FOLD_SPAM = 2,
    FOLD_SUSPECT = 4,
    FOLD_VIRUS = 8,
    FOLD_CONTENT = 16,
    FOLD_DMARC = 32,
    FOLD_MARKETING = 64,
    FOLD_SOCIAL = 128,
    FOLD_BULK = 256,
    FOLD_DLP = 512,
    FOLD_READY = 1024,
    FOLD_RELEASED = 2048 /* back from a quarantine of the manager: it was counted when it came first */
};

struct fold_item {
    struct fold_item *next;
    uint64_t id, parent, flags, recipients;
    struct buf texts[FOLD_TEXTS];
};

struct fold_item *fold_get(const struct fold_table *t, uint64_t id);
/* A new one; NULL: too many are under way. */
struct fold_item *fold_new(struct fold_table *t, uint64_t id);
void fold_remove(struct fold_table *t, uint64_t id);
void fold_set(struct fold_item *i, enum fold_text which, struct str value);
struct str fold_text(const struct fold_item *i, enum fold_text which);
void fold_add_recipient(struct fold_item *i, struct str address);
void fold_drop_recipient(struct fold_item *i, struct str address);
void fold_table_done(struct fold_table *t);
void fold_table_save(const struct fold_table *t, struct buf *out);
bool fold_table_restore(struct fold_table *t, struct str *in);

/* figures_count.c: the message is judged: counted by what was found. */
void fold_count(struct figures_fold *f, uint64_t slot_ms, const struct fold_item *m);
/* The part behind the last @. */
struct str fold_domain(struct str address);

/* Where an event is counted. */
struct fold_at {
    struct figures_fold *f;
    uint64_t slot_ms;
};

static inline void fold_add(const struct fold_at *a, enum report report, struct str key, enum report_counter counter,
                            uint64_t n)
{
    sums_add(&a->f->sums, report, a->slot_ms, key, counter, n);
}

/* figures_delivery.c: one event each. */
void fold_outgoing(const struct fold_at *a, const struct event_record *ev);
void fold_tls_out(const struct fold_at *a, const struct event_record *ev);
void fold_delivered(const struct fold_at *a, const struct event_record *ev);
void fold_bounced(const struct fold_at *a, const struct event_record *ev);
void fold_out_closed(const struct fold_at *a, const struct event_record *ev);

#endif
