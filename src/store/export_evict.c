/*
 * Which export segments go, and what is left of them; figures about all of them. See export_index.h.
 *
 * Called by record. A row is taken out and its range noted as lost in one transaction, then the file goes: a kill in between
 * leaves a file that the next opening removes.
 */
#include "store/export_inside.h"

#include "base/io.h"

static const uint64_t YEAR_MS = 366ull * 86400000, RUN_MS = 30ull * 86400000; /* how long a run of lost ones may grow */

enum { AT_KIND, AT_EPOCH, AT_SEQ, AT_FIRST, AT_LAST, AT_START, AT_END, AT_EVENTS, AT_BYTES, AT_ACKS };

struct victim {
    struct segment_header head;
    uint64_t bytes, acks;
};

static bool find(struct export_index *x, bool done, uint64_t wanted, struct victim *out)
{
    sqlite3_stmt *st = done ? sql_bind(&x->sql, EX_OLDEST_DONE, "i", wanted) : sql_bind(&x->sql, EX_OLDEST, "");
    bool have = sql_step(&x->sql, st);

    if (have)
        *out = (struct victim){.head = {.kind = (enum segment_kind)sql_u64(st, AT_KIND),
                                        .epoch = sql_u64(st, AT_EPOCH),
                                        .seq = sql_u64(st, AT_SEQ),
                                        .first = sql_u64(st, AT_FIRST),
                                        .last = sql_u64(st, AT_LAST),
                                        .start_ms = sql_u64(st, AT_START),
                                        .end_ms = sql_u64(st, AT_END),
                                        .events = sql_u64(st, AT_EVENTS)},
                               .bytes = sql_u64(st, AT_BYTES),
                               .acks = sql_u64(st, AT_ACKS)};
    sqlite3_reset(st);
    return have;
}

static void note_lost(struct export_index *x, const struct segment_header *h)
{
    uint64_t kind = h->kind, since = h->start_ms > RUN_MS ? h->start_ms - RUN_MS : 0,
             run = sql_number(&x->sql, EX_RUN, 0, "iiii", kind, h->epoch, h->seq, since);

    if (run)
        sql_run(&x->sql, EX_RUN_GROW, "iiiiiii", kind, h->epoch, run, h->seq, h->last, h->end_ms, h->events);
    else
        sql_run(&x->sql, EX_RUN_ADD, "iiiiiiii", kind, h->epoch, h->seq, h->first, h->last, h->start_ms, h->end_ms,
                h->events);
}

static enum rc evict_one(struct export_index *x, const struct victim *v, struct err *e)
{
    char path[SEGMENT_PATH];

    sql_begin(&x->sql, true);
    note_lost(x, &v->head);
    sql_run(&x->sql, EX_REMOVE, "iii", (uint64_t)v->head.kind, v->head.epoch, v->head.seq);
    TRY(sql_commit(&x->sql, e));
    x->bytes -= v->bytes < x->bytes ? v->bytes : x->bytes;
    segment_path(path, x->dir, v->head.kind, v->head.epoch, v->head.seq, false);
    io_unlink("exports.evict", path, NULL); /* gone already, or gone at the next opening */
    return RC_OK;
}

static void count(const struct victim *v, uint64_t wanted, struct export_evicted *out)
{
    out->segments++;
    if (!wanted || (v->acks & wanted) == wanted)
        return;
    out->kind = v->head.kind;
    out->start_ms = out->unfetched && out->start_ms < v->head.start_ms ? out->start_ms : v->head.start_ms;
    out->end_ms = out->end_ms > v->head.end_ms ? out->end_ms : v->head.end_ms;
    out->unfetched++;
    out->events += v->head.events;
}

static bool next_victim(struct export_index *x, const struct export_limits *l, uint64_t wanted, struct victim *out)
{
    if (find(x, false, 0, out) && out->head.end_ms + l->max_age_ms < l->now_ms)
        return true;
    if (x->bytes <= l->max_bytes)
        return false;
    return (wanted && find(x, true, wanted, out)) || find(x, false, 0, out);
}

enum rc export_index_evict(struct export_index *x, const struct export_limits *l, struct export_evicted *out, struct err *e)
{
    struct victim v;
    uint64_t wanted;
    enum rc rc;

