/*
 * Gaps: what is missing between what was imported, and why. See ledger.h.
 *
 * Called by record. Imported runs and what the gateway lists are laid side by side in order of segments; what neither covers
 * was not fetched. An imported segment is never missing, even when the gateway has evicted it since.
 */
#include "store/reporting_inside.h"

#include "base/must.h"

#include <stdio.h>
#include <stdlib.h>

struct piece {
    struct gap g; /* cause without meaning when `have` */
    bool have;
};

struct pieces {
    struct piece *items;
    size_t n, cap;
};

const char *gap_cause_text(enum gap_cause c)
{
    static const char *const names[] = {"not yet fetched", "lost on the gateway", "not recorded", "store rebuilt"};

    return names[c];
}

static void add(struct pieces *p, struct piece one)
{
    if (p->n == p->cap) {
        p->cap = p->cap ? p->cap * 2 : 64;
        must((p->items = realloc(p->items, p->cap * sizeof *p->items)));
    }
    p->items[p->n++] = one;
}

static void read_pieces(struct reporting *r, sqlite3_stmt *st, bool have, struct pieces *out)
{
    while (sql_step(&r->sql, st))
        add(out, (struct piece){.have = have,
                                .g = {.cause = !have && sql_u64(st, 7) ? GAP_LOST : GAP_NOT_FETCHED,
                                      .epoch = sql_u64(st, 0),
                                      .seq = sql_u64(st, 1),
                                      .seq_to = sql_u64(st, 2),
                                      .first = sql_u64(st, 3),
                                      .last = sql_u64(st, 4),
                                      .start_ms = sql_u64(st, 5),
                                      .end_ms = sql_u64(st, 6)}});
}

/* What of a listed piece no run covers. */
static void add_uncovered(struct pieces *out, const struct pieces *runs, struct piece one)
{
    for (size_t i = 0; i < runs->n; i++) {
        const struct gap *run = &runs->items[i].g;

        if (run->epoch != one.g.epoch || run->seq_to < one.g.seq || run->seq > one.g.seq_to)
            continue;
        if (run->seq > one.g.seq) {
            struct piece before = one;

            before.g.seq_to = run->seq - 1;
            before.g.last = run->first - 1;
            before.g.end_ms = run->start_ms;
            add(out, before);
        }
        if (run->seq_to >= one.g.seq_to)
            return;
        one.g.seq = run->seq_to + 1;
        one.g.first = run->last + 1;
        one.g.start_ms = run->end_ms;
    }
    add(out, one);
}

static int in_order(const void *a, const void *b)
{
    const struct gap *x = &((const struct piece *)a)->g, *y = &((const struct piece *)b)->g;

    if (x->epoch != y->epoch)
        return x->epoch < y->epoch ? -1 : 1;
    return x->seq < y->seq ? -1 : x->seq > y->seq;
}

static void add_gap(struct availability *a, const struct gap *g)
{
    struct gap *before = a->n_gaps ? &a->gaps[a->n_gaps - 1] : NULL;

    if (before && before->cause == g->cause && g->seq && before->epoch == g->epoch && before->seq_to + 1 == g->seq) {
        before->seq_to = g->seq_to;
        before->last = g->last;
        before->end_ms = g->end_ms;
        return;
    }
    must((a->gaps = realloc(a->gaps, (a->n_gaps + 1) * sizeof *a->gaps)));
    a->gaps[a->n_gaps++] = *g;
}

static void walk(const struct pieces *p, struct availability *a)
{
    for (size_t i = 0; i < p->n; i++) {
        const struct gap *g = &p->items[i].g, *before = i ? &p->items[i - 1].g : NULL;

        if (before && before->epoch != g->epoch)
            add_gap(a, &(struct gap){
                           .cause = GAP_REBUILT, .epoch = g->epoch, .start_ms = before->end_ms, .end_ms = g->start_ms});
        else if (before && before->seq_to + 1 < g->seq)
            add_gap(a, &(struct gap){GAP_NOT_FETCHED, g->epoch, before->seq_to + 1, g->seq - 1, before->last + 1,
                                     g->first - 1, before->end_ms, g->start_ms});
        if (!p->items[i].have)
            add_gap(a, g);
    }
    for (size_t i = 0; i < a->n_gaps; i++)
        if (a->gaps[i].cause == GAP_NOT_FETCHED)
            a->backlog += a->gaps[i].seq_to - a->gaps[i].seq + 1;
}

static void one_appliance(struct reporting *r, uint64_t id, enum segment_kind kind, struct availability *a)
{
    struct pieces runs = {0}, listed = {0}, all = {0};
    sqlite3_stmt *st;

    read_pieces(r, sql_bind(&r->sql, LG_RUNS, "ii", id, (uint64_t)kind), true, &runs);
    read_pieces(r, sql_bind(&r->sql, LG_LISTED, "ii", id, (uint64_t)kind), false, &listed);
    for (size_t i = 0; i < runs.n; i++)
        add(&all, runs.items[i]);
    for (size_t i = 0; i < listed.n; i++)
        add_uncovered(&all, &runs, listed.items[i]);
    if (all.n)
        qsort(all.items, all.n, sizeof *all.items, in_order);
    walk(&all, a);
    st = sql_bind(&r->sql, LG_PAUSES, "ii", id, (uint64_t)kind);
    while (sql_step(&r->sql, st))
        add_gap(a, &(struct gap){.cause = GAP_PAUSED, .start_ms = sql_u64(st, 0), .end_ms = sql_u64(st, 1)});
    st = sql_bind(&r->sql, LG_SPAN, "ii", id, (uint64_t)kind);
    if (sql_step(&r->sql, st)) {
        a->first_ms = sql_u64(st, 0);
        a->last_ms = sql_u64(st, 1);
    }
    sqlite3_reset(st);
    free(runs.items);
    free(listed.items);
    free(all.items);
}

enum rc ledger_availability(struct reporting *r, enum segment_kind kind, struct availability **out, size_t *n_out,
                            struct err *e)
{
    struct availability *all = NULL;
    uint64_t *ids = NULL;
    size_t n = 0;
    sqlite3_stmt *st;
    enum rc rc;

    pthread_mutex_lock(&r->lock);
    sql_begin(&r->sql, false);
    st = sql_bind(&r->sql, RP_APPLIANCES, "");
    while (sql_step(&r->sql, st)) {
        must((all = realloc(all, (n + 1) * sizeof *all)) && (ids = realloc(ids, (n + 1) * sizeof *ids)));
        all[n] = (struct availability){0};
        ids[n] = sql_u64(st, 0);
        snprintf(all[n++].serial, SEGMENT_SERIAL, "%.*s", STR(sql_str(st, 1)));
    }
    for (size_t i = 0; i < n; i++)
        one_appliance(r, ids[i], kind, &all[i]);
    rc = sql_commit(&r->sql, e);
    pthread_mutex_unlock(&r->lock);
    free(ids);
    if (rc != RC_OK) {
        ledger_free(all, n);
        return rc;
    }
    *out = all;
    *n_out = n;
    return RC_OK;
}

void ledger_free(struct availability *a, size_t n)
{
    for (size_t i = 0; i < n; i++)
        free(a[i].gaps);
    free(a);
}
