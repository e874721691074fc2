/*
 * Reads the words of a search. See search.h.
 *
 * Called by the verbs. Owns nothing. A word that is no number and no known KEY=VALUE is RC_SYNTAX with what was expected.
 */
#include "quarantine/search.h"

#include <time.h>

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
