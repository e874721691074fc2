/*
 * Canonical forms. See dkim_canon.h.
 *
 * Called by dkim_message (verifying) and dkim_stream (signing). Owns nothing but the small buffer of a body in work. Every
 * octet is looked at once.
 */
#include "mail/dkim_canon.h"

#define CRLF "\r\n"

static bool is_blank(char c)
{
    return c == ' ' || c == '\t';
}

/* ---- fields ------------------------------------------------------------------------------------------------------- */

/* As it is, with CRLF for every line end. */
static void simple_put(struct str s, struct buf *out)
{
    while (s.n) {
        size_t lf = str_find(s, '\n');
        struct str line = str_first(s, lf);

        if (lf == s.n) {
            buf_add(out, line);
            return;
        }
        if (line.n && line.p[line.n - 1] == '\r')
            line.n--;
        buf_add(out, line);
        buf_add(out, str_lit(CRLF));
        s = str_from(s, lf + 1);
    }
}

/* Name lower case without white space, value unfolded, runs of white space one space, none at the ends. `gap` is left out.
 */
static void relaxed_put(struct str whole, struct str gap, struct buf *out)
{
    char *to = buf_reserve(out, whole.n + 1);
    size_t colon = str_find(whole, ':'), n = 0, value;
    bool space = false;

    if (!to)
        return;
    for (size_t i = 0; i < colon; i++)
        if (!is_blank(whole.p[i]) && whole.p[i] != '\r' && whole.p[i] != '\n')
            to[n++] = ascii_lower(whole.p[i]);
    if (colon < whole.n)
        to[n++] = ':';
    value = n;
    for (size_t i = colon + 1; i < whole.n; i++) {
        char c = whole.p[i];

        if (gap.n && whole.p + i == gap.p) {
            i += gap.n - 1;
            continue;
        }
        if (is_blank(c)) {
            space = true;
        } else if (c == '\n' || (c == '\r' && (i + 1 == whole.n || whole.p[i + 1] == '\n'))) {
            continue;
        } else {
            if (space && n > value)
                to[n++] = ' ';
            to[n++] = c;
            space = false;
        }
    }
    out->n += n;
}

void dkim_canon_field(enum dkim_canon canon, struct str whole, struct buf *out)
{
    if (canon == DKIM_RELAXED) {
        relaxed_put(whole, STR_NONE, out);
        buf_add(out, str_lit(CRLF));
        return;
    }
    simple_put(whole, out);
    if (!whole.n || whole.p[whole.n - 1] != '\n')
        buf_add(out, str_lit(CRLF));
}

static struct str without_line_end(struct str s)
{
    if (s.n && s.p[s.n - 1] == '\n')
        s.n--;
    if (s.n && s.p[s.n - 1] == '\r')
        s.n--;
    return s;
}

void dkim_canon_signature(enum dkim_canon canon, struct str whole, struct str b, struct buf *out)
{
    struct str last = without_line_end(whole);
    size_t at = (size_t)(b.p - whole.p);

    if (at > last.n)
        at = last.n;
    if (b.n > last.n - at)
        b.n = last.n - at;
    if (canon == DKIM_RELAXED) {
        relaxed_put(last, b, out);
        return;
    }
    simple_put(str_first(last, at), out);
    simple_put(str_from(last, at + b.n), out);
}

/* ---- bodies ------------------------------------------------------------------------------------------------------- */

void dkim_canon_begin(struct dkim_canon_body *b, enum dkim_canon canon, dkim_canon_sink *sink, void *ctx)
{
    b->canon = canon;
    b->sink = sink;
    b->ctx = ctx;
    b->bytes = b->empty = 0;
    b->cr = b->space = b->inside = false;
    b->n = 0;
}

static void flush(struct dkim_canon_body *b)
{
    if (b->n)
        b->sink(b->ctx, str_of(b->out, b->n));
    b->n = 0;
}

static void put(struct dkim_canon_body *b, struct str s)
{
    b->bytes += s.n;
    while (s.n) {
        size_t n = s.n < sizeof b->out - b->n ? s.n : sizeof b->out - b->n;

        memcpy(b->out + b->n, s.p, n);
        b->n += n;
        s = str_from(s, n);
        if (b->n == sizeof b->out)
            flush(b);
    }
}

