/*
 * The words of trace. See trace.h.
 *
 * Called by trace.c with what control passes on. Owns nothing. Every value is checked here, so that the rest can rely on it.
 */
#include "base/clock.h"
#include "mail/address.h"
#include "mail/envelope.h"
#include "scan/trace.h"

#include <stdlib.h>

enum { TIME_LAST_S = 4102444800 }; /* the year 2100 */

struct reading {
    struct arena *a;
    struct trace_options *o;
    struct err *e;
};

static enum rc bad(struct reading *r, const char *what, struct str value)
{
    return err_set(r->e, RC_INVALID, "%s: %.*s", what, STR(str_first(value, 200)));
}

static bool is_visible(struct str s)
{
    for (size_t i = 0; i < s.n; i++)
        if ((unsigned char)s.p[i] <= ' ' || s.p[i] == 0x7f)
            return false;
    return true;
}

static enum rc read_ip(struct reading *r, struct str v)
{
    char text[46];

    if (!ip_parse(v, &r->o->ip))
        return bad(r, "this is no IP address", v);
    r->o->ip_text = arena_str(r->a, ip_text(&r->o->ip, text));
    r->o->has_ip = true;
    return RC_OK;
}

static enum rc read_rdns(struct reading *r, struct str v)
{
    if (v.n && !address_is_domain(v, false))
        return bad(r, "this is no host name", v);
    r->o->rdns = address_lower(r->a, v);
    return RC_OK;
}

static enum rc read_helo(struct reading *r, struct str v)
{
    if (v.n > ADDRESS_DOMAIN_MAX || !is_visible(v))
        return bad(r, "this is no name for HELO", v);
    r->o->helo = v;
    return RC_OK;
}

static enum rc read_listener(struct reading *r, struct str v)
{
    r->o->listener = v;
    return RC_OK;
}

static enum rc read_owner(struct reading *r, struct str v)
{
    r->o->owner = v;
    return RC_OK;
}

/* "-3.4" or "none" */
static enum rc read_reputation(struct reading *r, struct str v)
{
    char text[16], *end;
    double d;

    r->o->has_reputation = true;
    r->o->reputation = (struct reputation){REPUTATION_NONE, 0};
    if (str_eqi(v, str_lit("none")))
        return RC_OK;
    if (!v.n || v.n >= sizeof text || !(ascii_digit(v.p[0]) || v.p[0] == '-' || v.p[0] == '+'))
        return bad(r, "the reputation is a number from -10.0 to 10.0, or none", v);
    memcpy(text, v.p, v.n);
    text[v.n] = '\0';
    d = strtod(text, &end);
    if (*end || !(d >= -10 && d <= 10))
        return bad(r, "the reputation is a number from -10.0 to 10.0, or none", v);
    r->o->reputation = (struct reputation){REPUTATION_NUMBER, (int)(d * 10 + (d < 0 ? -0.5 : 0.5))};
    return RC_OK;
}

static enum rc read_user(struct reading *r, struct str v)
{
    if (!v.n || v.n > ADDRESS_MAX || !is_visible(v))
        return bad(r, "this is no user name", v);
    r->o->user = v;
    return RC_OK;
}

static enum rc read_time(struct reading *r, struct str v)
{
    uint64_t s;

    if (!str_u64(v, &s) || s == 0 || s > TIME_LAST_S)
        return bad(r, "this is no time in seconds since 1970", v);
    r->o->time_ms = s * 1000;
    return RC_OK;
}

static struct str unbracket(struct str v)
{
    return v.n > 1 && v.p[0] == '<' && v.p[v.n - 1] == '>' ? str_of(v.p + 1, v.n - 2) : v;
}

static enum rc read_from(struct reading *r, struct str v)
{
    r->o->from = unbracket(str_trim(v));
    r->o->has_from = true;
    return RC_OK;
}

static enum rc read_to(struct reading *r, struct str v)
{
    struct str *list = arena_array(r->a, struct str, TRACE_RECIPIENTS), one;
    size_t n = 0;

    while (list && str_split(&v, ',', &one)) {
        one = unbracket(str_trim(one));
        if (!one.n)
            continue;
        if (n == TRACE_RECIPIENTS)
            return err_set(r->e, RC_INVALID, "more than %d recipients", TRACE_RECIPIENTS);
        list[n++] = one;
    }
    r->o->to = (struct strs){list, n};
    return RC_OK;
}

static enum rc read_orgdomain(struct reading *r, struct str v)
{
    if (!address_is_domain(v, false))
        return bad(r, "this is no domain", v);
    r->o->orgdomain = address_lower(r->a, v);
    return RC_OK;
}

static enum rc read_tls(struct reading *r, struct str v)
{
    (void)v;
    r->o->tls = true;
    return RC_OK;
}

static enum rc read_message(struct reading *r, struct str v)
{
    (void)v;
    r->o->message = true;
    return RC_OK;
}

static const struct {
    const char *word;
    bool has_value;
    enum rc (*read)(struct reading *r, struct str value);
} rows[] = {
    {"--ip", true, read_ip},
    {"--rdns", true, read_rdns},
    {"--helo", true, read_helo},
    {"--listener", true, read_listener},
    {"--owner", true, read_owner},
    {"--reputation", true, read_reputation},
    {"--auth", true, read_user},
    {"--tls", false, read_tls},
    {"--time", true, read_time},
    {"--from", true, read_from},
    {"--to", true, read_to},
    {"--message", false, read_message},
    {"--orgdomain", true, read_orgdomain},
};

static enum rc read_word(struct reading *r, struct strs words, size_t *at)
{
    struct str word = words.items[(*at)++], value = STR_NONE;

    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        if (!str_eqi(word, str_c(rows[i].word)))
            continue;
        if (rows[i].has_value && *at == words.n)
            return RC_SYNTAX;
        if (rows[i].has_value)
            value = words.items[(*at)++];
        return rows[i].read(r, value);
    }
    return RC_SYNTAX;
}

enum rc trace_options_read(struct arena *a, struct strs words, struct trace_options *out, struct err *e)
{
    struct reading r = {a, out, e};

    *out = (struct trace_options){0};
    for (size_t i = 0; i < words.n;)
        TRY(read_word(&r, words, &i));
    if (out->orgdomain.n)
        return words.n == 2 ? RC_OK : RC_SYNTAX;
    return out->has_ip && out->has_from && out->to.n ? RC_OK : RC_SYNTAX;
}
