/*
 * HTML: cutting into tags and texts, entities, the text a reader sees. See mime_html.h and mime.h.
 *
 * Called by policy, scan and mime_url.c. Owns nothing. Time is linear in the octets: a tag or comment that does not end is
 * looked for once.
 */
#include "mail/mime_html.h"

#include "mail/mime.h"

#include <stdlib.h>

enum { ENTITY_MOST = 32 };

static bool space(char c)
{
    return c == ' ' || c == '\t' || c == '\r' || c == '\n' || c == '\f';
}

/* --- tags ----------------------------------------------------------------------------------------------------------- */

/* Where the tag at s (which begins with '<') ends, behind '>'; quotes hide '>'. s.n when it does not end. */
static size_t tag_end(struct str s)
{
    char quote = 0, last = 0;

    for (size_t i = 1; i < s.n; i++) {
        char c = s.p[i];

        if (quote) {
            if (c == quote)
                quote = 0;
        } else if ((c == '"' || c == '\'') && last == '=') {
            quote = c;
        } else if (c == '>') {
            return i + 1;
        }
        if (!space(c))
            last = c;
    }
    return s.n;
}

/* "<!--" to "-->"; browsers also end it at "--!>" and at once at ">" or "->". */
static size_t comment_end(struct str s)
{
    struct str body = str_from(s, 4);
    size_t end;

    if (str_starts(body, str_lit(">")))
        return 5;
    if (str_starts(body, str_lit("->")))
        return 6;
    for (end = 4; end < s.n; end++) {
        struct str rest;

        end += str_find(str_from(s, end), '-');
        rest = str_from(s, end);
        if (str_starts(rest, str_lit("-->")))
            return end + 3;
        if (str_starts(rest, str_lit("--!>")))
            return end + 4;
    }
    return s.n;
}

static size_t find_close(struct str s, struct str name)
{
    for (size_t i = 0; i < s.n;) {
        size_t lt = str_find(str_from(s, i), '<');
        struct str rest = str_from(s, i + lt);

        if (rest.n > 2 + name.n && rest.p[1] == '/' && str_startsi(str_from(rest, 2), name))
            return i + lt;
        i += lt + 1;
    }
    return s.n;
}

/* Contents that are no text. */
static bool opaque(const struct html_tag *t)
{
    return !t->closes &&
           (str_eqi(t->name, str_lit("script")) || str_eqi(t->name, str_lit("style")) || str_eqi(t->name, str_lit("title")));
}

static void cut_tag(struct html_tag *t)
{
    size_t n = 1, from;

    t->closes = t->whole.n > 1 && t->whole.p[1] == '/';
    from = n += t->closes;
    while (n < t->whole.n && !space(t->whole.p[n]) && t->whole.p[n] != '>' && t->whole.p[n] != '/')
        n++;
    t->name = str_of(t->whole.p + from, n - from);
    t->attributes = str_from(t->whole, n);
    if (t->attributes.n && t->attributes.p[t->attributes.n - 1] == '>')
        t->attributes.n--;
}

bool html_next(struct str *rest, struct str *text_out, struct html_tag *tag_out)
{
    size_t at = 0, n;
    struct str tag;

    *tag_out = (struct html_tag){0};
    if (!rest->n)
        return false;
    for (;; at++) {
        at += str_find(str_from(*rest, at), '<');
        if (at + 1 >= rest->n) {
            *text_out = *rest;
            *rest = STR_NONE;
            return true;
        }
        if (ascii_alpha(rest->p[at + 1]) || rest->p[at + 1] == '/' || rest->p[at + 1] == '!' || rest->p[at + 1] == '?')
            break;
    }
    *text_out = str_first(*rest, at);
    tag = str_from(*rest, at);
    n = str_starts(tag, str_lit("<!--"))                  ? comment_end(tag)
        : tag.p[1] == '!' || tag.p[1] == '?'              ? str_find(tag, '>') + 1
        : tag.p[1] == '/' && tag.n > 2 && tag.p[2] == '>' ? 3
                                                          : tag_end(tag);
    tag_out->whole = str_first(tag, n);
    *rest = str_from(tag, n);
    if (tag.p[1] == '!' || tag.p[1] == '?')
        return true;
    cut_tag(tag_out);
    if (opaque(tag_out))
        *rest = str_from(*rest, find_close(*rest, tag_out->name));
    return true;
}

