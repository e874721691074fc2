/*
 * Finds held messages. See search.h.
 *
 * Called by the verbs. Owns nothing. A million messages are never walked when a condition that an index knows chooses few:
 * of the text index, sizes and times the one with fewest rows (counted up to FEW) leads, and its rows are sorted; else the
 * index of the wanted order leads and rows are tested until there are enough.
 */
#include "quarantine/search.h"

#include "base/must.h"

#include <stdlib.h>
#include <time.h>

enum { FEW = 3000, GRAM = 3, SQL_MAX = 32 << 10, PARAMS = 64 };

void search_init(struct search *s, struct arena *a, bool spam)
{
    *s = (struct search){.spam = spam, .a = a, .limit = SEARCH_LIMIT, .down = true};
}

/* ---- words ------------------------------------------------------------------------------------------------------------ */

static enum rc set_size(struct str value, uint64_t *out, struct err *e)
{
    static const struct {
        char suffix;
        uint64_t factor;
    } units[] = {{'k', 1 << 10}, {'m', 1 << 20}, {'g', 1 << 30}};
    uint64_t factor = 1;

    for (size_t i = 0; value.n && i < 3; i++)
        if (ascii_lower(value.p[value.n - 1]) == units[i].suffix) {
            factor = units[i].factor;
            value = str_first(value, value.n - 1);
        }
    if (!str_u64(value, out) || *out > UINT32_MAX * 1024ULL)
        return err_set(e, RC_SYNTAX, "expected a size such as 20480 or 20K");
    *out *= factor;
    return RC_OK;
}

static bool two_digits(struct str *s, int *out)
{
    uint64_t v;

    if (s->n < 2 || !str_u64(str_first(*s, 2), &v))
        return false;
    *out = (int)v;
    *s = str_from(*s, 2);
    return true;
}

static bool take_char(struct str *s, char c)
{
    if (!s->n || s->p[0] != c)
        return false;
    *s = str_from(*s, 1);
    return true;
}

/* 2026-11-21, 2026-11-21T10:00, 2026-11-21T10:00:06, in the zone of this machine; or milliseconds UTC. */
static enum rc set_time(struct str value, bool end, uint64_t *out, struct err *e)
{
    struct tm tm = {.tm_isdst = -1};
    struct str rest = value;
    uint64_t year, all;
    int month = 0;
    bool ok;

    if (str_u64(value, &all) && value.n > 4) {
        *out = all;
        return RC_OK;
    }
    ok = value.n >= 10 && str_u64(str_first(value, 4), &year);
    rest = str_from(value, 4);
    ok = ok && take_char(&rest, '-') && two_digits(&rest, &month) && take_char(&rest, '-') && two_digits(&rest, &tm.tm_mday);
    tm.tm_mon = month - 1;
    tm.tm_hour = end ? 23 : 0;
    tm.tm_min = tm.tm_sec = end ? 59 : 0;
    if (ok && take_char(&rest, 'T')) {
        tm.tm_sec = 0;
        ok = two_digits(&rest, &tm.tm_hour) && take_char(&rest, ':') && two_digits(&rest, &tm.tm_min);
        if (ok && take_char(&rest, ':'))
            ok = two_digits(&rest, &tm.tm_sec);
    }
    if (!ok || rest.n)
        return err_set(e, RC_SYNTAX, "expected a time such as 2026-11-21 or 2026-11-21T10:00");
    tm.tm_year = (int)year - 1900;
    *out = (uint64_t)mktime(&tm) * 1000 + (end ? 999 : 0);
    return RC_OK;
}

static enum rc set_number(struct str value, uint64_t most, uint64_t *out, struct err *e)
{
    if (!str_u64(value, out) || *out > most)
        return err_set(e, RC_SYNTAX, "expected a number up to %llu", (unsigned long long)most);
    return RC_OK;
}

static enum rc set_quarantines(struct quarantine *q, struct search *s, struct str value, struct err *e)
{
    struct str one;

    s->n_quarantines = 0;
    s->some_quarantine = true;
    while (str_split(&value, ',', &one)) {
        uint64_t id = sql_number(&q->sql, Q_quarantine_id, 0, "s", one);

        if (!id || !conf_find(&quarantine_conf(q)->quarantine, one))
            return err_set(e, RC_NOT_FOUND, "there is no quarantine \"%.*s\"", STR(str_first(one, 64)));
        if (s->n_quarantines == sizeof s->quarantines / sizeof *s->quarantines)
            return err_set(e, RC_SYNTAX, "too many quarantines");
        s->quarantines[s->n_quarantines++] = id;
    }
    return RC_OK;
}

