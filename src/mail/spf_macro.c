/*
 * Macro strings of SPF: grammar and expansion. See spf_macro.h.
 *
 * Called by spf_record (checking) and spf (expanding). Every text comes from a stranger's DNS or from the client; the result
 * is bounded by `max`. Owns one buffer for the length of a call.
 */
#include "mail/spf_macro.h"

#include "base/buf.h"
#include "mail/domain.h"

#include <arpa/inet.h>

/* One token of a macro-string: a literal octet, or "%%", "%_", "%-", or "%{...}". */
struct token {
    char kind; /* 'c' literal, '%' '_' '-' the short forms, '{' a macro */
    char literal;
    char letter; /* lower case */
    bool url;    /* the letter was upper case */
    bool reverse;
    uint64_t keep; /* right-hand parts, 0 = all */
    struct str delimiters;
};

/* "letter digits r delimiters" between the braces (7.1). */
static bool macro_body(struct str body, struct token *t)
{
    size_t digits = 1;

    if (!body.n || !ascii_alpha(body.p[0]))
        return false;
    t->letter = ascii_lower(body.p[0]);
    t->url = body.p[0] != t->letter;
    if (!strchr("slodiphvcrt", t->letter))
        return false;
    while (digits < body.n && ascii_digit(body.p[digits]))
        digits++;
    t->keep = 0;
    if (digits > 1 && (!str_u64(str_of(body.p + 1, digits - 1), &t->keep) || t->keep == 0))
        return false;
    body = str_from(body, digits);
    t->reverse = body.n && ascii_lower(body.p[0]) == 'r';
    t->delimiters = str_from(body, t->reverse);
    for (size_t i = 0; i < t->delimiters.n; i++)
        if (!memchr(".-+,/_=", t->delimiters.p[i], 7))
            return false;
    return true;
}

/* Cuts a token off *rest. False on a syntax error. */
static bool next_token(struct str *rest, bool explaining, struct token *t)
{
    char c = rest->p[0];
    size_t end;

    if (c != '%') {
        *rest = str_from(*rest, 1);
        t->kind = 'c';
        t->literal = c;
        return (c > 0x20 && c < 0x7f) || (explaining && c == ' ');
    }
    if (rest->n < 2)
        return false;
    t->kind = rest->p[1];
    if (t->kind == '%' || t->kind == '_' || t->kind == '-') {
        *rest = str_from(*rest, 2);
        return true;
    }
    end = str_find(*rest, '}');
    if (t->kind != '{' || end == rest->n || !macro_body(str_of(rest->p + 2, end - 2), t))
        return false;
    *rest = str_from(*rest, end + 1);
    return explaining || !strchr("crt", t->letter);
}

bool spf_macro_valid(struct str text, bool explaining)
{
    struct token t;

    while (text.n)
        if (!next_token(&text, explaining, &t))
            return false;
    return true;
}

/* toplabel of 7.1: letters, digits, inner hyphens; not digits alone. */
static bool top_label(struct str s, const char **why_out)
{
    bool other = false;

    *why_out = "the top label is no label";
    if (!s.n || s.p[0] == '-' || s.p[s.n - 1] == '-')
        return false;
    for (size_t i = 0; i < s.n; i++) {
        if (!ascii_alpha(s.p[i]) && !ascii_digit(s.p[i]) && s.p[i] != '-')
            return false;
        other = other || !ascii_digit(s.p[i]);
    }
    *why_out = "the top label is a number (an address needs ip4: or ip6:)";
    return other;
}

bool spf_domain_spec_valid(struct str text, const char **why_out)
{
    struct str rest = text, tail = text; /* tail: literals behind the last macro */
    struct token t = {0};
    size_t dot;

    *why_out = "the domain is missing";
    if (!text.n)
        return false;
    while (rest.n) {
        *why_out = "a bad character or macro";
        if (!next_token(&rest, false, &t))
            return false;
        if (t.kind != 'c')
            tail = rest;
    }
    if (!tail.n)
        return true;
    if (tail.p[tail.n - 1] == '.')
        tail.n--;
    dot = str_find_last(tail, '.');
    *why_out = "the domain has one label only";
    return dot < tail.n && top_label(str_from(tail, dot + 1), why_out);
}

/* i: dotted quad, or 32 nibbles with dots. */
static void add_i(const struct spf_macros *m, struct buf *out)
{
    for (size_t i = 0; i < m->ip.n; i++) {
        unsigned octet = (unsigned char)m->ip.p[i];

        if (m->ip.n == 4)
            buf_addf(out, "%s%u", i ? "." : "", octet);
        else
            buf_addf(out, "%s%X.%X", i ? "." : "", octet >> 4, octet & 15);
    }
}

static void add_c(const struct spf_macros *m, struct buf *out)
{
    char text[INET6_ADDRSTRLEN];

    if (inet_ntop(m->ip.n == 4 ? AF_INET : AF_INET6, m->ip.p, text, sizeof text))
        buf_add(out, str_c(text));
}

static void add_p(const struct spf_macros *m, struct buf *out)
{
    buf_add(out, m->validated ? m->validated(m->ctx, m->domain) : str_lit("unknown"));
}

