/*
 * Addresses in the texts and the HTML of a message. See mime.h.
 *
 * Called by policy and scan. The list lies in the message's arena, at most MIME_URLS of them (then the message is cut).
 * HTML is read for the attributes that lead somewhere, its visible text and plain texts for what looks like an address.
 */
#include "mail/mime_url.h"

#include "mail/mime_html.h"
#include "mail/mime_inside.h"

enum { SHOWN_MOST = 1000, WRITTEN_MOST = 4096, BASE_MOST = 512, FIRST = 16 };

struct found {
    struct mime *m;
    struct mime_part *part;
    struct mime_url *items;
    size_t n, cap;
};

static bool grow(struct found *f)
{
    size_t cap = f->cap ? f->cap * 2 : FIRST;
    struct mime_url *more;

    if (f->n >= MIME_URLS) {
        mime_cut(f->m, str_lit("too many addresses"));
        return false;
    }
    if (f->n < f->cap)
        return true;
    more = arena_array(f->m->arena, struct mime_url, cap);
    if (!more)
        return false;
    if (f->n)
        memcpy(more, f->items, f->n * sizeof *more);
    f->items = more;
    f->cap = cap;
    return true;
}

static struct mime_url *add(struct found *f, struct str written, struct str place)
{
    struct str url;

    if (str_startsi(written, str_lit("www.")))
        written = arena_printf(f->m->arena, "http://%.*s", STR(written));
    else if (str_starts(written, str_lit("//")))
        written = arena_printf(f->m->arena, "https:%.*s", STR(written));
    url = mime_url_normal(f->m->arena, written);
    if (!url.n || !grow(f))
        return NULL;
    f->items[f->n] = (struct mime_url){.url = url, .place = place, .part = f->part};
    return &f->items[f->n++];
}

/* --- plain text ----------------------------------------------------------------------------------------------------- */

static bool ends_url(char c)
{
    return (unsigned char)c <= 0x20 || c == '<' || c == '>' || c == '"' || c == 0x7f;
}

/* More closing than opening ones: the last is not the address's. */
static bool unbalanced(struct str url, char open, char close)
{
    size_t n = 0, m = 0;

    for (size_t i = 0; i < url.n; i++) {
        n += url.p[i] == open;
        m += url.p[i] == close;
    }
    return m > n;
}

/* Without what more likely belongs to the sentence: "(see http://example.com/)." */
static struct str without_tail(struct str url)
{
    for (;;) {
        char c = url.n ? url.p[url.n - 1] : 0;

        if (!c ||
            !(strchr(".,;:!?'*", c) || (c == ')' && unbalanced(url, '(', ')')) || (c == ']' && unbalanced(url, '[', ']'))))
            return url;
        url.n--;
    }
}

static size_t scheme_before(struct str text, size_t colon)
{
    static const char *const names[] = {"https", "http", "ftp"};

    for (size_t i = 0; i < 3; i++) {
        size_t n = strlen(names[i]);

        if (colon >= n && str_eqi(str_of(text.p + colon - n, n), str_c(names[i])))
            return n;
    }
    return 0;
}

static size_t take_at(struct found *f, struct str text, size_t from, bool keep)
{
    size_t n = 0;
    struct str url;

    while (from + n < text.n && n < WRITTEN_MOST && !ends_url(text.p[from + n]))
        n++;
    url = without_tail(str_of(text.p + from, n));
    if (str_find(url, '.') < url.n || str_find(url, '[') < url.n || str_find(url, '/') < url.n)
        add(f, url, keep ? url : STR_NONE);
    return from + n;
}

static bool word_starts(struct str text, size_t at)
{
    char before = at ? text.p[at - 1] : ' ';

    return !ascii_alpha(before) && !ascii_digit(before) && before != '.' && before != '-' && before != '/';
}

/* `keep`: the text is the one of the part, so places in it mean something. */
static void from_text(struct found *f, struct str text, bool keep)
{
    size_t at = 0, dot = 0;

    while (at < text.n && !f->m->cut) {
        size_t www = at, scheme;

        if (dot < at || at == 0)
            dot = at + str_find(str_from(text, at), ':');
        /* what stands before the colon may hold "www." */
        while (www < dot) {
            www += str_find(str_of(text.p + www, dot - www), '.');
            if (www < dot && www >= at + 3 && str_eqi(str_of(text.p + www - 3, 3), str_lit("www")) &&
                word_starts(text, www - 3))
                break;
            www += www < dot;
        }
        if (www < dot) {
            at = take_at(f, text, www - 3, keep);
            continue;
        }
        scheme = dot < text.n && dot >= at ? scheme_before(text, dot) : 0;
        if (scheme && dot >= at + scheme && str_starts(str_from(text, dot), str_lit("://")))
            at = take_at(f, text, dot - scheme, keep);
        else
            at = dot + 1;
    }
}

