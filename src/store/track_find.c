/*
 * A search inside one partition. See track_find.h.
 *
 * Called by track_search.c with a connection that reads. Owns the conditions while it runs. There are three ways: by the
 * index of tokens; by the posting lists of many addresses, one after the other; and row by row, newest first, where so many
 * fit that the newest are soon together. Every candidate is compared with the row itself.
 */
#include "store/track_find.h"

#include "base/must.h"

#include <stdlib.h>

enum { WORDS_IN_MATCH = 48, WORDS_ONE_BY_ONE = 2048, ROWS_ONE_BY_ONE = 32768, ATTACHMENTS_MOST = 400 };

/* --- does a row fit ------------------------------------------------------------------------------------------------------
 */

static bool fits_recipient(const struct word_set *set, struct str rcpt)
{
    uint64_t rid, word;

    while (get_varint(&rcpt, &rid) && get_varint(&rcpt, &word))
        if (word_set_has(set, word))
            return true;
    return false;
}

static bool fits_source(const struct track_find *f, uint64_t src)
{
    if (!f->some_sources)
        return true;
    for (size_t i = 0; i < f->n_sources; i++)
        if (f->sources[i] == src / ROW_KINDS)
            return true;
    return false;
}

static bool fits(const struct track_find *f, sqlite3_stmt *st)
{
    const struct tracking_query *q = f->q;
    uint64_t at = f->day * DAY_MS + sql_u64(st, M_at), src = sql_u64(st, M_src), flags = sql_u64(st, M_flags);
    bool message = src % ROW_KINDS == ROW_MESSAGE;

    return at >= q->from_ms && at <= q->to_ms && (message ? q->messages || !q->rejected : q->rejected) &&
           fits_source(f, src) && (!q->mid || sql_u64(st, M_mid) == q->mid) && (flags & q->flags) == q->flags &&
           (!q->events || flags & q->events) &&
           (!f->sender.given ||
            (sqlite3_column_type(st, M_sender) != SQLITE_NULL && word_set_has(&f->sender, sql_u64(st, M_sender)))) &&
           (!f->recipient.given || fits_recipient(&f->recipient, sql_str(st, M_rcpt))) &&
           (!q->subject.given || track_text_fits(&q->subject, sql_str(st, M_subject)));
}

/* False when no older row can come in any more. */
static bool take(struct track_find *f, sqlite3_stmt *st)
{
    struct track_row row = {0};

    if (!founds_want(f->out, f->day * DAY_MS + sql_u64(st, M_at) + f->late_ms)) {
        f->out->more = true;
        return false;
    }
    if (!fits(f, st))
        return true;
    row.rcpt = BUF(1 << 20);
    row.subject = BUF(4096);
    row.chunks = BUF(1 << 16);
    part_row_read(st, f->day, &row);
    founds_add(f->out, &row, f->part);
    return true;
}

static bool take_id(struct track_find *f, uint64_t id)
{
    sqlite3_stmt *st = sql_bind(f->sql, T_row_get, "i", id);
    bool go_on = !sql_step(f->sql, st) || take(f, st);

    sqlite3_reset(st);
    return go_on;
}

/* --- which ids: rows lie in about the order of receipt ------------------------------------------------------------------
 */

static uint64_t time_of(struct track_find *f, uint64_t id)
{
    sqlite3_stmt *st = sql_bind(f->sql, T_row_get, "i", id);
    uint64_t at = sql_step(f->sql, st) ? f->day * DAY_MS + sql_u64(st, M_at) : 0;

    sqlite3_reset(st);
    return at;
}

static void narrow(struct track_find *f)
{
    const struct tracking_query *q = f->q;
    uint64_t low = 1, high = f->high, end = f->high;

    while (low < high) { /* an id beyond which all is too new */
        uint64_t mid = low + (high - low) / 2;

        if (time_of(f, mid) > q->to_ms + f->late_ms)
            high = end = mid;
        else
            low = mid + 1;
    }
    f->high = end;
    low = 1;
    high = end;
    while (q->from_ms && low < high) { /* one before which all is too old */
        uint64_t mid = low + (high - low + 1) / 2;

        if (time_of(f, mid) + f->late_ms < q->from_ms)
            low = mid;
        else
            high = mid - 1;
    }
    f->low = low;
}

/* --- conditions for the index --------------------------------------------------------------------------------------------
 */

static void both(struct buf *match)
{
    if (match->n)
        buf_add(match, str_lit(" AND "));
}

static void add_words(struct buf *match, char prefix, const struct word_set *s)
{
    both(match);
    buf_addc(match, '(');
    for (size_t i = 0; i < s->n; i++) {
        if (i)
            buf_add(match, str_lit(" OR "));
        track_match_number(match, prefix, s->ids[i]);
    }
    buf_addc(match, ')');
}

static enum rc make_match(struct track_find *f, struct err *e)
{
    const struct tracking_query *q = f->q;
    struct buf subject = BUF(1 << 16);
    bool first = true;

