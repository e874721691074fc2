/*
 * A search over all partitions, newest first. See track_search.h.
 *
 * Called in any thread. Owns its list of partitions and the newest rows found so far. A partition is looked into only while
 * it may hold rows that are newer than the oldest of those; when the time is over, what was found is given with a mark.
 */
#include "base/clock.h"
#include "base/must.h"
#include "store/track_find.h"

#include <stdio.h>
#include <stdlib.h>

enum { PROGRESS_OPS = 20000 };

struct search_part {
    char name[PART_NAME];
    uint64_t day;
    struct track_sum sum;
};

struct searching {
    struct tracking *t;
    const struct tracking_query *q;
    struct search_part *parts;
    size_t n;
    struct founds founds;
    uint64_t deadline_ms;
    bool timed_out;
};

/* --- the newest rows ------------------------------------------------------------------------------------------------------
 */

static bool older(const struct found *a, const struct found *b)
{
    return a->row.at_ms != b->row.at_ms ? a->row.at_ms < b->row.at_ms : a->row.key < b->row.key;
}

static void swap(struct found *a, struct found *b)
{
    struct found t = *a;

    *a = *b;
    *b = t;
}

static void sink(struct founds *f, size_t i)
{
    for (size_t child; (child = i * 2 + 1) < f->n; i = child) {
        if (child + 1 < f->n && older(&f->items[child + 1], &f->items[child]))
            child++;
        if (!older(&f->items[child], &f->items[i]))
            return;
        swap(&f->items[child], &f->items[i]);
    }
}

bool founds_want(const struct founds *f, uint64_t at_ms)
{
    return f->n < f->most || at_ms >= f->items[0].row.at_ms;
}

bool founds_add(struct founds *f, struct track_row *row, size_t part)
{
    struct found one = {.row = *row, .part = part};

    if (f->n == f->most) {
        f->more = true;
        if (!f->n || !older(&f->items[0], &one)) {
            track_row_done(row);
            return false;
        }
        track_row_done(&f->items[0].row);
        f->items[0] = one;
        sink(f, 0);
        return true;
    }
    f->items[f->n] = one;
    for (size_t i = f->n++; i && older(&f->items[i], &f->items[(i - 1) / 2]); i = (i - 1) / 2)
        swap(&f->items[i], &f->items[(i - 1) / 2]);
    return true;
}

static int newest_first(const void *a, const void *b)
{
    return older(a, b) ? 1 : older(b, a) ? -1 : 0;
}

/* --- partitions
 * ------------------------------------------------------------------------------------------------------------ */

static int latest_first(const void *a, const void *b)
{
    const struct search_part *x = a, *y = b;

    return x->sum.max_ms < y->sum.max_ms ? 1 : x->sum.max_ms > y->sum.max_ms ? -1 : -strcmp(x->name, y->name);
}

static void choose_parts(struct searching *s)
{
    struct tracking *t = s->t;
    const struct tracking_query *q = s->q;

    pthread_mutex_lock(&t->lock);
    must((s->parts = calloc(t->n_parts + 1, sizeof *s->parts)));
    for (size_t i = 0; i < t->n_parts; i++) {
        const struct track_part *p = t->parts[i];

        if (!p->shown.rows || p->shown.max_ms < q->from_ms || p->shown.min_ms > q->to_ms ||
            (q->mid && (q->mid < p->shown.low || q->mid > p->shown.high)))
            continue;
        memcpy(s->parts[s->n].name, p->name, PART_NAME);
        s->parts[s->n].day = p->day;
        s->parts[s->n++].sum = p->shown;
    }
    pthread_mutex_unlock(&t->lock);
    qsort(s->parts, s->n, sizeof *s->parts, latest_first);
}

static int progress(void *ctx)
{
    struct searching *s = ctx;

    s->timed_out |= s->deadline_ms && clock_mono_ms() > s->deadline_ms;
    return s->timed_out;
}

static void choose_sources(const struct tracking_query *q, struct track_find *f)
{
    sqlite3_stmt *st;

    f->some_sources = q->serial.n || q->host.n;
    if (!f->some_sources)
        return;
    st = sql_bind(f->sql, T_src_list, "");
    while (sql_step(f->sql, st) && f->n_sources < PART_SOURCES)
        if ((!q->serial.n || str_eqi(sql_str(st, 1), q->serial)) &&
            (!q->host.n || str_eqi(sql_str(st, 2), q->host) || str_eqi(sql_str(st, 1), q->host)))
            f->sources[f->n_sources++] = sql_u64(st, 0);
    sqlite3_reset(st);
}

static enum rc search_part(struct searching *s, size_t i, struct track_reader *r, struct err *e)
{
    struct track_find *f = calloc(1, sizeof *f);
    enum rc rc = RC_OK;

    must(f);
    f->sql = &r->sql;
    f->q = s->q;
    f->day = s->parts[i].day;
    f->late_ms = s->parts[i].sum.late_ms;
    f->low = 1;
    f->high = s->parts[i].sum.rows;
    f->out = &s->founds;
    f->part = i;
    sqlite3_exec(r->sql.db, "BEGIN", NULL, NULL, NULL); /* one state of the file for all of it */
    sqlite3_progress_handler(r->sql.db, PROGRESS_OPS, progress, s);
    choose_sources(s->q, f);
    if (!f->some_sources || f->n_sources)
        rc = track_find(f, e);
    sqlite3_progress_handler(r->sql.db, 0, NULL, NULL);
    sqlite3_exec(r->sql.db, "COMMIT", NULL, NULL, NULL);
    track_find_done(f);
    free(f);
    return s->timed_out ? RC_OK : rc;
}

