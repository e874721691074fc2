/*
 * Checks and turns what stands in parentheses and behind comparisons into values, by the letters of the row's signature.
 *
 * Called by filter_parse.c. Errors say what was expected at which place. One function a kind of value, in a table by letter;
 * letters that name a setting's item or a choice of words are checked by their row in spec/filter_types.def.
 */
#include "policy/filter_args.h"
#include "policy/file_kind.h"
#include "policy/filter_regex.h"
#include "policy/ip_table.h"

#include "mail/address.h"

#include <stdio.h>
#include <stdlib.h>
#include <time.h>

typedef enum rc check(struct arena *a, const struct filter_raw *raw, struct filter_value *v, struct err *e);

static enum rc expected(struct arena *a, char letter, const struct filter_raw *raw, struct err *e)
{
    return filter_expected(a, &raw->token, e, "%s", filter_type(letter)->words);
}

/* --- numbers ------------------------------------------------------------------------------------------------------- */

static enum rc check_whole(struct arena *a, const struct filter_raw *raw, struct filter_value *v, struct err *e)
{
    if (!str_u64(raw->token.text, &v->number))
        return expected(a, v->type, raw, e);
    v->decimal = (double)v->number;
    return RC_OK;
}

/* "-3", "7.5": a sign, digits, one point. */
static enum rc check_decimal(struct arena *a, const struct filter_raw *raw, struct filter_value *v, struct err *e)
{
    struct str s = raw->token.text;
    char text[32];
    size_t points = 0, from = s.n && (s.p[0] == '-' || s.p[0] == '+');

    for (size_t i = from; i < s.n; i++) {
        points += s.p[i] == '.';
        if (!ascii_digit(s.p[i]) && s.p[i] != '.')
            return expected(a, v->type, raw, e);
    }
    if (s.n == from || s.n >= sizeof text || points > 1)
        return expected(a, v->type, raw, e);
    snprintf(text, sizeof text, "%.*s", STR(s));
    v->decimal = strtod(text, NULL);
    v->number = v->decimal > 0 ? (uint64_t)v->decimal : 0;
    return RC_OK;
}

static enum rc check_size(struct arena *a, const struct filter_raw *raw, struct filter_value *v, struct err *e)
{
    static const char units[] = "bkmg";
    struct str s = raw->token.text;
    unsigned shift = 0;

    if (s.n > 1 && ascii_lower(s.p[s.n - 1]) == 'b' && !ascii_digit(s.p[s.n - 2]))
        s.n--;
    if (s.n > 1 && ascii_alpha(s.p[s.n - 1])) {
        const char *unit = strchr(units, ascii_lower(s.p[s.n - 1]));

        if (!unit)
            return expected(a, v->type, raw, e);
        shift = 10 * (unsigned)(unit - units);
        s.n--;
    }
    if (!str_u64(s, &v->number) || v->number > UINT64_MAX >> shift)
        return expected(a, v->type, raw, e);
    v->number <<= shift;
    v->decimal = (double)v->number;
    return RC_OK;
}

/* --- texts --------------------------------------------------------------------------------------------------------- */

static enum rc check_text(struct arena *a, const struct filter_raw *raw, struct filter_value *v, struct err *e)
{
    (void)a;
    (void)raw;
    (void)v;
    (void)e;
    return RC_OK;
}

static enum rc check_regex(struct arena *a, const struct filter_raw *raw, struct filter_value *v, struct err *e)
{
    struct err why = ERR_NONE;
    size_t at;
    enum rc rc = filter_regex_new(a, v->text, v->type == 'R', &v->regex, &at, &why);

    if (rc == RC_SYNTAX)
        return filter_wrong(raw->token.at, e, "the regular expression is not valid: %s (at its character %zu)", why.text,
                            at);
    if (rc != RC_OK)
        return err_set(e, rc, "%s", why.text);
    return RC_OK;
}

static enum rc check_header(struct arena *a, const struct filter_raw *raw, struct filter_value *v, struct err *e)
{
    if (!v->text.n || v->text.n > 255)
        return expected(a, v->type, raw, e);
    for (size_t i = 0; i < v->text.n; i++)
        if (v->text.p[i] <= ' ' || v->text.p[i] == ':' || v->text.p[i] == 127)
            return expected(a, v->type, raw, e);
    return RC_OK;
}

