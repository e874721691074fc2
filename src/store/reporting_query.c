/*
 * Sums of figures, and what happens to old ones. See reporting.h.
 *
 * Called by record (verb `report`, once an hour). A query reads the rows of its range once and adds them up in a table in
 * memory; how coarse a row is stored does not matter to a sum.
 */
#include "store/reporting_inside.h"

#include "base/must.h"

#include <stdlib.h>

enum { HOUR = 3600000, FOLD_AT_ONCE = 5000, PAGE = 4096 };
static const uint64_t DAY = 86400000;

/* --- querying ------------------------------------------------------------------------------------------------------ */

struct sum {
    struct figure f;
    char key[FIGURE_KEY_MOST];
};

struct sums {
    struct sum **items;
    size_t n, cap;
    uint32_t *slots; /* index + 1 by hash; cap * 2 of them */
};

static void grow(struct sums *s)
{
    s->cap = s->cap ? s->cap * 2 : 256;
    must((s->items = realloc(s->items, s->cap * sizeof(void *))));
    free(s->slots);
    must((s->slots = calloc(s->cap * 2, sizeof *s->slots)));
    for (size_t i = 0; i < s->n; i++) {
        size_t at = (str_hash(s->items[i]->f.key) ^ s->items[i]->f.slot_ms) % (s->cap * 2);

        while (s->slots[at])
            at = (at + 1) % (s->cap * 2);
        s->slots[at] = (uint32_t)i + 1;
    }
}

static struct figure *sum_of(struct sums *s, enum report report, uint64_t slot_ms, struct str key)
{
    struct sum *one;
    size_t at;

    if (s->n == s->cap)
        grow(s);
    at = (str_hash(key) ^ slot_ms) % (s->cap * 2);
    for (; s->slots[at]; at = (at + 1) % (s->cap * 2)) {
        struct figure *f = &s->items[s->slots[at] - 1]->f;

        if (f->slot_ms == slot_ms && str_eq(f->key, key))
            return f;
    }
    must((one = calloc(1, sizeof *one)));
    memcpy(one->key, key.p ? key.p : "", key.n);
    one->f.report = report;
    one->f.slot_ms = slot_ms;
    one->f.key = str_of(one->key, key.n);
    s->items[s->n++] = one;
    s->slots[at] = (uint32_t)s->n;
    return &one->f;
}

static bool wanted(const struct report_query *q, const uint64_t *ids, uint64_t id)
{
    if (!q->serials)
        return true;
    for (size_t i = 0; i < q->n_serials; i++)
        if (ids[i] && ids[i] == id)
            return true;
    return false;
}

static struct str shown_key(const struct report_query *q, struct str key)
{
    key = str_first(key, FIGURE_KEY_MOST);
    return q->by_tld && str_find_last(key, '.') < key.n ? str_from(key, str_find_last(key, '.') + 1) : key;
}

static void read_rows(struct reporting *r, const struct report_query *q, const uint64_t *ids, struct sums *sums)
{
    sqlite3_stmt *st = sql_bind(&r->sql, RP_QUERY, "sii", str_c(report_info(q->report)->name), q->from_ms, q->to_ms);

    while (sql_step(&r->sql, st)) {
        uint64_t slot = sql_u64(st, 0);

        if (wanted(q, ids, sql_u64(st, 1)))
            figure_add_blob(
                sum_of(sums, q->report, q->step_ms ? slot - slot % q->step_ms : q->from_ms, shown_key(q, sql_str(st, 2))),
                sql_str(st, 3));
    }
}

enum rc reporting_query(struct reporting *r, const struct report_query *q, void (*fn)(void *ctx, const struct figure *f),
                        void *ctx, struct err *e)
{
    struct sums sums = {0};
    uint64_t *ids = calloc(q->n_serials + 1, sizeof *ids);
    enum rc rc;

    must(ids);
    pthread_mutex_lock(&r->lock);
    sql_begin(&r->sql, false);
    for (size_t i = 0; q->serials && i < q->n_serials; i++)
        ids[i] = reporting_appliance(r, q->serials[i], false);
    read_rows(r, q, ids, &sums);
    rc = sql_commit(&r->sql, e);
    pthread_mutex_unlock(&r->lock);
    for (size_t i = 0; i < sums.n; i++) {
        if (rc == RC_OK)
            fn(ctx, &sums.items[i]->f);
        free(sums.items[i]);
    }
    free(sums.items);
    free(sums.slots);
    free(ids);
    return rc;
}

