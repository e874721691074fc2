/*
 * Words of a search, KEY=VALUE, to a query. See track_search.h.
 *
 * Called by the verb `tracking`, with what an operator typed. Owns nothing. A word that is no known KEY=VALUE is RC_SYNTAX
 * with what was expected.
 */
#include "store/track_search.h"

#include <time.h>

enum { LIMIT_DEFAULT = 100, LIMIT_MOST = 100000 };

void tracking_query_init(struct tracking_query *q, uint64_t most)
{
    *q = (struct tracking_query){.to_ms = UINT64_MAX >> 1, .limit = most < LIMIT_DEFAULT ? most : LIMIT_DEFAULT};
}

/* --- values --------------------------------------------------------------------------------------------------------------
 */

static bool digits(struct str *s, size_t n, int *out)
{
    uint64_t v;

    if (s->n < n || !str_u64(str_first(*s, n), &v))
        return false;
    *out = (int)v;
    *s = str_from(*s, n);
    return true;
}

static bool mark(struct str *s, char c)
{
    if (!s->n || s->p[0] != c)
        return false;
    *s = str_from(*s, 1);
    return true;
}

/* 2026-11-21, 2026-11-21T10:00[:06] in the zone of this machine, with Z in UTC; or milliseconds. */
static enum rc set_time(struct str value, bool end, uint64_t *out, struct err *e)
{
    struct tm tm = {.tm_isdst = -1, .tm_hour = end ? 23 : 0, .tm_min = end ? 59 : 0, .tm_sec = end ? 59 : 0};
    struct str rest = value;
    int month = 0;
    bool ok, whole = end, utc;
    time_t at;

    if (value.n > 8 && str_u64(value, out))
        return *out <= INT64_MAX ? RC_OK : err_set(e, RC_SYNTAX, "expected milliseconds since 1970");
    ok = digits(&rest, 4, &tm.tm_year) && mark(&rest, '-') && digits(&rest, 2, &month) && mark(&rest, '-') &&
         digits(&rest, 2, &tm.tm_mday) && tm.tm_year >= 1970 && month >= 1 && month <= 12 && tm.tm_mday >= 1;
    tm.tm_year -= 1900;
    tm.tm_mon = month - 1;
    if (ok && mark(&rest, 'T')) {
        tm.tm_sec = 0;
        ok = digits(&rest, 2, &tm.tm_hour) && mark(&rest, ':') && digits(&rest, 2, &tm.tm_min);
        if (ok && mark(&rest, ':'))
            ok = digits(&rest, 2, &tm.tm_sec);
    }
    utc = ok && mark(&rest, 'Z');
    at = ok ? (utc ? timegm(&tm) : mktime(&tm)) : 0;
    if (!ok || rest.n || at < 0)
        return err_set(e, RC_SYNTAX, "expected a time such as 2026-11-21 or 2026-11-21T10:00");
    *out = (uint64_t)at * 1000 + (whole ? 999 : 0);
    return RC_OK;
}

static enum rc set_number(struct str value, uint64_t most, uint64_t *out, struct err *e)
{
    if (!str_u64(value, out) || *out > most)
        return err_set(e, RC_SYNTAX, "expected a number up to %llu", (unsigned long long)most);
    return RC_OK;
}

static enum rc set_text(struct track_text *t, struct arena *a, struct str how, struct str value, bool may_be_empty,
                        struct err *e)
{
    static const char *const names[] = {"contains", "begins", "is", "empty"};
    struct buf folded = BUF(QUERY_TEXT * 2);

    t->given = true;
    for (size_t i = 0; how.n && i < (may_be_empty ? 4 : 3); i++)
        if (str_eqi(how, str_c(names[i]))) {
            t->how = (enum track_how)i;
            how = STR_NONE;
        }
    if (how.n)
        return err_set(e, RC_SYNTAX, "expected :contains, :begins%s", may_be_empty ? ", :is or :empty" : " or :is");
    if (t->how != HOW_EMPTY && (!value.n || value.n > QUERY_TEXT) && !(t->how == HOW_IS && !may_be_empty))
        return err_set(e, RC_SYNTAX, "expected a text of at most %d octets", QUERY_TEXT);
    track_fold_case(str_first(value, QUERY_TEXT), &folded);
    t->value = arena_str(a, buf_str(&folded));
    buf_done(&folded);
    return t->value.p ? RC_OK : err_set(e, RC_NO_MEMORY, "out of memory");
}

static enum rc set_exact(struct tracking_query *q, struct arena *a, enum track_kind kind, struct str value, struct err *e)
{
    if (q->n_exact == QUERY_EXACT)
        return err_set(e, RC_SYNTAX, "too many conditions");
    if (!value.n || value.n > 1024)
        return err_set(e, RC_SYNTAX, "expected a value");
    if (kind == KIND_MESSAGE_ID)
        value = track_bare_id(value);
    q->exact[q->n_exact].kind = kind;
    q->exact[q->n_exact++].value = arena_str(a, value);
    return RC_OK;
}

static enum rc set_events(struct tracking_query *q, struct str value, struct err *e)
{
    struct str one;