static void add_t(const struct spf_macros *m, struct buf *out)
{
    buf_add_u64(out, m->now);
}

/* ROW(letter, text that stands for it): the letters that are texts. */
#define TEXT_LETTERS(ROW) \
    ROW(s, m->sender) \
    ROW(l, m->local) \
    ROW(o, m->sender_domain) \
    ROW(d, m->domain) \
    ROW(h, m->helo) \
    ROW(v, m->ip.n == 4 ? str_lit("in-addr") : str_lit("ip6")) \
    ROW(r, m->receiver.n ? m->receiver : str_lit("unknown"))

#define TEXT_FUNCTION(letter, value) \
    static void add_##letter(const struct spf_macros *m, struct buf *out) \
    { \
        buf_add(out, value); \
    }
TEXT_LETTERS(TEXT_FUNCTION)
#undef TEXT_FUNCTION

static const struct {
    char letter;
    void (*add)(const struct spf_macros *m, struct buf *out);
} LETTERS[] = {
#define TEXT_ROW(letter, value) {#letter[0], add_##letter},
    TEXT_LETTERS(TEXT_ROW)
#undef TEXT_ROW
        {'i', add_i},
    {'p', add_p},
    {'c', add_c},
    {'t', add_t}};

enum { N_LETTERS = sizeof LETTERS / sizeof *LETTERS };

static void letter_value(char letter, const struct spf_macros *m, struct buf *out)
{
    for (size_t i = 0; i < N_LETTERS; i++)
        if (LETTERS[i].letter == letter)
            LETTERS[i].add(m, out);
}

/* Upper-case letters: everything outside the unreserved set of RFC 3986 as %XX (7.3). */
static void add_escaped(struct str s, bool url, struct buf *out)
{
    for (size_t i = 0; i < s.n; i++) {
        char c = s.p[i];

        if (!url || ascii_alpha(c) || ascii_digit(c) || (c && strchr("-._~", c)))
            buf_addc(out, c);
        else
            buf_addf(out, "%%%02X", (unsigned)(unsigned char)c);
    }
}

/* Splits at the delimiters, keeps the right-hand parts (after reversing, if asked), joins with dots. */
static void transform(struct str value, const struct token *t, struct buf *out)
{
    struct str delimiters = t->delimiters.n ? t->delimiters : str_lit(".");
    size_t parts = 1, number = 0, start = 0;
    bool first = true;

    for (size_t i = 0; i < value.n; i++)
        parts += memchr(delimiters.p, value.p[i], delimiters.n) != NULL;
    for (size_t done = 0; done < parts; done++) {
        size_t end;

        if (t->reverse) { /* walk from the right */
            end = number ? start - 1 : value.n;
            start = end;
            while (start > 0 && !memchr(delimiters.p, value.p[start - 1], delimiters.n))
                start--;
        } else {
            start = number ? start : 0;
            end = start;
            while (end < value.n && !memchr(delimiters.p, value.p[end], delimiters.n))
                end++;
        }
        number++;
        if (!t->keep || parts - done <= t->keep) {
            if (!first)
                buf_addc(out, '.');
            first = false;
            add_escaped(str_of(value.p + start, end - start), t->url, out);
        }
        if (!t->reverse)
            start = end + 1;
    }
}

static void expand_token(const struct token *t, const struct spf_macros *m, struct buf *value, struct buf *out)
{
    if (t->kind == 'c') {
        buf_addc(out, t->literal);
    } else if (t->kind != '{') {
        buf_add(out, t->kind == '%' ? str_lit("%") : t->kind == '_' ? str_lit(" ") : str_lit("%20"));
    } else {
        buf_clear(value);
        letter_value(t->letter, m, value);
        transform(value->n ? buf_str(value) : str_lit(""), t, out);
    }
}

enum rc spf_macro_expand(struct arena *a, struct str text, const struct spf_macros *m, bool explaining, size_t max,
                         struct str *out)
{
    struct buf expanded = BUF(max), value = BUF(4096);
    enum rc rc = RC_OK;
    struct token t;

    while (text.n && rc == RC_OK && !expanded.failed) {
        if (next_token(&text, explaining, &t))
            expand_token(&t, m, &value, &expanded);
        else
            rc = RC_SYNTAX;
        if (value.failed)
            rc = RC_TOO_LARGE;
    }
    if (rc == RC_OK && expanded.failed)
        rc = RC_TOO_LARGE;
    if (rc == RC_OK) {
        struct str copy = arena_str(a, buf_str(&expanded));

        rc = copy.p ? RC_OK : RC_NO_MEMORY;
        if (copy.p)
            *out = copy;
    }
    buf_done(&expanded);
    buf_done(&value);
    return rc;
}

enum rc spf_macro_domain(struct arena *a, struct str text, const struct spf_macros *m, struct str *out)
{
    struct str name = STR_NONE;

    TRY(spf_macro_expand(a, text, m, false, 16384, &name));
    if (name.n && name.p[name.n - 1] == '.')
        name.n--;
    while (name.n > DOMAIN_TEXT_MAX && str_find(name, '.') < name.n)
        name = str_from(name, str_find(name, '.') + 1);
    *out = name;
    return RC_OK;
}