/* What waited to see whether something follows. */
static void settle(struct dkim_canon_body *b)
{
    for (; b->empty; b->empty--)
        put(b, str_lit(CRLF));
    if (b->space)
        put(b, str_lit(" "));
    b->space = false;
    b->inside = true;
}

static void lone_cr(struct dkim_canon_body *b)
{
    b->cr = false;
    settle(b);
    put(b, str_lit("\r"));
}

static void line_end(struct dkim_canon_body *b)
{
    b->cr = b->space = false;
    if (b->inside)
        put(b, str_lit(CRLF));
    else
        b->empty++;
    b->inside = false;
}

/* Octets of one line, without its LF; a CR at the very end waits. */
static void simple_line(struct dkim_canon_body *b, struct str line)
{
    bool cr = line.n && line.p[line.n - 1] == '\r';

    if (line.n && b->cr)
        lone_cr(b);
    line.n -= cr;
    if (line.n) {
        settle(b);
        put(b, line);
    }
    b->cr |= cr;
}

/* Runs of ordinary octets go as one; a run of white space is noted and settled by what follows. */
static void relaxed_line(struct dkim_canon_body *b, struct str line)
{
    size_t i = 0;

    while (i < line.n) {
        size_t from = i;
        char c = line.p[i];

        if (b->cr)
            lone_cr(b);
        if (is_blank(c)) {
            b->space = true;
            i++;
        } else if (c == '\r') {
            b->cr = true;
            i++;
        } else {
            while (i < line.n && line.p[i] > ' ')
                i++; /* the usual ones */
            while (i < line.n && !is_blank(line.p[i]) && line.p[i] != '\r')
                i++;
            settle(b);
            put(b, str_of(line.p + from, i - from));
        }
    }
}

/* Is there a tab or two spaces in a row? May say yes of a line without. */
static bool needs_work(const char *p, size_t n)
{
    const uint64_t ones = 0x0101010101010101, tops = 0x8080808080808080;
    size_t i = 0;

    for (; i + 9 <= n; i += 8) {
        uint64_t here, next, tab;

        memcpy(&here, p + i, 8);
        memcpy(&next, p + i + 1, 8);
        tab = here ^ ones * '\t';
        here ^= ones * ' ';
        next ^= ones * ' ';
        /* the top bit of each octet that is zero now (and of some above one) */
        if (((here - ones) & ~here & (next - ones) & ~next & tops) | ((tab - ones) & ~tab & tops))
            return true;
    }
    for (; i < n; i++)
        if (p[i] == '\t' || (p[i] == ' ' && i + 1 < n && p[i + 1] == ' '))
            return true;
    return false;
}

/* A line that came as a whole, as nearly all do: most go on as they are but for blanks at the end. */
static bool relaxed_plain(struct dkim_canon_body *b, struct str line)
{
    if (b->cr || b->space || b->inside)
        return false;
    if (line.n && line.p[line.n - 1] == '\r')
        line.n--;
    while (line.n && is_blank(line.p[line.n - 1]))
        line.n--;
    if (line.n && needs_work(line.p, line.n))
        return false;
    if (line.n) {
        settle(b);
        put(b, line);
    }
    line_end(b);
    return true;
}

void dkim_canon_add(struct dkim_canon_body *b, struct str octets)
{
    while (octets.n) {
        size_t lf = str_find(octets, '\n');
        struct str line = str_first(octets, lf);
        bool whole = lf < octets.n;

        if (b->canon == DKIM_SIMPLE)
            simple_line(b, line);
        else if (whole && relaxed_plain(b, line))
            whole = false; /* its end is done too */
        else
            relaxed_line(b, line);
        if (whole)
            line_end(b);
        if (lf == octets.n)
            return;
        octets = str_from(octets, lf + 1);
    }
}

void dkim_canon_end(struct dkim_canon_body *b)
{
    if (b->cr)
        lone_cr(b);
    b->space = false;
    if (b->inside)
        put(b, str_lit(CRLF));
    if (!b->bytes && b->canon == DKIM_SIMPLE)
        put(b, str_lit(CRLF));
    b->inside = false;
    flush(b);
}