    *out = (struct export_evicted){0};
    pthread_mutex_lock(&x->lock);
    sql_begin(&x->sql, false);
    wanted = export_managers(x, l->managers, l->n_managers);
    sql_run(&x->sql, EX_RUN_OLD, "i", l->now_ms > YEAR_MS ? l->now_ms - YEAR_MS : 0);
    rc = sql_commit(&x->sql, e);
    while (rc == RC_OK && next_victim(x, l, wanted, &v)) {
        rc = evict_one(x, &v, e);
        if (rc == RC_OK)
            count(&v, wanted, out);
    }
    pthread_mutex_unlock(&x->lock);
    return rc;
}

/* --- figures ------------------------------------------------------------------------------------------------------- */

static void pair(struct export_index *x, sqlite3_stmt *st, uint64_t *a, uint64_t *b)
{
    bool have = sql_step(&x->sql, st);

    *a = have ? sql_u64(st, 0) : 0;
    *b = have ? sql_u64(st, 1) : 0;
    sqlite3_reset(st);
}

void export_index_state(struct export_index *x, enum segment_kind kind, const struct str *managers, size_t n,
                        struct export_state *out)
{
    sqlite3_stmt *st;
    uint64_t wanted;
    bool have;

    pthread_mutex_lock(&x->lock);
    wanted = export_managers(x, managers, n);
    pair(x, sql_bind(&x->sql, EX_FIRST, "i", (uint64_t)kind), &out->first_epoch, &out->first_seq);
    st = sql_bind(&x->sql, EX_LAST, "i", (uint64_t)kind);
    have = sql_step(&x->sql, st);
    out->last_epoch = have ? sql_u64(st, 0) : 0;
    out->last_seq = have ? sql_u64(st, 1) : 0;
    out->last = have ? sql_u64(st, 2) : 0;
    sqlite3_reset(st);
    pair(x, sql_bind(&x->sql, EX_TOTALS, "i", (uint64_t)kind), &out->segments, &out->bytes);
    out->waiting = wanted ? sql_number(&x->sql, EX_WAITING, 0, "ii", (uint64_t)kind, wanted) : 0;
    pthread_mutex_unlock(&x->lock);
}

void export_index_acked(struct export_index *x, enum segment_kind kind, struct str manager, uint64_t *epoch_out,
                        uint64_t *seq_out)
{
    uint64_t bit;

    pthread_mutex_lock(&x->lock);
    bit = export_manager(x, manager, false);
    *epoch_out = *seq_out = 0;
    if (bit)
        pair(x, sql_bind(&x->sql, EX_ACKED, "ii", (uint64_t)kind, bit), epoch_out, seq_out);
    pthread_mutex_unlock(&x->lock);
}

uint64_t export_index_bytes(struct export_index *x)
{
    uint64_t n;

    pthread_mutex_lock(&x->lock);
    n = x->bytes;
    pthread_mutex_unlock(&x->lock);
    return n;
}

uint64_t export_index_epoch(struct export_index *x)
{
    uint64_t n;

    pthread_mutex_lock(&x->lock);
    n = sql_number(&x->sql, EX_EPOCH, 0, "");
    pthread_mutex_unlock(&x->lock);
    return n;
}

bool export_index_next(struct export_index *x, enum segment_kind kind, uint64_t epoch, uint64_t seq,
                       struct segment_header *out)
{
    sqlite3_stmt *st;
    bool have;

    pthread_mutex_lock(&x->lock);
    st = sql_bind(&x->sql, EX_NEXT, "iii", (uint64_t)kind, epoch, seq);
    have = sql_step(&x->sql, st);
    if (have)
        *out = (struct segment_header){.kind = kind,
                                       .epoch = epoch,
                                       .seq = sql_u64(st, 0),
                                       .first = sql_u64(st, 1),
                                       .last = sql_u64(st, 2),
                                       .start_ms = sql_u64(st, 3),
                                       .end_ms = sql_u64(st, 4),
                                       .events = sql_u64(st, 5)};
    sqlite3_reset(st);
    pthread_mutex_unlock(&x->lock);
    return have;
}
