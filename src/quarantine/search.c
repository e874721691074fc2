/*
 * Finds held messages. See search.h.
 *
 * Called by the verbs. Owns nothing. A million messages are never walked when a condition that an index knows chooses few:
 * of the text index, sizes and times the one with fewest rows (counted up to FEW) leads, and its rows are sorted; else the
 * index of the wanted order leads and rows are tested until there are enough.
 */
#include "quarantine/search.h"

#include "base/must.h"

enum { FEW = 3000, ENOUGH = 100, GRAM = 3, SQL_MAX = 128 << 10, PARAMS = 64 };

/* ---- the statement
 * ---------------------------------------------------------------------------------------------------------- */

struct query {
    struct quarantine *q;
    const struct search *s;
    struct buf sql;
    struct str params[PARAMS];
    int n;
};

static void param(struct query *x, struct str value)
{
    must(x->n < PARAMS);
    x->params[x->n++] = value;
    buf_addf(&x->sql, "?%d", x->n);
}

static void number(struct query *x, const char *before, uint64_t v)
{
    buf_addf(&x->sql, "%s%llu", before, (unsigned long long)v);
}

static struct str glob_free(struct arena *a, const char *before, struct str value, const char *behind)
{
    struct buf b = BUF(4096);
    struct str out;

    buf_add(&b, str_c(before));
    for (size_t i = 0; i < value.n; i++) {
        if (value.p[i] == '%' || value.p[i] == '_' || value.p[i] == '\\')
            buf_addc(&b, '\\');
        buf_addc(&b, value.p[i]);
    }
    buf_add(&b, str_c(behind));
    out = arena_str(a, buf_str(&b));
    buf_done(&b);
    return out;
}

static void text_condition(struct query *x, const struct search_text *t)
{
    static const char *const before[] = {"%", "", "%", ""}, *const behind[] = {"%", "%", "", ""};

    buf_addf(&x->sql, " AND %s %sLIKE ", t->column, t->negated ? "NOT " : "");
    param(x, glob_free(x->s->a, before[t->how], str_first(t->value, 1000), behind[t->how]));
    buf_add(&x->sql, str_lit(" ESCAPE '\\'"));
}

static void in_quarantines(struct query *x)
{
    for (size_t i = 0; i < x->s->n_quarantines; i++)
        number(x, i ? "," : "", x->s->quarantines[i]);
}

static void conditions(struct query *x)
{
    const struct search *s = x->s;
    const char *received = s->spam ? "e.received" : "m.received";

    for (size_t i = 0; i < s->n_texts; i++)
        text_condition(x, &s->texts[i]);
    if (s->from_ms)
        buf_addf(&x->sql, " AND %s>=%llu", received, (unsigned long long)s->from_ms);
    if (s->to_ms)
        buf_addf(&x->sql, " AND %s<=%llu", received, (unsigned long long)s->to_ms);
    if (s->min_size)
        number(x, " AND m.body_bytes>=", s->min_size);
    if (s->max_size)
        number(x, " AND m.body_bytes<=", s->max_size);
    if (s->min_attachment)
        number(x, " AND m.largest>=", s->min_attachment);
    if (s->max_attachment)
        number(x, " AND m.largest>0 AND m.largest<=", s->max_attachment);
    if (s->mid)
        number(x, " AND m.mid=", s->mid);
    if (s->host.n) {
        buf_add(&x->sql, str_lit(" AND m.host=(SELECT id FROM name WHERE text="));
        param(x, s->host);
        buf_addc(&x->sql, ')');
    }
    if (s->others)
        buf_addf(&x->sql, " AND (SELECT count(*) FROM hold o WHERE o.message=m.id)%s1", s->others == 1 ? ">" : "=");
}

/* Trigrams of one text condition, as the text index asks for them: all must be there, LIKE decides. */
static bool grams(const struct search_text *t, struct buf *out)
{
    size_t at = 0, n = 0;
    struct str v = t->value;

    if (t->negated)
        return false;
    buf_addf(out, "%s:(", t->column + 2); /* without "m." */
    while (at < v.n && n < 40) {
        size_t end = at, chars = 0, next = 0;

        while (end < v.n && chars < GRAM) {
            end++;
            while (end < v.n && ((unsigned char)v.p[end] & 0xc0) == 0x80)
                end++;
            if (++chars == 1)
                next = end;
        }
        if (chars < GRAM)
            break;
        buf_add(out, n++ ? str_lit(" AND \"") : str_lit("\""));
        for (size_t i = at; i < end; i++) {
            if (v.p[i] == '"')
                buf_addc(out, '"');
            buf_addc(out, v.p[i]);
        }
        buf_addc(out, '"');
        at = next;
    }
    buf_addc(out, ')');
    return n > 0;
}

