/*
 * Details of a message, and searches by uid, which need them. See track_search.h.
 *
 * Called in any thread. Owns nothing: steps lie in the caller's arena. A chunk that is damaged is RC_CORRUPT.
 */
#include "base/must.h"
#include "store/track_find.h"

#include <stdlib.h>

/* --- steps
 * ----------------------------------------------------------------------------------------------------------------- */

struct collect {
    struct arena *a;
    struct tracking_steps *out;
    size_t cap;
    bool full;
};

static void add_step(void *ctx, uint64_t epoch, uint64_t number, const struct event_record *rec)
{
    struct collect *c = ctx;
    struct event_record *copy = arena_alloc(c->a, sizeof *copy);

    if (!copy || !arena_room(c->a, &c->out->items, c->out->n, &c->cap, sizeof *c->out->items)) {
        c->full = true;
        return;
    }
    memcpy(copy, rec, sizeof *copy);
    c->out->items[c->out->n++] = (struct tracking_step){epoch, number, copy};
}

static struct str text_of_word(void *ctx, struct arena *a, uint64_t word)
{
    struct sql *sql = ctx;
    sqlite3_stmt *st = sql_bind(sql, T_word_text, "i", word);
    struct str text = sql_step(sql, st) ? arena_str(a, sql_str(st, 0)) : STR_NONE;

    sqlite3_reset(st);
    return text;
}

static int by_number(const void *a, const void *b)
{
    const struct tracking_step *x = a, *y = b;

    if (x->epoch != y->epoch)
        return x->epoch < y->epoch ? -1 : 1;
    return x->number < y->number ? -1 : x->number > y->number;
}

static enum rc get_chunk(struct sql *sql, uint64_t id, const struct track_row *row, struct str subject, struct collect *c,
                         struct err *e)
{
    struct steps_words words = {.text = text_of_word, .ctx = sql};
    sqlite3_stmt *st = sql_bind(sql, T_chunk_get, "i", id);
    enum rc rc = RC_OK;

    if (sql_step(sql, st))
        rc = steps_get(sql_str(st, 0), &words, c->a, row->src, row->key, subject, add_step, c, e);
    sqlite3_reset(st);
    return rc;
}

static enum rc get_steps(struct sql *sql, const struct tracking_hit *hit, struct arena *a, struct tracking_steps *out,
                         struct err *e)
{
    struct track_row row = {.rcpt = BUF(1 << 20), .subject = BUF(4096), .chunks = BUF(1 << 16)};
    struct collect c = {.a = a, .out = out};
    sqlite3_stmt *st = sql_bind(sql, T_row_get, "i", hit->id);
    uint64_t chunk = 0, d;
    struct str chunks, subject;
    enum rc rc = RC_OK;

    if (sql_step(sql, st))
        part_row_read(st, 0, &row);
    else
        rc = err_set(e, RC_NOT_FOUND, "the message is not in tracking any more");
    sqlite3_reset(st);
    chunks = buf_str(&row.chunks);
    subject = arena_str(a, buf_str(&row.subject));
    while (rc == RC_OK && get_varint(&chunks, &d))
        rc = get_chunk(sql, chunk += d, &row, subject, &c, e);
    track_row_done(&row);
    if (rc == RC_OK && c.full)
        rc = err_set(e, RC_NO_MEMORY, "the message has too many steps");
    return rc;
}

static void find_uid(struct tracking_steps *s)
{
    for (size_t i = 0; i < s->n; i++) {
        const struct event_record *rec = s->items[i].rec;

        if (rec->type == EVENT_cpq_released && event_as(rec, cpq_released)->uid.n)
            s->uid = event_as(rec, cpq_released)->uid;
        if (rec->type == EVENT_message_start && !s->uid.n)
            s->uid = event_as(rec, message_start)->uid;
    }
}

enum rc tracking_steps(struct tracking *t, const struct tracking_hit *hit, struct arena *a, struct tracking_steps *out,
                       struct err *e)
{
    struct track_reader *r = reader_take(t, hit->part, NULL);
    enum rc rc;

    *out = (struct tracking_steps){0};
    if (!r)
        return err_set(e, RC_NOT_FOUND, "the message is not in tracking any more");
    rc = get_steps(&r->sql, hit, a, out, e);
    reader_give(t, r);
    if (out->n)
        qsort(out->items, out->n, sizeof *out->items, by_number);
    find_uid(out);
    return rc;
}

/* --- by uid
 * ---------------------------------------------------------------------------------------------------------------- */

/* The message that was given the uid first has its own MID in it and no token. */
static enum rc keep_of_uid(struct tracking *t, struct str uid, struct tracking_hits *hits, struct err *e)
{
    size_t n = 0;

    for (size_t i = 0; i < hits->n; i++) {
        struct tracking_steps steps;
        struct arena a;
        enum rc rc;

        arena_init(&a, 4096, 64 << 20);
        rc = tracking_steps(t, &hits->items[i], &a, &steps, e);
        if (rc == RC_OK && str_eqi(steps.uid, uid))
            hits->items[n++] = hits->items[i];
        arena_done(&a);
        if (rc != RC_OK && rc != RC_NOT_FOUND)
            return rc;
    }
    hits->n = n;
    return RC_OK;
}

static int newest_first(const void *a, const void *b)
{
    const struct tracking_hit *x = a, *y = b;

    if (x->at_ms != y->at_ms)
        return x->at_ms < y->at_ms ? 1 : -1;
    return x->mid < y->mid ? 1 : x->mid > y->mid ? -1 : 0;
}

static enum rc by_uid(struct tracking *t, const struct tracking_query *q, struct arena *a, struct tracking_hits *out,
                      struct err *e)
{
    struct tracking_query derived = *q, first = *q;
    struct tracking_hits more = {0};
    struct tracking_hit *all;
    uint64_t mid;

    if (derived.n_exact == QUERY_EXACT)
        return err_set(e, RC_SYNTAX, "too many conditions");
    derived.exact[derived.n_exact].kind = KIND_UID;
    derived.exact[derived.n_exact++].value = q->uid;
    derived.offset = 0;
    TRY(tracking_find(t, &derived, a, out, e));
    if (str_hex(str_first(q->uid, str_find(q->uid, '-')), &mid) && mid && (!q->mid || q->mid == mid)) {
        first.mid = mid;
        first.offset = 0;
        TRY(tracking_find(t, &first, a, &more, e));
        TRY(keep_of_uid(t, q->uid, &more, e));
    }
    all = arena_array(a, struct tracking_hit, out->n + more.n + 1);
    if (!all)
        return err_set(e, RC_NO_MEMORY, "the result is too large, lower the limit");
    if (out->n)
        memcpy(all, out->items, out->n * sizeof *all);
    if (more.n)
        memcpy(all + out->n, more.items, more.n * sizeof *all);
    out->items = all;
    out->n += more.n;
    qsort(all, out->n, sizeof *all, newest_first);
    return RC_OK;
}

enum rc tracking_search(struct tracking *t, const struct tracking_query *q, struct arena *a, struct tracking_hits *out,
                        struct err *e)
{
    return q->uid.n ? by_uid(t, q, a, out, e) : tracking_find(t, q, a, out, e);
}