static enum rc set_order(struct search *s, struct str value, struct err *e)
{
    static const char *const names[] = {"received", "exit", "sender", "subject", "size"};

    s->down = take_char(&value, '-');
    for (size_t i = 0; i < sizeof names / sizeof *names; i++)
        if (str_eqi(value, str_c(names[i]))) {
            s->order = (enum search_order)i;
            return RC_OK;
        }
    return err_set(e, RC_SYNTAX, "order is received, exit, sender, subject or size, with - before it for downwards");
}

static enum rc set_text(struct search *s, const char *column, struct str how, struct str value, struct err *e)
{
    static const char *const names[] = {"contains", "starts", "ends", "is"};
    struct search_text *t = &s->texts[s->n_texts];

    if (s->n_texts == SEARCH_CONDITIONS)
        return err_set(e, RC_SYNTAX, "too many conditions");
    *t = (struct search_text){.column = column, .value = arena_str(s->a, value)};
    if (str_startsi(how, str_lit("not-"))) {
        t->negated = true;
        how = str_from(how, 4);
    }
    for (size_t i = 0; how.n && i < 4; i++)
        if (str_eqi(how, str_c(names[i]))) {
            t->how = (__typeof__(t->how))i;
            how = STR_NONE;
        }
    if (how.n)
        return err_set(e, RC_SYNTAX, "after the colon: contains, starts, ends or is, with not- before it for the contrary");
    s->n_texts++;
    return RC_OK;
}

static const char *text_column(const struct search *s, struct str key)
{
    static const struct {
        const char *key, *column;
    } columns[] = {{"sender", "m.sender"},
                   {"recipient", "m.recipients"},
                   {"subject", "m.subject"},
                   {"attachment", "m.names"},
                   {"reason", "m.reasons"}};

    if (s->spam && str_eqi(key, str_lit("recipient")))
        return "e.recipient";
    for (size_t i = 0; i < sizeof columns / sizeof *columns; i++)
        if (str_eqi(key, str_c(columns[i].key)))
            return columns[i].column;
    return NULL;
}

static enum rc set_key(struct quarantine *q, struct search *s, struct str key, struct str value, struct err *e)
{
    size_t colon = str_find(key, ':');
    struct str name = str_first(key, colon), how = str_from(key, colon + 1);
    const char *column = text_column(s, name);
    const struct {
        const char *name;
        uint64_t *to;
    } sizes[] = {{"min_size", &s->min_size},
                 {"max_size", &s->max_size},
                 {"min_attachment_size", &s->min_attachment},
                 {"max_attachment_size", &s->max_attachment}};

    if (str_eqi(key, str_lit("limit")))
        return set_number(value, SEARCH_LIMIT_MAX, &s->limit, e);
    if (str_eqi(key, str_lit("offset")))
        return set_number(value, UINT32_MAX, &s->offset, e);
    if (str_eqi(key, str_lit("order")))
        return set_order(s, value, e);
    s->conditions = true;
    if (column)
        return set_text(s, column, how, value, e);
    if (str_eqi(key, str_lit("from")))
        return set_time(value, false, &s->from_ms, e);
    if (str_eqi(key, str_lit("to")))
        return set_time(value, true, &s->to_ms, e);
    if (str_eqi(key, str_lit("mid")))
        return set_number(value, UINT64_MAX >> 1, &s->mid, e);
    for (size_t i = 0; i < sizeof sizes / sizeof *sizes; i++)
        if (str_eqi(key, str_c(sizes[i].name)))
            return set_size(value, sizes[i].to, e);
    if (str_eqi(key, str_lit("host"))) {
        s->host = arena_str(s->a, value);
        return RC_OK;
    }
    if (!s->spam && str_eqi(key, str_lit("quarantine")))
        return set_quarantines(q, s, value, e);
    if (!s->spam && str_eqi(key, str_lit("others")) && (str_eqi(value, str_lit("yes")) || str_eqi(value, str_lit("no")))) {
        s->others = str_eqi(value, str_lit("yes")) ? 1 : 2;
        return RC_OK;
    }
    return err_set(e, RC_SYNTAX, "unknown condition %.*s", STR(str_first(key, 40)));
}