static enum rc search_parts(struct searching *s, struct err *e)
{
    for (size_t i = 0; i < s->n && !s->timed_out; i++) {
        struct track_reader *r;
        enum rc rc;

        if (!founds_want(&s->founds, s->parts[i].sum.max_ms)) {
            s->founds.more = true;
            break;
        }
        r = reader_take(s->t, s->parts[i].name, NULL);
        if (!r)
            continue; /* its day went meanwhile */
        rc = search_part(s, i, r, e);
        reader_give(s->t, r);
        if (rc != RC_OK)
            return rc;
        progress(s);
    }
    return RC_OK;
}

/* --- results
 * --------------------------------------------------------------------------------------------------------------- */

static struct str word_text(struct sql *sql, struct arena *a, uint64_t word)
{
    sqlite3_stmt *st;
    struct str text = STR_NONE;

    if (!word)
        return STR_NONE;
    st = sql_bind(sql, T_word_text, "i", word);
    if (sql_step(sql, st))
        text = arena_str(a, sql_str(st, 0));
    sqlite3_reset(st);
    return text;
}

struct rcpt {
    uint64_t rid;
    struct str address;
};

static int by_rid(const void *a, const void *b)
{
    const struct rcpt *x = a, *y = b;

    return x->rid != y->rid ? (x->rid < y->rid ? -1 : 1) : str_cmp(x->address, y->address);
}

/* In their order; those that an alias stands for (0) behind the others. */
static void fill_recipients(struct sql *sql, struct arena *a, struct str in, struct tracking_hit *h)
{
    struct rcpt *list;
    struct str *items;
    size_t n = 0;
    uint64_t rid, word;

    for (struct str rest = in; get_varint(&rest, &rid) && get_varint(&rest, &word);)
        n++;
    list = calloc(n + 1, sizeof *list);
    must(list);
    n = 0;
    while (get_varint(&in, &rid) && get_varint(&in, &word))
        list[n++] = (struct rcpt){rid ? rid : UINT64_MAX, word_text(sql, a, word)};
    qsort(list, n, sizeof *list, by_rid);
    items = arena_array(a, struct str, n);
    for (size_t i = 0; items && i < n; i++)
        items[i] = list[i].address;
    h->recipients = (struct strs){items, items ? n : 0};
    free(list);
}

static void fill_source(struct sql *sql, struct arena *a, uint64_t id, struct tracking_hit *h)
{
    sqlite3_stmt *st = sql_bind(sql, T_src_list, "");

    while (sql_step(sql, st))
        if (sql_u64(st, 0) == id) {
            h->serial = arena_str(a, sql_str(st, 1));
            h->host = arena_str(a, sql_str(st, 2));
        }
    sqlite3_reset(st);
}

static void fill(struct sql *sql, struct arena *a, const struct search_part *p, const struct track_row *row,
                 struct tracking_hit *h)
{
    *h = (struct tracking_hit){.kind = row->src % ROW_KINDS,
                               .mid = row->key,
                               .at_ms = row->at_ms,
                               .bytes = row->bytes,
                               .flags = row->flags,
                               .state = row->state,
                               .last_epoch = row->last_epoch,
                               .last_number = row->last_number,
                               .has_sender = row->has_sender,
                               .id = row->id};
    memcpy(h->part, p->name, sizeof h->part);
    h->sender = word_text(sql, a, row->sender);
    h->subject = arena_str(a, buf_str(&row->subject));
    fill_recipients(sql, a, buf_str(&row->rcpt), h);
    fill_source(sql, a, row->src / ROW_KINDS, h);
}

static void fill_all(struct searching *s, struct arena *a, size_t from, struct tracking_hits *out)
{
    for (size_t part = 0; part < s->n; part++) {
        struct track_reader *r = NULL;

        for (size_t i = from; i < s->founds.n; i++) {
            if (s->founds.items[i].part != part || (!r && !(r = reader_take(s->t, s->parts[part].name, NULL))))
                continue;
            fill(&r->sql, a, &s->parts[part], &s->founds.items[i].row, &out->items[i - from]);
        }
        if (r)
            reader_give(s->t, r);
    }
    out->n = s->founds.n - from;
}

enum rc tracking_find(struct tracking *t, const struct tracking_query *q, struct arena *a, struct tracking_hits *out,
                      struct err *e)
{
    struct searching s = {.t = t, .q = q, .founds = {.most = q->offset + q->limit}, .deadline_ms = q->deadline_ms};
    size_t from;
    enum rc rc;

    *out = (struct tracking_hits){0};
    must((s.founds.items = calloc(s.founds.most + 1, sizeof *s.founds.items)));
    choose_parts(&s);
    rc = search_parts(&s, e);
    if (s.founds.n)
        qsort(s.founds.items, s.founds.n, sizeof *s.founds.items, newest_first);
    from = q->offset < s.founds.n ? q->offset : s.founds.n;
    out->more = s.founds.more;
    out->timed_out = s.timed_out;
    out->items = arena_array(a, struct tracking_hit, s.founds.n - from + 1);
    if (rc == RC_OK && !out->items)
        rc = err_set(e, RC_NO_MEMORY, "the result is too large, lower the limit");
    if (rc == RC_OK)
        fill_all(&s, a, from, out);
    for (size_t i = 0; i < s.founds.n; i++)
        track_row_done(&s.founds.items[i].row);
    free(s.founds.items);
    free(s.parts);
    return rc;
}