/* --- age ----------------------------------------------------------------------------------------------------------- */

/* First day of the month, UTC (days from civil of H. Hinnant). */
static uint64_t month_of(uint64_t ms)
{
    uint64_t z = ms / DAY + 719468, era = z / 146097, doe = z % 146097,
             yoe = (doe - doe / 1460 + doe / 36524 - doe / 146096) / 365, doy = doe - (365 * yoe + yoe / 4 - yoe / 100),
             mp = (5 * doy + 2) / 153, first = (153 * mp + 2) / 5;

    return (era * 146097 + yoe * 365 + yoe / 4 - yoe / 100 + first - 719468) * DAY;
}

static uint64_t coarser(enum figure_level level, uint64_t slot)
{
    return level == LEVEL_QUARTER ? slot - slot % HOUR : level == LEVEL_HOUR ? slot - slot % DAY : month_of(slot);
}

struct old_row {
    struct figure f;
    uint64_t appliance, slot;
    char key[FIGURE_KEY_MOST];
};

/* A batch of rows of one level into the next; false when there was none. */
static bool fold_some(struct reporting *r, enum figure_level level, uint64_t before, struct old_row *rows)
{
    sqlite3_stmt *st = sql_bind(&r->sql, RP_OLD, "iii", (uint64_t)level, before, (uint64_t)FOLD_AT_ONCE);
    size_t n = 0;

    for (; n < FOLD_AT_ONCE && sql_step(&r->sql, st); n++) {
        struct str key = str_first(sql_str(st, 3), FIGURE_KEY_MOST);

        rows[n].f = (struct figure){.report = REPORTS};
        report_named(sql_str(st, 0), &rows[n].f.report);
        rows[n].slot = sql_u64(st, 1);
        rows[n].appliance = sql_u64(st, 2);
        memcpy(rows[n].key, key.p ? key.p : "", key.n);
        rows[n].f.key = str_of(rows[n].key, key.n);
        rows[n].f.slot_ms = coarser(level, rows[n].slot);
        figure_add_blob(&rows[n].f, sql_str(st, 4));
    }
    sqlite3_reset(st);
    for (size_t i = 0; i < n; i++) {
        if (rows[i].f.report == REPORTS) /* of a newer version: left as it is would be looked at for ever */
            continue;
        sql_run(&r->sql, RP_OLD_REMOVE, "siiis", str_c(report_info(rows[i].f.report)->name), rows[i].slot, (uint64_t)level,
                rows[i].appliance, rows[i].f.key);
        reporting_put(r, rows[i].appliance, level + 1, &rows[i].f);
    }
    return n == FOLD_AT_ONCE;
}

static enum rc fold(struct reporting *r, enum figure_level level, uint64_t before, struct err *e)
{
    struct old_row *rows = calloc(FOLD_AT_ONCE, sizeof *rows);
    bool more = true;
    enum rc rc = RC_OK;

    must(rows);
    while (more && rc == RC_OK) {
        pthread_mutex_lock(&r->lock);
        sql_begin(&r->sql, false);
        more = fold_some(r, level, before, rows);
        rc = sql_commit(&r->sql, e);
        pthread_mutex_unlock(&r->lock);
    }
    free(rows);
    return rc;
}

static enum rc forget(struct reporting *r, uint64_t max_bytes, struct err *e)
{
    enum rc rc = RC_OK;

    pthread_mutex_lock(&r->lock);
    while (rc == RC_OK && sql_number(&r->sql, RP_PAGES, 0, "") * PAGE > max_bytes) {
        uint64_t oldest = sql_number(&r->sql, RP_OLDEST, 0, "");

        sql_begin(&r->sql, false);
        if (!sql_run(&r->sql, RP_FORGET, "i", oldest + DAY)) {
            sql_rollback(&r->sql);
            break;
        }
        rc = sql_commit(&r->sql, e);
    }
    pthread_mutex_unlock(&r->lock);
    return rc;
}

enum rc reporting_age(struct reporting *r, uint64_t now_ms, uint64_t max_bytes, struct err *e)
{
    static const uint64_t days[] = {8, 100, 400}; /* quarters, hours and days are kept so long */

    for (unsigned i = 0; i < 3; i++)
        if (now_ms > days[i] * DAY)
            TRY(fold(r, (enum figure_level)i, coarser((enum figure_level)i, now_ms - days[i] * DAY), e));
    return forget(r, max_bytes, e);
}