enum rc search_word(struct quarantine *q, struct search *s, struct str word, struct err *e)
{
    size_t eq = str_find(word, '=');
    uint64_t id;

    if (eq < word.n)
        return set_key(q, s, str_first(word, eq), str_from(word, eq + 1), e);
    if (!str_u64(word, &id) || id > UINT64_MAX >> 1)
        return err_set(e, RC_SYNTAX, "expected a number or KEY=VALUE, not %.*s", STR(str_first(word, 40)));
    if (s->n_ids == SEARCH_IDS)
        return err_set(e, RC_SYNTAX, "too many numbers");
    s->ids[s->n_ids++] = id;
    return RC_OK;
}

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

/* What leads the search: SQL of the ids it gives. */
struct lead {
    struct str ids; /* a sub-select of message ids, with the one parameter or none */
    struct str param;
    uint64_t rows;
};

static uint64_t count_few(struct quarantine *q, const struct lead *l)
{
    struct buf sql = BUF(SQL_MAX);
    sqlite3_stmt *st;
    uint64_t n = FEW + 1;

    buf_addf(&sql, "SELECT count(*) FROM (%.*s LIMIT %d)", STR(l->ids), FEW + 1);
    st = sql_prepare(&q->sql, buf_str(&sql));
    if (st && l->param.p)
        sql_put(st, 1, l->param);
    if (st && sql_step(&q->sql, st))
        n = sql_u64(st, 0);
    sql_free(st);
    buf_done(&sql);
    return n;
}

static void try_lead(struct quarantine *q, struct lead *best, struct lead l)
{
    l.rows = count_few(q, &l);
    if (l.rows < best->rows)
        *best = l;
}

static void find_lead(struct quarantine *q, const struct search *s, struct lead *best)
{
    unsigned long long class = s->spam;

    *best = (struct lead){.rows = FEW + 1};
    for (size_t i = 0; i < s->n_texts; i++) {
        struct buf match = BUF(SQL_MAX);

        if (s->texts[i].column[0] == 'm' && grams(&s->texts[i], &match))
            try_lead(
                q, best,
                (struct lead){str_lit("SELECT rowid FROM words WHERE words MATCH ?1"), arena_str(s->a, buf_str(&match)), 0});
        buf_done(&match);
    }
    if (s->min_size || s->max_size)
        try_lead(
            q, best,
            (struct lead){arena_printf(s->a, "SELECT id FROM message WHERE class=%llu AND body_bytes BETWEEN %llu AND %llu",
                                       class, (unsigned long long)s->min_size,
                                       (unsigned long long)(s->max_size ? s->max_size : UINT64_MAX >> 1)),
                          STR_NONE, 0});
    if (s->from_ms || s->to_ms)
        try_lead(
            q, best,
            (struct lead){arena_printf(s->a, "SELECT id FROM message WHERE class=%llu AND received BETWEEN %llu AND %llu",
                                       class, (unsigned long long)s->from_ms,
                                       (unsigned long long)(s->to_ms ? s->to_ms : UINT64_MAX >> 1)),
                          STR_NONE, 0});
    if (!s->spam && s->some_quarantine) {
        struct buf b = BUF(4096);

        buf_add(&b, str_lit("SELECT message FROM hold WHERE quarantine IN ("));
        for (size_t i = 0; i < s->n_quarantines; i++)
            buf_addf(&b, "%s%llu", i ? "," : "", (unsigned long long)s->quarantines[i]);
        buf_addc(&b, ')');
        try_lead(q, best, (struct lead){arena_str(s->a, buf_str(&b)), STR_NONE, 0});
        buf_done(&b);
    }
}

static void lead_ids(struct query *x, const struct lead *l)
{
    size_t hole = str_find_str(l->ids, str_lit("?1"));

    buf_add(&x->sql, str_first(l->ids, hole));
    if (hole < l->ids.n)
        param(x, l->param);
    buf_add(&x->sql, str_from(l->ids, hole + 2));
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
        buf_add(&x->sql, str_lit("SELECT DISTINCT h.message FROM hold h CROSS JOIN message m ON m.id=h.message WHERE "
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