    while (str_split(&value, ',', &one)) {
        size_t i = 0;

        for (; i < TRACK_FLAG_COUNT; i++)
            if (track_flag_info(i).word.n && str_eqi(one, track_flag_info(i).word))
                break;
        if (i < TRACK_FLAG_COUNT)
            q->events |= 1ull << i;
        else if (str_eqi(one, str_lit("quarantined")))
            q->events |= TRACK_BIT(QUARANTINED_POLICY) | TRACK_BIT(QUARANTINED_VIRUS) | TRACK_BIT(QUARANTINED_OUTBREAK) |
                         TRACK_BIT(QUARANTINED_SPAM);
        else if (str_eqi(one, str_lit("graymail")))
            q->events |= TRACK_BIT(MARKETING) | TRACK_BIT(SOCIAL) | TRACK_BIT(BULK);
        else
            return err_set(e, RC_SYNTAX, "there is no event \"%.*s\"", STR(str_first(one, 64)));
    }
    return RC_OK;
}

static enum rc set_choice(struct tracking_query *q, bool direction, struct str value, struct err *e)
{
    if (direction && str_startsi(value, str_lit("in")))
        q->flags |= TRACK_BIT(INCOMING);
    else if (direction && str_startsi(value, str_lit("out")))
        q->flags |= TRACK_BIT(OUTGOING);
    else if (direction)
        return err_set(e, RC_SYNTAX, "expected in or out");
    else if (str_eqi(value, str_lit("messages")))
        q->messages = true;
    else if (str_eqi(value, str_lit("rejected")))
        q->rejected = true;
    else if (str_eqi(value, str_lit("both")))
        q->rejected = q->messages = true;
    else
        return err_set(e, RC_SYNTAX, "expected messages, rejected or both");
    return RC_OK;
}

/* --- keys ----------------------------------------------------------------------------------------------------------------
 */

static enum rc bare(struct tracking_query *q, struct arena *a, struct str word, struct err *e)
{
    if (str_u64(word, &q->mid) && q->mid && q->mid <= INT64_MAX)
        return RC_OK;
    q->mid = 0;
    if (str_find(word, '-') == word.n || word.n > 128)
        return err_set(e, RC_SYNTAX, "expected KEY=VALUE, a MID or a uid");
    q->uid = arena_str(a, word);
    return RC_OK;
}

static enum rc exact_key(struct tracking_query *q, struct arena *a, struct str key, struct str value, struct err *e)
{
    static const struct {
        const char *key;
        enum track_kind kind;
    } keys[] = {{"message-id", KIND_MESSAGE_ID}, {"ip", KIND_IP},       {"domain", KIND_DOMAIN},
                {"reply-to", KIND_REPLY_TO},     {"user", KIND_USER},   {"policy", KIND_POLICY},
                {"filter", KIND_FILTER},         {"group", KIND_GROUP}, {"quarantine", KIND_QUARANTINE},
                {"country", KIND_COUNTRY},       {"virus", KIND_VIRUS}, {"listener", KIND_LISTENER}};

    for (size_t i = 0; i < sizeof keys / sizeof *keys; i++)
        if (str_eqi(key, str_c(keys[i].key)))
            return set_exact(q, a, keys[i].kind, value, e);
    return err_set(e, RC_SYNTAX, "there is no key \"%.*s\"", STR(str_first(key, 64)));
}

enum rc tracking_query_word(struct tracking_query *q, struct arena *a, struct str word, struct err *e)
{
    size_t at = str_find(word, '=');
    struct str key = str_first(word, at), value = str_from(word, at + 1), how;

    if (at == word.n && !str_eqi(word, str_lit("subject:empty")))
        return bare(q, a, word, e);
    how = str_from(key, str_find(key, ':') + 1);
    key = str_first(key, str_find(key, ':'));
    if (str_eqi(key, str_lit("subject")))
        return set_text(&q->subject, a, how, value, true, e);
    if (str_eqi(key, str_lit("sender")))
        return set_text(&q->sender, a, how, value, false, e);
    if (str_eqi(key, str_lit("recipient")))
        return set_text(&q->recipient, a, how, value, false, e);
    if (str_eqi(key, str_lit("attachment")))
        return set_text(&q->attachment, a, how, value, false, e);
    if (how.n)
        return err_set(e, RC_SYNTAX, "%.*s takes no :%.*s", STR(str_first(key, 64)), STR(str_first(how, 64)));
    if (str_eqi(key, str_lit("from")))
        return set_time(value, false, &q->from_ms, e);
    if (str_eqi(key, str_lit("to")))
        return set_time(value, true, &q->to_ms, e);
    if (str_eqi(key, str_lit("mid")))
        return set_number(value, INT64_MAX, &q->mid, e);
    if (str_eqi(key, str_lit("limit")))
        return set_number(value, LIMIT_MOST, &q->limit, e);
    if (str_eqi(key, str_lit("offset")))
        return set_number(value, LIMIT_MOST, &q->offset, e);
    if (str_eqi(key, str_lit("events")))
        return set_events(q, value, e);
    if (str_eqi(key, str_lit("direction")) || str_eqi(key, str_lit("kind")))
        return set_choice(q, str_eqi(key, str_lit("direction")), value, e);
    if (str_eqi(key, str_lit("host")) || str_eqi(key, str_lit("serial")) || str_eqi(key, str_lit("uid"))) {
        struct str *to = str_eqi(key, str_lit("host")) ? &q->host : str_eqi(key, str_lit("uid")) ? &q->uid : &q->serial;

        *to = arena_str(a, str_first(value, 256));
        return value.n ? RC_OK : err_set(e, RC_SYNTAX, "expected a value");
    }
    return exact_key(q, a, key, value, e);
}
