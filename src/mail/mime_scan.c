/*
 * Finds the parts of a multipart between its delimiter lines (RFC 2046 5.1), by every boundary that a reader might use.
 *
 * Called by mime_part.c. Owns nothing. Lines end in LF, with or without CR before it; where a bare CR stands before
 * something like a delimiter, or a line only begins like one, that reading is made too. Each pass over octets is paid from
 * the message's budget, so time is bounded whatever the nesting.
 */
#include "mail/mime_inside.h"

enum line_kind { OTHER, OPEN, CLOSE, LIKE };
enum { LIKES = 8, BOUNDARY_MOST = 998 };

/* How a pass reads, and what it met. */
struct pass {
    struct mime *m;
    struct mime_part *p;
    struct str content, boundary;
    bool loose;   /* a line that begins like a delimiter is one */
    bool bare_cr; /* a CR ends a line */
    size_t opened;
    bool closed;
    struct str like[LIKES]; /* lines that begin like a delimiter, without their first "--" */
    size_t n_like;
};

static bool blank(struct str s)
{
    for (size_t i = 0; i < s.n; i++)
        if (!mime_space(s.p[i]))
            return false;
    return true;
}

static enum line_kind kind_of(struct str line, struct str boundary)
{
    struct str rest;

    if (line.n < 2 + boundary.n || line.p[0] != '-' || line.p[1] != '-' ||
        (boundary.n && memcmp(line.p + 2, boundary.p, boundary.n) != 0))
        return OTHER;
    rest = str_from(line, 2 + boundary.n);
    if (blank(rest))
        return OPEN;
    if (str_starts(rest, str_lit("--")) && blank(str_from(rest, 2)))
        return CLOSE;
    return boundary.n ? LIKE : OTHER;
}

static size_t line_of(const struct pass *s, struct str rest)
{
    size_t n = mime_line(rest);

    if (s->bare_cr) {
        const char *cr = memchr(rest.p, '\r', n);

        if (cr && (size_t)(cr - rest.p) + 2 != n && (size_t)(cr - rest.p) + 1 < n)
            return (size_t)(cr - rest.p) + 1;
    }
    return n;
}

static struct str without_end(struct str s)
{
    if (s.n && s.p[s.n - 1] == '\n')
        s.n--;
    if (s.n && s.p[s.n - 1] == '\r')
        s.n--;
    return s;
}

/* Does a line of it name a field of MIME, or begin a uuencoded file? *at: where. */
static bool looks_like_part(struct str s, size_t *at)
{
    for (size_t i = 0; i < s.n; i += mime_line(str_from(s, i))) {
        struct str line = str_from(s, i);

        if (str_startsi(line, str_lit("content-t")) || str_startsi(line, str_lit("content-d")) ||
            (str_starts(line, str_lit("begin ")) && line.n > 9 && ascii_digit(line.p[6]) && ascii_digit(line.p[8]))) {
            *at = i;
            return true;
        }
    }
    return false;
}

/* What stands before the first or behind the last delimiter is for nobody, but some readers show it. */
static void outside(struct pass *s, struct str text)
{
    size_t at;

    if (!text.n || !looks_like_part(text, &at))
        return;
    mime_flaw(s->m, s->p, MIME_FLAW_PREAMBLE);
    s->m->reading++;
    mime_entity(s->m, s->p, str_from(text, at), false);
    s->m->reading--;
}

static void like(struct pass *s, struct str line)
{
    if (s->n_like < LIKES)
        s->like[s->n_like] = str_from(line, 2);
    s->n_like++;
}

static void segment(struct pass *s, struct str text, bool first)
{
    if (first || s->closed)
        outside(s, text);
    else
        mime_entity(s->m, s->p, text, s->p->inside);
}

static void run(struct pass *s)
{
    size_t from = 0, at = 0, n;
    bool first = true;

    if (!mime_spend(s->m, s->content.n))
        return;
    for (; at < s->content.n && !s->m->cut; at += n) {
        struct str rest = str_from(s->content, at), line;
        enum line_kind kind;

        n = line_of(s, rest);
        if (rest.p[0] != '-')
            continue;
        line = without_end(str_first(rest, n));
        kind = kind_of(line, s->boundary);
        if (kind == LIKE) {
            like(s, line);
            kind = s->loose ? OPEN : OTHER;
        }
        if (kind == OTHER)
            continue;
        segment(s, without_end(str_of(s->content.p + from, at - from)), first);
        s->closed = kind == CLOSE;
        s->opened += kind == OPEN;
        first = false;
        from = at + n;
    }
    if (!first && !s->m->cut)
        segment(s, str_from(s->content, from), false);
}