static enum rc check_mail(struct arena *a, const struct filter_raw *raw, struct filter_value *v, struct err *e)
{
    struct str local, domain;

    if (v->text.n && v->text.p[0] == '$')
        return RC_OK; /* a variable: known when it acts */
    if (v->text.n > ADDRESS_MAX || !address_cut(v->text, &local, &domain) || !local.n || !domain.n)
        return expected(a, v->type, raw, e);
    for (size_t i = 0; i < v->text.n; i++)
        if (v->text.p[i] <= ' ' || v->text.p[i] == '<' || v->text.p[i] == '>' || v->text.p[i] == 127)
            return expected(a, v->type, raw, e);
    return RC_OK;
}

static enum rc check_date(struct arena *a, const struct filter_raw *raw, struct filter_value *v, struct err *e)
{
    unsigned month, day, year, hour = 0, minute = 0, second = 0;
    char text[32], rest;
    struct tm tm = {0};
    time_t t;
    int n;

    snprintf(text, sizeof text, "%.*s", STR(str_first(v->text, sizeof text)));
    n = sscanf(text, "%2u/%2u/%4u %2u:%2u:%2u%c", &month, &day, &year, &hour, &minute, &second, &rest);
    if ((n != 6 && n != 3) || v->text.n >= sizeof text || month < 1 || month > 12 || day < 1 || day > 31 || year < 1970 ||
        hour > 23 || minute > 59 || second > 60)
        return expected(a, v->type, raw, e);
    tm.tm_year = (int)year - 1900;
    tm.tm_mon = (int)month - 1;
    tm.tm_mday = (int)day;
    tm.tm_hour = (int)hour;
    tm.tm_min = (int)minute;
    tm.tm_sec = (int)second;
    tm.tm_isdst = -1;
    t = mktime(&tm);
    if (t == (time_t)-1 || tm.tm_mday != (int)day)
        return expected(a, v->type, raw, e);
    v->number = (uint64_t)t * 1000;
    return RC_OK;
}

/* "10.1.1.10-20" is 10.1.1.10 to 10.1.1.20. */
static struct str whole_range(struct arena *a, struct str s)
{
    size_t dash = str_find(s, '-'), dot = str_find_last(str_first(s, dash), '.');
    struct str behind = str_from(s, dash + 1);
    uint64_t last;

    if (dash == s.n || dot >= dash || !str_u64(behind, &last))
        return s;
    return arena_printf(a, "%.*s-%.*s.%.*s", STR(str_first(s, dash)), STR(str_first(s, dot)), STR(behind));
}

static enum rc check_ips(struct arena *a, const struct filter_raw *raw, struct filter_value *v, struct err *e)
{
    struct ip_table *t = arena_new(a, struct ip_table);
    struct err why = ERR_NONE;
    struct str rest = v->text, part;

    if (!t)
        return err_set(e, RC_NO_MEMORY, "too many addresses");
    ip_table_begin(t, a);
    while (str_split(&rest, ',', &part))
        if (ip_table_add(t, whole_range(a, str_trim(part)), 0, &why) != RC_OK)
            return expected(a, v->type, raw, e);
    TRY(ip_table_build(t, e));
    v->ips = t;
    return RC_OK;
}

static enum rc check_kind(struct arena *a, const struct filter_raw *raw, struct filter_value *v, struct err *e)
{
    return file_kind_known(v->text) ? RC_OK : expected(a, v->type, raw, e);
}

/* --- lists --------------------------------------------------------------------------------------------------------- */

static enum rc split_list(struct arena *a, struct str text, struct filter_value *v, struct err *e)
{
    size_t n = 1;
    struct str *items, part;

    for (size_t i = 0; i < text.n; i++)
        n += text.p[i] == ',';
    items = n <= FILTER_LIST ? arena_array(a, struct str, n) : NULL;
    if (!items)
        return err_set(e, RC_NO_MEMORY, "list too long");
    for (n = 0; str_split(&text, ',', &part);)
        items[n++] = str_trim(part);
    v->list = (struct strs){items, n};
    return RC_OK;
}