bool html_attribute(struct str *s, struct str *name_out, struct str *value_out)
{
    size_t n = 0;

    while (s->n && (space(s->p[0]) || s->p[0] == '/'))
        *s = str_from(*s, 1);
    if (!s->n)
        return false;
    while (n < s->n && !space(s->p[n]) && s->p[n] != '/' && (s->p[n] != '=' || n == 0))
        n++;
    *name_out = str_first(*s, n);
    *value_out = STR_NONE;
    *s = str_from(*s, n);
    n = 0;
    while (n < s->n && space(s->p[n]))
        n++;
    if (n == s->n || s->p[n] != '=')
        return true;
    *s = str_trim(str_from(*s, n + 1));
    if (s->n && (s->p[0] == '"' || s->p[0] == '\'')) {
        char quote = s->p[0];

        *s = str_from(*s, 1);
        n = str_find(*s, quote);
        *value_out = str_first(*s, n);
        *s = str_from(*s, n + 1);
        return true;
    }
    for (n = 0; n < s->n && !space(s->p[n]);)
        n++;
    *value_out = str_first(*s, n);
    *s = str_from(*s, n);
    return true;
}

/* --- entities ------------------------------------------------------------------------------------------------------- */

static const struct entity {
    const char *name;
    uint32_t code;
} entities[] = {
#define ENTITY(name, code) {name, code},
#include "spec/html_entities.def"
#undef ENTITY
};

static int by_name(const void *key, const void *row)
{
    return str_cmp(*(const struct str *)key, str_c(((const struct entity *)row)->name));
}

static size_t put(uint32_t c, char *out)
{
    if (c == 0 || (c >= 0xd800 && c < 0xe000) || c > 0x10ffff)
        c = 0xfffd;
    if (c < 0x80) {
        out[0] = (char)c;
        return 1;
    }
    if (c < 0x800) {
        out[0] = (char)(0xc0 | c >> 6);
        out[1] = (char)(0x80 | (c & 0x3f));
        return 2;
    }
    if (c < 0x10000) {
        out[0] = (char)(0xe0 | c >> 12);
        out[1] = (char)(0x80 | (c >> 6 & 0x3f));
        out[2] = (char)(0x80 | (c & 0x3f));
        return 3;
    }
    out[0] = (char)(0xf0 | c >> 18);
    out[1] = (char)(0x80 | (c >> 12 & 0x3f));
    out[2] = (char)(0x80 | (c >> 6 & 0x3f));
    out[3] = (char)(0x80 | (c & 0x3f));
    return 4;
}

/* "&#65;", "&#x41;": the octets it takes, 0 = none. */
static size_t number(struct str s, uint32_t *code)
{
    bool hex = s.n > 2 && (s.p[2] == 'x' || s.p[2] == 'X');
    size_t from = hex ? 3 : 2, n = from;
    uint32_t v = 0;

    for (; n < s.n && n < ENTITY_MOST; n++) {
        char c = ascii_lower(s.p[n]);
        int digit = ascii_digit(c) ? c - '0' : hex && c >= 'a' && c <= 'f' ? c - 'a' + 10 : -1;

        if (digit < 0)
            break;
        v = v > 0x110000 ? v : v * (hex ? 16 : 10) + (uint32_t)digit;
    }
    *code = v;
    if (n == from)
        return 0;
    return n < s.n && s.p[n] == ';' ? n + 1 : n;
}

static size_t entity(struct str s, uint32_t *code)
{
    struct str name;
    const struct entity *e;
    size_t n = 1;

    if (s.n < 3)
        return 0;
    if (s.p[1] == '#')
        return number(s, code);
    while (n < s.n && n < ENTITY_MOST && (ascii_alpha(s.p[n]) || ascii_digit(s.p[n])))
        n++;
    if (n == s.n || s.p[n] != ';')
        return 0;
    name = str_of(s.p + 1, n - 1);
    e = bsearch(&name, entities, sizeof entities / sizeof *entities, sizeof *entities, by_name);
    if (!e)
        return 0;
    *code = e->code;
    return n + 1;
}

size_t html_decode(struct str s, char *out)
{
    size_t at = 0;

    while (s.n) {
        size_t n = str_find(s, '&');
        uint32_t code;

        if (n)
            memcpy(out + at, s.p, n);
        at += n;
        s = str_from(s, n);
        if (!s.n)
            break;
        n = entity(s, &code);
        if (n)
            at += put(code, out + at);
        else
            out[at++] = '&';
        s = str_from(s, n ? n : 1);
    }
    return at;
}

