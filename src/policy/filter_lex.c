/*
 * The filter language cut into tokens. See filter_lex.h.
 *
 * Called by filter_parse.c alone. Values of strings lie in the arena, everything else is a view of the source. Strings are
 * '...' or "..." on one line; in them \n \r \t, \\, \' and \" are one octet, any other backslash stands for itself, so
 * regular expressions may be written as "\.exe$" and as "\\.exe$".
 */
#include "policy/filter_lex.h"

#include <stdarg.h>
#include <stdio.h>

enum { FOUND_MOST = 40 };

void filter_lex_begin(struct filter_lexer *l, struct arena *a, struct str source)
{
    *l = (struct filter_lexer){.arena = a, .source = source, .line = 1};
}

enum rc filter_wrong(struct filter_place at, struct err *e, const char *fmt, ...)
{
    char text[ERR_TEXT_MAX];
    va_list ap;

    va_start(ap, fmt);
    vsnprintf(text, sizeof text, fmt, ap);
    va_end(ap);
    return err_set(e, RC_SYNTAX, "line %u, column %u: %s", at.line, at.column, text);
}

struct str filter_token_found(struct arena *a, const struct filter_token *t)
{
    struct str shown = str_first(t->raw, FOUND_MOST);
    struct str copy;

    if (t->kind == TOKEN_END)
        return str_lit("the end of the text");
    copy = arena_printf(a, "%s%.*s%s", t->kind == TOKEN_STRING ? "" : "'", STR(shown),
                        t->kind == TOKEN_STRING ? (shown.n < t->raw.n ? "..." : "") : (shown.n < t->raw.n ? "...'" : "'"));
    for (size_t i = 0; i < copy.n; i++)
        if ((unsigned char)copy.p[i] < 32 || copy.p[i] == 127)
            ((char *)(uintptr_t)copy.p)[i] = '?';
    return copy;
}

enum rc filter_expected(struct arena *a, const struct filter_token *found, struct err *e, const char *what, ...)
{
    struct str there = filter_token_found(a, found);
    char text[ERR_TEXT_MAX];
    va_list ap;

    va_start(ap, what);
    vsnprintf(text, sizeof text, what, ap);
    va_end(ap);
    return filter_wrong(found->at, e, "expected %s, found %.*s", text, STR(there));
}

bool filter_token_is(const struct filter_token *t, const char *text)
{
    return (t->kind == TOKEN_MARK || t->kind == TOKEN_WORD) && str_eq(t->text, str_c(text));
}

static void space(struct filter_lexer *l)
{
    bool comment = false;

    for (; l->at < l->source.n; l->at++) {
        char c = l->source.p[l->at];

        if (c == '\n') {
            l->line++;
            l->line_at = l->at + 1;
            comment = false;
        } else if (c == '#') {
            comment = true;
        } else if (!comment && c != ' ' && c != '\t' && c != '\r') {
            return;
        }
    }
}

static bool word_octet(char c)
{
    return ascii_alpha(c) || ascii_digit(c) || c == '_' || c == '-';
}

static bool number_octet(char c)
{
    return ascii_digit(c) || ascii_alpha(c) || c == '.';
}

/* The octet that a backslash and c stand for; 0 = the backslash stays. */
static char escape(char c)
{
    static const char from[] = "nrt\\'\"", to[] = "\n\r\t\\'\"";
    const char *at = c ? strchr(from, c) : NULL;

    return at ? to[at - from] : 0;
}

/* The value of a string that ends before `end`. */
static enum rc string_value(struct filter_lexer *l, size_t end, struct str *out, struct err *e)
{
    size_t from = l->at + 1, n = 0;
    char *value = arena_alloc(l->arena, end - from + 1);

    if (!value)
        return err_set(e, RC_NO_MEMORY, "filter text too large");
    for (size_t i = from; i < end; i++) {
        char c = l->source.p[i], meant = c == '\\' && i + 1 < end ? escape(l->source.p[i + 1]) : 0;

        if (meant)
            i++;
        value[n++] = meant ? meant : c;
    }
    *out = str_of(value, n);
    return RC_OK;
}

static enum rc string(struct filter_lexer *l, struct filter_token *t, struct err *e)
{
    const char *p = l->source.p;
    size_t end = l->at + 1;

    while (end < l->source.n && p[end] != p[l->at] && p[end] != '\n')
        end += p[end] == '\\' && end + 1 < l->source.n && p[end + 1] != '\n' ? 2 : 1;
    if (end >= l->source.n || p[end] != p[l->at]) {
        const char *what = end >= l->source.n ? "the end of the text" : "the end of the line";

        return filter_wrong(t->at, e, "expected %c at the end of the string, found %s", p[l->at], what);
    }
    TRY(string_value(l, end, &t->text, e));
    t->kind = TOKEN_STRING;
    t->raw = str_of(p + l->at, end + 1 - l->at);
    l->at = end + 1;
    return RC_OK;
}

/* Octets of the mark that stands there, 0 = none does. */
static size_t mark(struct str rest)
{
    static const char *const marks[] = {"==", "!=", "<=", ">=", "<", ">", "(", ")", "{", "}", "[", "]", ",", ";", ":"};

    for (size_t i = 0; i < sizeof marks / sizeof *marks; i++)
        if (str_starts(rest, str_c(marks[i])))
            return strlen(marks[i]);
    return 0;
}

static void cut(struct filter_lexer *l, struct filter_token *t, enum filter_token_kind kind, size_t n)
{
    t->kind = kind;
    t->text = t->raw = str_of(l->source.p + l->at, n);
    l->at += n;
}

enum rc filter_lex_next(struct filter_lexer *l, struct filter_token *out, struct err *e)
{
    struct str rest;
    size_t n = 0;
    bool sign;

    space(l);
    *out = (struct filter_token){.at = {l->line, (unsigned)(l->at - l->line_at + 1)}};
    rest = str_from(l->source, l->at);
    if (!rest.n)
        return RC_OK;
    if (rest.p[0] == '"' || rest.p[0] == '\'')
        return string(l, out, e);
    sign = rest.n > 1 && (rest.p[0] == '-' || rest.p[0] == '+');
    if (ascii_digit(rest.p[sign])) {
        for (n = 1; n < rest.n && number_octet(rest.p[n]);)
            n++;
        cut(l, out, TOKEN_NUMBER, n);
    } else if (ascii_alpha(rest.p[0]) || rest.p[0] == '_') {
        while (n < rest.n && word_octet(rest.p[n]))
            n++;
        cut(l, out, TOKEN_WORD, n);
    } else if ((n = mark(rest)) > 0) {
        cut(l, out, TOKEN_MARK, n);
    } else {
        cut(l, out, TOKEN_MARK, 1);
        return filter_expected(l->arena, out, e, "a rule, an action or punctuation");
    }
    return RC_OK;
}