static enum rc check_list(struct arena *a, const struct filter_raw *raw, struct filter_value *v, struct err *e)
{
    if (raw->bracket)
        v->list = raw->list;
    else
        TRY(split_list(a, v->text, v, e));
    return RC_OK;
}

static bool is_choice(const char *choices, struct str word)
{
    struct str rest = str_c(choices), part;

    while (str_split(&rest, '|', &part))
        if (str_eqi(part, word))
            return true;
    return false;
}

static enum rc check_choice(struct arena *a, const struct filter_raw *raw, struct filter_value *v, struct err *e)
{
    const struct filter_type_row *type = filter_type(v->type);

    TRY(check_list(a, raw, v, e));
    for (size_t i = 0; i < v->list.n; i++)
        if (!is_choice(type->choices, v->list.items[i]))
            return filter_wrong(raw->token.at, e, "expected %s (%s), found \"%.*s\"", type->words, type->choices,
                                STR(str_first(v->list.items[i], 40)));
    return RC_OK;
}

/* --- values -------------------------------------------------------------------------------------------------------- */

static const struct {
    char letter;
    enum filter_token_kind kind;
    check *check;
} checks[] = {
    {'n', TOKEN_NUMBER, check_whole}, {'f', TOKEN_NUMBER, check_decimal}, {'z', TOKEN_NUMBER, check_size},
    {'r', TOKEN_STRING, check_regex}, {'R', TOKEN_STRING, check_regex},   {'h', TOKEN_STRING, check_header},
    {'m', TOKEN_STRING, check_mail},  {'D', TOKEN_STRING, check_date},    {'a', TOKEN_STRING, check_ips},
    {'T', TOKEN_STRING, check_kind},  {'l', TOKEN_STRING, check_list},
};

enum rc filter_value_check(struct arena *a, char letter, const struct filter_raw *raw, struct filter_value *out,
                           struct err *e)
{
    const struct filter_type_row *type = filter_type(letter);
    bool choices = type->choices[0];
    enum filter_token_kind kind = TOKEN_STRING;
    check *fn = choices ? check_choice : check_text;

    *out = (struct filter_value){.type = letter, .bracket = raw->bracket, .at = raw->token.at, .text = raw->token.text};
    for (size_t i = 0; i < sizeof checks / sizeof *checks; i++)
        if (checks[i].letter == letter) {
            kind = checks[i].kind;
            fn = checks[i].check;
        }
    if (raw->bracket ? letter != 'l' && !choices : raw->token.kind != kind)
        return expected(a, letter, raw, e);
    if (raw->bracket)
        out->text = STR_NONE;
    return fn(a, raw, out, e);
}

/* The letter of argument i, 0 = there is none; least and most numbers of arguments. */
static char letter_at(const char *signature, size_t i)
{
    char last = 0;

    for (const char *p = signature; *p; p++) {
        if (*p == '|')
            continue;
        if (*p == '*')
            return last;
        last = *p;
        if (i-- == 0)
            return last;
    }
    return 0;
}

static size_t least_of(const char *signature)
{
    size_t n = 0;

    for (; *signature && *signature != '|'; signature++)
        n += *signature != '*';
    return n;
}

enum rc filter_args_check(struct arena *a, const char *name, const char *signature, const struct filter_raw *raw, size_t n,
                          const struct filter_token *end, const struct filter_value **out, struct err *e)
{
    size_t least = least_of(signature);
    struct filter_value *values = arena_array(a, struct filter_value, n + 1);

    if (!values)
        return err_set(e, RC_NO_MEMORY, "filter text too large");
    for (size_t i = 0; i < n; i++) {
        char letter = letter_at(signature, i);

        if (!letter)
            return filter_expected(a, &raw[i].token, e, "no %sargument of %s", n > 1 && i ? "further " : "", name);
        TRY(filter_value_check(a, letter, &raw[i], &values[i], e));
    }
    if (n < least)
        return filter_expected(a, end, e, "%s (argument %zu of %s)", filter_type(letter_at(signature, n))->words, n + 1,
                               name);
    *out = values;
    return RC_OK;
}