/* What leads the search: the ids it gives, when they are few. */
struct lead {
    uint64_t *ids;
    size_t rows; /* FEW + 1 = too many */
};

static void try_lead(struct quarantine *q, const struct search *s, struct lead *best, const char *select, struct str param_1)
{
    uint64_t *ids = arena_array(s->a, uint64_t, FEW + 1);
    struct buf sql = BUF(SQL_MAX);
    size_t n = 0;
    sqlite3_stmt *st;

    buf_addf(&sql, "%s LIMIT %d", select, FEW + 1);
    st = sql_prepare(&q->sql, buf_str(&sql));
    if (st && param_1.p)
        sql_put(st, 1, param_1);
    while (ids && st && n <= FEW && sql_step(&q->sql, st))
        ids[n++] = sql_u64(st, 0);
    if (ids && st && n < best->rows)
        *best = (struct lead){ids, n};
    sql_free(st);
    buf_done(&sql);
}

static void try_range(struct quarantine *q, const struct search *s, struct lead *best, const char *column, uint64_t from,
                      uint64_t to)
{
    struct str select =
        arena_printf(s->a, "SELECT id FROM message WHERE class=%d AND %s BETWEEN %llu AND %llu", (int)s->spam, column,
                     (unsigned long long)from, (unsigned long long)(to ? to : UINT64_MAX >> 1));

    if (from || to)
        try_lead(q, s, best, select.p, STR_NONE);
}

/* What is cheap to ask comes first; as soon as one gives very few the rest is not asked. */
static void find_lead(struct quarantine *q, const struct search *s, struct lead *best)
{
    *best = (struct lead){.rows = FEW + 1};
    try_range(q, s, best, "received", s->from_ms, s->to_ms);
    if (best->rows > ENOUGH)
        try_range(q, s, best, "body_bytes", s->min_size, s->max_size);
    if (!s->spam && s->some_quarantine && best->rows > ENOUGH) {
        struct buf b = BUF(4096);

        buf_add(&b, str_lit("SELECT message FROM hold WHERE quarantine IN ("));
        for (size_t i = 0; i < s->n_quarantines; i++)
            buf_addf(&b, "%s%llu", i ? "," : "", (unsigned long long)s->quarantines[i]);
        buf_addc(&b, ')');
        try_lead(q, s, best, arena_str(s->a, buf_str(&b)).p, STR_NONE);
        buf_done(&b);
    }
    for (size_t i = 0; i < s->n_texts && best->rows > ENOUGH; i++) {
        struct buf match = BUF(SQL_MAX);

        if (s->texts[i].column[0] == 'm' && grams(&s->texts[i], &match))
            try_lead(q, s, best, "SELECT rowid FROM words WHERE words MATCH ?1", arena_str(s->a, buf_str(&match)));
        buf_done(&match);
    }
}

static void lead_ids(struct query *x, const struct lead *l)
{
    for (size_t i = 0; i < l->rows; i++)
        number(x, i ? "," : "", l->ids[i]);
}

static void order(struct query *x, const char *expression)
{
    const char *way = x->s->down ? "DESC" : "ASC";

    buf_addf(&x->sql, " ORDER BY %s %s,%s %s", expression, way, x->s->spam ? "e.id" : "m.id", way);
}