/* Lines that begin like our delimiter are nothing to wonder at when they are those of a multipart inside. */
static bool explained(const struct mime_part *above, struct str line)
{
    for (const struct mime_part *p = above->first; p; p = p->next) {
        if (p->boundary.n && str_starts(line, p->boundary))
            return true;
        if (p->first && explained(p, line))
            return true;
    }
    return false;
}

static bool likes_explained(const struct pass *s)
{
    if (s->n_like > LIKES)
        return false;
    for (size_t i = 0; i < s->n_like; i++)
        if (!explained(s->p, s->like[i]))
            return false;
    return true;
}

/* CR, "--", boundary: without LF. */
static bool has_bare_cr(struct str content, struct str boundary)
{
    for (size_t i = 0; i + 3 + boundary.n <= content.n; i++) {
        const char *cr = memchr(content.p + i, '\r', content.n - i);

        if (!cr)
            return false;
        i = (size_t)(cr - content.p);
        if (str_starts(str_from(content, i + 1), str_lit("--")) && str_starts(str_from(content, i + 3), boundary))
            return true;
    }
    return false;
}

/* All passes by one boundary; how many parts it opened in the first. */
static size_t by_boundary(struct mime *m, struct mime_part *p, struct str content, struct str boundary)
{
    struct pass s = {.m = m, .p = p, .content = content, .boundary = boundary}, again;

    run(&s);
    if (m->cut)
        return s.opened;
    if (s.n_like && !likes_explained(&s)) {
        again = (struct pass){.m = m, .p = p, .content = content, .boundary = boundary, .loose = true};
        mime_flaw(m, p, MIME_FLAW_BOUNDARY_PREFIX);
        m->reading++;
        run(&again);
        m->reading--;
    }
    if (mime_spend(m, content.n) && has_bare_cr(content, boundary)) {
        again = (struct pass){.m = m, .p = p, .content = content, .boundary = boundary, .bare_cr = true};
        mime_flaw(m, p, MIME_FLAW_BARE_CR);
        m->reading++;
        run(&again);
        m->reading--;
    }
    if (s.opened && !s.closed)
        mime_flaw(m, p, MIME_FLAW_NO_END);
    return s.opened;
}

/* Without a usable boundary some readers take the first line that looks like a delimiter. */
static bool guess(struct str content, struct str *out)
{
    for (size_t i = 0; i < content.n; i += mime_line(str_from(content, i))) {
        struct str rest = str_from(content, i), line = str_trim(str_first(rest, mime_line(rest)));

        if (line.n < 3 || line.n > BOUNDARY_MOST || !str_starts(line, str_lit("--")))
            continue;
        if (str_startsi(str_from(rest, mime_line(rest)), str_lit("content-"))) {
            *out = str_from(line, 2);
            return true;
        }
    }
    return false;
}

void mime_multipart(struct mime *m, struct mime_part *p, struct str content, const struct str *boundaries, size_t n)
{
    struct str guessed;
    size_t opened = 0;

    if (n > 1)
        mime_flaw(m, p, MIME_FLAW_DUPLICATE_BOUNDARY);
    for (const struct mime_part *q = p->parent; q && n; q = q->parent)
        if (q->boundary.n && str_eq(q->boundary, boundaries[0]))
            mime_flaw(m, p, MIME_FLAW_DUPLICATE_BOUNDARY);
    for (size_t i = 0; i < n && !m->cut; i++) {
        if (i == 0)
            p->boundary = boundaries[0];
        if (!boundaries[i].n)
            mime_flaw(m, p, MIME_FLAW_MISSING_BOUNDARY);
        m->reading += i > 0;
        opened += by_boundary(m, p, content, boundaries[i]);
        m->reading -= i > 0;
    }
    if (opened || m->cut)
        return;
    mime_flaw(m, p, MIME_FLAW_MISSING_BOUNDARY);
    if (mime_spend(m, content.n) && guess(content, &guessed)) {
        m->reading++;
        by_boundary(m, p, content, guessed);
        m->reading--;
    }
}