    for (size_t i = 0; i < q->n_exact; i++) {
        both(&f->match);
        track_match_exact(&f->match, q->exact[i].kind, q->exact[i].value);
    }
    if (f->sender.given && f->sender.n <= WORDS_IN_MATCH)
        add_words(&f->match, 's', &f->sender);
    if (f->recipient.given && f->recipient.n <= WORDS_IN_MATCH)
        add_words(&f->match, 'r', &f->recipient);
    if (f->attachment.n > ATTACHMENTS_MOST)
        return err_set(e, RC_LIMIT, "more than %d names of attachments fit, say more of the name", ATTACHMENTS_MOST);
    if (f->attachment.given)
        add_words(&f->match, 'a', &f->attachment);
    if (q->subject.given && q->subject.how != HOW_EMPTY &&
        track_match_trigrams(&subject, 'x', q->subject.value, q->subject.how != HOW_CONTAINS)) {
        both(&f->match);
        buf_add(&f->match, buf_str(&subject));
    }
    buf_done(&subject);
    if (q->flags & TRACK_BIT(OUTGOING)) { /* the rarer direction; the other one is only compared */
        both(&f->match);
        track_match_number(&f->match, 'e', FLAG_OUTGOING_BIT);
    }
    for (size_t i = 0; i < TRACK_FLAG_COUNT; i++)
        if (q->events >> i & 1) {
            if (first)
                both(&f->match);
            buf_add(&f->match, first ? str_lit("(") : str_lit(" OR "));
            track_match_number(&f->match, 'e', i);
            first = false;
        }
    if (!first)
        buf_addc(&f->match, ')');
    return f->match.failed ? err_set(e, RC_LIMIT, "the search has too many conditions") : RC_OK;
}

/* --- three ways ----------------------------------------------------------------------------------------------------------
 */

static sqlite3_stmt *rows_of(struct track_find *f, const char *sql, struct str match)
{
    sqlite3_stmt *st = sql_prepare(f->sql, str_c(sql));

    if (st) {
        sqlite3_bind_int64(st, 1, (sqlite3_int64)f->low);
        sqlite3_bind_int64(st, 2, (sqlite3_int64)f->high);
        if (match.n)
            sql_put(st, 3, match);
    }
    return st;
}

static const char by_token[] = "SELECT rowid FROM f WHERE f MATCH ?3 AND rowid BETWEEN ?1 AND ?2 ORDER BY rowid DESC";

static void by_index(struct track_find *f)
{
    sqlite3_stmt *st = rows_of(f, by_token, buf_str(&f->match));

    while (st && sql_step(f->sql, st) && take_id(f, sql_u64(st, 0)))
        ;
    sql_free(st);
}

static void by_scan(struct track_find *f)
{
    sqlite3_stmt *st = rows_of(f, "SELECT * FROM m WHERE id BETWEEN ?1 AND ?2 ORDER BY id DESC", STR_NONE);

    while (st && sql_step(f->sql, st) && take(f, st))
        ;
    sql_free(st);
}

static int downwards(const void *a, const void *b)
{
    uint64_t x = *(const uint64_t *)a, y = *(const uint64_t *)b;

    return x < y ? 1 : x == y ? 0 : -1;
}

/* The rows of each address, then all of them in order; false when they are so many that row by row is better. */
static bool by_words(struct track_find *f, char prefix, const struct word_set *s)
{
    size_t n = 0, cap = 0;
    uint64_t *ids = NULL;
    sqlite3_stmt *st = rows_of(f, by_token, str_lit("\"\""));

    for (size_t i = 0; st && i < s->n && n < ROWS_ONE_BY_ONE; i++) {
        struct buf match = BUF(256);

        track_match_number(&match, prefix, s->ids[i]);
        sqlite3_reset(st);
        sql_put(st, 3, buf_str(&match));
        buf_done(&match);
        while (n < ROWS_ONE_BY_ONE && sql_step(f->sql, st)) {
            if (n == cap) {
                cap = cap ? cap * 2 : 4096;
                must((ids = realloc(ids, cap * sizeof *ids)));
            }
            ids[n++] = sql_u64(st, 0);
        }
    }
    sql_free(st);
    if (n && n < ROWS_ONE_BY_ONE)
        qsort(ids, n, sizeof *ids, downwards);
    for (size_t i = 0; n < ROWS_ONE_BY_ONE && i < n; i++)
        if ((!i || ids[i] != ids[i - 1]) && !take_id(f, ids[i]))
            break;
    free(ids);
    return n < ROWS_ONE_BY_ONE;
}

/* With conditions of the index besides, each row is asked for there. */
static void by_mid(struct track_find *f)
{
    sqlite3_stmt *st = sql_prepare(f->sql, str_lit("SELECT * FROM m WHERE mid=?1"));

    if (st)
        sqlite3_bind_int64(st, 1, (sqlite3_int64)f->q->mid);
    while (st && sql_step(f->sql, st)) {
        f->low = f->high = sql_u64(st, M_id);
        if (f->match.n)
            by_index(f);
        else
            take(f, st);
    }
    sql_free(st);
}

static bool many(const struct word_set *s)
{
    return s->given && s->n > WORDS_IN_MATCH;
}

static void choose(struct track_find *f)
{
    const struct word_set *s = many(&f->sender) ? &f->sender : &f->recipient;
    bool one = many(&f->sender) || many(&f->recipient);

    if (f->q->mid)
        by_mid(f);
    else if (f->match.n)
        by_index(f);
    else if (!one || s->n > WORDS_ONE_BY_ONE || !by_words(f, s == &f->sender ? 's' : 'r', s))
        by_scan(f);
}

enum rc track_find(struct track_find *f, struct err *e)
{
    f->match = BUF(1 << 18);
    f->sql->rc = RC_OK;
    TRY(track_find_words(f, &f->q->sender, &f->sender, e));
    TRY(track_find_words(f, &f->q->recipient, &f->recipient, e));
    TRY(track_find_words(f, &f->q->attachment, &f->attachment, e));
    if ((f->sender.given && !f->sender.n) || (f->recipient.given && !f->recipient.n) ||
        (f->attachment.given && !f->attachment.n))
        return RC_OK;
    TRY(make_match(f, e));
    narrow(f);
    choose(f);
    return f->sql->rc == RC_OK ? RC_OK : err_set(e, f->sql->rc, "%s", f->sql->err.text);
}

void track_find_done(struct track_find *f)
{
    free(f->sender.ids);
    free(f->recipient.ids);
    free(f->attachment.ids);
    buf_done(&f->match);
}