/* --- HTML ----------------------------------------------------------------------------------------------------------- */

static bool leads_somewhere(struct str name)
{
    static const char *const names[] = {"href",   "src",        "action", "background", "data",
                                        "poster", "formaction", "cite",   "xlink:href", "lowsrc"};

    for (size_t i = 0; i < sizeof names / sizeof *names; i++)
        if (str_eqi(name, str_c(names[i])))
            return true;
    return false;
}

static struct str decoded(struct arena *a, struct str value)
{
    char *out;

    if (str_find(value, '&') == value.n)
        return value;
    out = arena_alloc(a, value.n + 1);
    return out ? str_of(out, html_decode(value, out)) : STR_NONE;
}

static bool has_scheme(struct str url)
{
    for (size_t i = 0; i < url.n; i++) {
        if (url.p[i] == ':')
            return true;
        if (!ascii_alpha(url.p[i]) && !ascii_digit(url.p[i]) && (unsigned char)url.p[i] > 0x20)
            return false;
    }
    return false;
}

/* What the attribute leads to, by the <base> of the document when it names no host. */
static struct mime_url *add_link(struct found *f, struct str base, struct str value)
{
    struct str url = decoded(f->m->arena, value), trimmed = str_trim(url);
    bool host = str_starts(trimmed, str_lit("//")) || str_starts(trimmed, str_lit("\\\\"));

    if (base.n && !host && !has_scheme(trimmed) && trimmed.n && trimmed.p[0] != '#')
        url = arena_printf(f->m->arena, "%.*s%s%.*s", STR(base), base.p[base.n - 1] == '/' || trimmed.p[0] == '/' ? "" : "/",
                           STR(trimmed));
    else if (host)
        url = arena_printf(f->m->arena, "//%.*s", STR(str_from(trimmed, 2)));
    return add(f, url, value);
}

/* "0; url=http://..." of a refresh */
static struct str refresh_target(struct str content)
{
    for (size_t i = 0; i + 4 < content.n; i++) {
        if (!str_startsi(str_from(content, i), str_lit("url")))
            continue;
        content = str_trim(str_from(content, i + 3));
        if (!content.n || content.p[0] != '=')
            return STR_NONE;
        content = str_trim(str_from(content, 1));
        if (content.n > 1 && (content.p[0] == '"' || content.p[0] == '\''))
            content = str_of(content.p + 1, content.n - 2);
        return content;
    }
    return STR_NONE;
}

struct reading {
    struct str base;
    size_t anchor; /* index + 1 of the link whose text is being read */
    const char *from;
};

static void close_anchor(struct found *f, struct reading *r, const char *end)
{
    struct str inside = str_of(r->from, (size_t)(end - r->from));

    if (r->anchor)
        f->items[r->anchor - 1].shown = str_trim(mime_html_text(f->m->arena, str_first(inside, SHOWN_MOST)));
    r->anchor = 0;
}

static void take_tag(struct found *f, struct reading *r, const struct html_tag *t)
{
    struct str rest = t->attributes, name, value, url;
    bool a = str_eqi(t->name, str_lit("a")), refresh = str_eqi(t->name, str_lit("meta"));

    if (a)
        close_anchor(f, r, t->whole.p);
    if (t->closes)
        return;
    while (html_attribute(&rest, &name, &value)) {
        struct mime_url *made = NULL;

        if (leads_somewhere(name) && value.n) {
            made = add_link(f, r->base, value);
            if (made && made->url.n <= BASE_MOST && str_eqi(t->name, str_lit("base")))
                r->base = made->url;
        } else if (refresh && str_eqi(name, str_lit("content"))) {
            url = refresh_target(value);
            if (url.n)
                add_link(f, r->base, url);
        }
        if (made && a && !r->anchor) {
            r->anchor = f->n;
            r->from = t->whole.p + t->whole.n;
        }
    }
}

static void from_html(struct found *f, struct str html)
{
    struct reading r = {0};
    struct str rest = html, text;
    struct html_tag t;

    while (!f->m->cut && html_next(&rest, &text, &t)) {
        if (!r.anchor && text.n)
            from_text(f, decoded(f->m->arena, text), str_find(text, '&') == text.n);
        if (t.name.n)
            take_tag(f, &r, &t);
    }
    if (r.anchor)
        close_anchor(f, &r, html.p + html.n);
}

struct mime_urls mime_urls(struct mime *m)
{
    struct found f = {.m = m};

    for (struct mime_part *p = m->all; p; p = p->all_next) {
        struct str text = mime_text(m, p);

        f.part = p;
        if (!text.n)
            continue;
        if (str_eq(p->type, str_lit("text/html")))
            from_html(&f, text);
        else
            from_text(&f, text, true);
    }
    return (struct mime_urls){f.items, f.n};
}