/* --- visible text --------------------------------------------------------------------------------------------------- */

static bool breaks_line(struct str name)
{
    static const char *const names[] = {"p",  "br", "div", "tr", "li", "h1",    "h2",  "h3",  "h4",   "h5", "h6",
                                        "hr", "dt", "dd",  "ul", "ol", "table", "w:p", "a:p", "w:br", "row"};

    for (size_t i = 0; i < sizeof names / sizeof *names; i++)
        if (str_eqi(name, str_c(names[i])))
            return true;
    return false;
}

static bool separates(struct str name)
{
    return str_eqi(name, str_lit("td")) || str_eqi(name, str_lit("th")) || str_eqi(name, str_lit("img")) ||
           str_eqi(name, str_lit("w:tab")) || str_eqi(name, str_lit("si")) || str_eqi(name, str_lit("c"));
}

/* style="display:none" and its like, white space ignored */
static bool style_hides(struct str style)
{
    static const char *const words[] = {"display:none", "visibility:hidden", "font-size:0;", "font-size:0px",
                                        "mso-hide:all"};
    char plain[512];
    size_t n = 0;

    for (size_t i = 0; i < style.n && n + 1 < sizeof plain; i++)
        if (!space(style.p[i]))
            plain[n++] = ascii_lower(style.p[i]);
    plain[n++] = ';';
    for (size_t i = 0; i < sizeof words / sizeof *words; i++)
        if (str_find_str(str_of(plain, n), str_c(words[i])) < n)
            return true;
    return false;
}

static bool is_void(struct str name)
{
    static const char *const names[] = {"br", "img", "hr", "input", "meta", "link", "area", "base", "col", "wbr"};

    for (size_t i = 0; i < sizeof names / sizeof *names; i++)
        if (str_eqi(name, str_c(names[i])))
            return true;
    return false;
}

static bool tag_hides(const struct html_tag *t)
{
    struct str rest = t->attributes, name, value;

    if (t->closes || !rest.n || is_void(t->name))
        return false;
    while (html_attribute(&rest, &name, &value))
        if (str_eqi(name, str_lit("hidden")) || (str_eqi(name, str_lit("style")) && style_hides(value)))
            return true;
    return false;
}

struct writer {
    char *p;
    size_t n;
};

/* Text with its entities; runs of white space become one space. */
static void write_text(struct writer *w, struct str text)
{
    size_t from = w->n, n = html_decode(text, w->p + w->n), to = from;

    for (size_t i = from; i < from + n; i++) {
        char c = w->p[i];

        if (!space(c))
            w->p[to++] = c;
        else if (to && w->p[to - 1] != ' ' && w->p[to - 1] != '\n')
            w->p[to++] = ' ';
    }
    w->n = to;
}

static void write_break(struct writer *w, char c)
{
    if (!w->n || w->p[w->n - 1] == '\n' || (c == ' ' && w->p[w->n - 1] == ' '))
        return;
    if (w->p[w->n - 1] == ' ')
        w->n--;
    w->p[w->n++] = c;
}

/* Elements that end where the next of their kind begins. */
static bool ends_itself(struct str name)
{
    return str_eqi(name, str_lit("p")) || str_eqi(name, str_lit("li")) || str_eqi(name, str_lit("td")) ||
           str_eqi(name, str_lit("tr")) || str_eqi(name, str_lit("option"));
}

/* False: something hidden was never closed, so nobody can say how far it hides. */
static bool visible(struct str html, struct writer *w, bool hide)
{
    struct str text, hidden_by = STR_NONE;
    struct html_tag t;
    size_t deep = 0;

    while (html_next(&html, &text, &t)) {
        if (!deep)
            write_text(w, text);
        if (!t.name.n)
            continue;
        if (deep && str_eqi(t.name, hidden_by))
            deep = t.closes ? deep - 1 : ends_itself(t.name) ? 0 : deep + 1;
        if (deep)
            continue;
        if (breaks_line(t.name))
            write_break(w, '\n');
        else if (separates(t.name))
            write_break(w, ' ');
        if (hide && tag_hides(&t)) {
            hidden_by = t.name;
            deep = 1;
        }
    }
    return deep == 0;
}

struct str mime_html_text(struct arena *a, struct str html)
{
    struct writer w = {.p = arena_alloc(a, html.n + 1)};

    if (!w.p)
        return STR_NONE;
    if (!visible(html, &w, true)) {
        w.n = 0;
        visible(html, &w, false);
    }
    return str_of(w.p, w.n);
}