static void pvo_sql(struct query *x, const struct lead *lead)
{
    static const char *const columns[] = {"m.received", NULL, "m.sender COLLATE NOCASE", "m.subject COLLATE NOCASE",
                                          "m.body_bytes"};
    static const char *const indexes[] = {"message_received", NULL, "message_sender", "message_subject", "message_size"};
    const struct search *s = x->s;
    bool few = lead->rows <= FEW;

    if (s->order == ORDER_EXIT && !few) { /* by holds, in the order of their exits */
        buf_add(
            &x->sql,
            str_lit(
                "SELECT DISTINCT h.message FROM hold h INDEXED BY hold_exit CROSS JOIN message m ON m.id=h.message WHERE "
                "h.state=0 AND h.quarantine IN ("));
        in_quarantines(x);
        buf_addc(&x->sql, ')');
        conditions(x);
        buf_addf(&x->sql, " ORDER BY h.exit %s", s->down ? "DESC" : "ASC");
        return;
    }
    buf_add(&x->sql, str_lit("SELECT m.id FROM message m"));
    if (!few)
        buf_addf(&x->sql, " INDEXED BY %s", indexes[s->order]);
    buf_add(&x->sql, str_lit(" WHERE m.class=0"));
    if (few) {
        buf_add(&x->sql, str_lit(" AND m.id IN ("));
        lead_ids(x, lead);
        buf_addc(&x->sql, ')');
    }
    buf_add(&x->sql, str_lit(" AND EXISTS(SELECT 1 FROM hold h WHERE h.message=m.id AND h.quarantine IN ("));
    in_quarantines(x);
    buf_add(&x->sql, str_lit("))"));
    conditions(x);
    order(x, columns[s->order] ? columns[s->order] : "(SELECT min(exit) FROM hold h WHERE h.message=m.id AND h.state=0)");
}

static void spam_sql(struct query *x, const struct lead *lead)
{
    static const char *const columns[] = {"e.received", "e.exit", "m.sender COLLATE NOCASE", "m.subject COLLATE NOCASE",
                                          "e.size"};
    bool few = lead->rows <= FEW, one = false;

    for (size_t i = 0; i < x->s->n_texts; i++)
        one = one || (x->s->texts[i].column[0] == 'e' && x->s->texts[i].how == TEXT_IS && !x->s->texts[i].negated);
    buf_add(&x->sql, str_lit("SELECT e.id FROM entry e"));
    if (one) /* a user's own list: by his address */
        buf_add(&x->sql, str_lit(" INDEXED BY entry_recipient"));
    else if (!few && x->s->order == ORDER_RECEIVED)
        buf_add(&x->sql, str_lit(" INDEXED BY entry_received"));
    buf_add(&x->sql, str_lit(" CROSS JOIN message m ON m.id=e.message WHERE 1"));
    if (one)
        for (size_t i = 0; i < x->s->n_texts; i++)
            if (x->s->texts[i].column[0] == 'e' && x->s->texts[i].how == TEXT_IS && !x->s->texts[i].negated) {
                buf_add(&x->sql, str_lit(" AND e.recipient="));
                param(x, x->s->texts[i].value);
                buf_add(&x->sql, str_lit(" COLLATE NOCASE"));
                break;
            }
    if (few && !one) {
        buf_add(&x->sql, str_lit(" AND e.message IN ("));
        lead_ids(x, lead);
        buf_addc(&x->sql, ')');
    }
    conditions(x);
    order(x, columns[x->s->order]);
}

static enum rc given_ids(struct quarantine *q, const struct search *s, uint64_t *ids, size_t most, size_t *n, bool *more)
{
    *n = 0;
    *more = s->n_ids > most;
    for (size_t i = 0; i < s->n_ids && *n < most; i++) {
        enum statement which = s->spam ? Q_entry_get : Q_message_has;

        if (sql_number(&q->sql, which, 0, "i", s->ids[i]))
            ids[(*n)++] = s->ids[i];
    }
    return RC_OK;
}

enum rc search_run(struct quarantine *q, const struct search *s, uint64_t *ids, size_t most, size_t *n, bool *more,
                   struct err *e)
{
    struct query x = {.q = q, .s = s, .sql = BUF(SQL_MAX)};
    struct lead lead;
    sqlite3_stmt *st;
    enum rc rc;

    if (s->n_ids)
        return given_ids(q, s, ids, most, n, more);
    *n = 0;
    *more = false;
    if (!s->spam && !s->n_quarantines)
        return RC_OK;
    find_lead(q, s, &lead);
    if (s->spam)
        spam_sql(&x, &lead);
    else
        pvo_sql(&x, &lead);
    buf_addf(&x.sql, " LIMIT %zu OFFSET %llu", most + 1, (unsigned long long)s->offset);
    st = sql_prepare(&q->sql, buf_str(&x.sql));
    for (int i = 0; st && i < x.n; i++)
        sql_put(st, i + 1, x.params[i]);
    while (st && sql_step(&q->sql, st)) {
        *more = *n == most;
        if (*more)
            break;
        ids[(*n)++] = sql_u64(st, 0);
    }
    sql_free(st);
    buf_done(&x.sql);
    rc = q->sql.rc;
    return rc == RC_OK ? RC_OK : err_set(e, rc, "%s", q->sql.err.text);
}
