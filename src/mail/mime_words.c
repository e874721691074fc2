/*
 * Encoded words of header fields (RFC 2047), as clients decode them. See mime.h.
 *
 * Called by policy, scan and mime_name.c. Results lie in the arena. Never fails: what is no encoded word stays as it is,
 * octets beyond ASCII are taken as UTF-8 when they are well formed, else as windows-1252.
 */
#include "mail/mime_inside.h"

enum { VALUE_MOST = 65536, WORD_MOST = 2048 };

struct word {
    struct str charset, text;
    char encoding;
    size_t length;
};

/* "=?charset?Q?text?=" at the start of s. */
static bool read_word(struct str s, struct word *out)
{
    struct str rest = str_from(s, 2);
    size_t one = str_find(rest, '?'), end;

    if (!str_starts(s, str_lit("=?")) || one == rest.n || one + 2 >= rest.n || rest.p[one + 2] != '?')
        return false;
    out->charset = str_first(rest, one);
    out->charset.n = str_find(out->charset, '*'); /* RFC 2231 5: a language */
    out->encoding = ascii_lower(rest.p[one + 1]);
    rest = str_from(rest, one + 3);
    end = str_find_str(str_first(rest, WORD_MOST), str_lit("?="));
    out->text = str_first(rest, end);
    if (end >= rest.n || end >= WORD_MOST || (out->encoding != 'q' && out->encoding != 'b') ||
        str_find_str(out->text, str_lit("=?")) < end)
        return false;
    out->length = (size_t)(rest.p - s.p) + end + 2;
    return true;
}

static void decode_q(struct str in, struct buf *out)
{
    char *to = in.n ? buf_reserve(out, in.n) : NULL, *from = to;
    size_t n = 0;

    if (!to)
        return;
    mime_quoted_printable(in, to, &n);
    for (; from < to + n; from++)
        if (*from == '_')
            *from = ' ';
    out->n += n;
}

/* In Q text "_" is a space, but "=5F" is "_". */
static void decode_text(const struct word *w, struct buf *out)
{
    struct str in = w->text;
    size_t n = 0;
    char *to;

    if (w->encoding == 'b') {
        to = in.n ? buf_reserve(out, in.n) : NULL;
        if (to)
            mime_base64(in, to, &n);
        out->n += n;
        return;
    }
    while (in.n) {
        size_t at = 0;

        while (at < in.n && !str_startsi(str_from(in, at), str_lit("=5f")))
            at++;
        decode_q(str_first(in, at), out);
        if (at < in.n)
            buf_addc(out, '_');
        in = str_from(in, at + 3);
    }
}

static size_t white(struct str s)
{
    size_t n = 0;

    while (n < s.n && mime_space(s.p[n]))
        n++;
    return n;
}

/* A run of encoded words with only white space between; words of one character set are joined before they are converted,
 * since some senders cut characters in two. */
static void take_run(struct arena *a, struct str *in, const struct word *first, struct buf *bytes, struct buf *out)
{
    struct word w = *first, next;
    bool bad = false, more;

    do {
        struct str after = str_from(*in, w.length);

        decode_text(&w, bytes);
        more = read_word(str_from(after, white(after)), &next);
        *in = more ? str_from(after, white(after)) : after;
        if (!more || !str_eqi(next.charset, w.charset)) {
            buf_add(out, mime_to_utf8(a, buf_str(bytes), w.charset, &bad));
            buf_clear(bytes);
        }
        w = next;
    } while (more);
}

struct str mime_decode_words(struct arena *a, struct str value)
{
    struct buf out = BUF(VALUE_MOST * 4), bytes = BUF(VALUE_MOST);
    struct str v = header_unfold(a, value, VALUE_MOST), done;
    struct word w;
    bool bad = false;

    if (str_find_str(v, str_lit("=?")) == v.n)
        return mime_to_utf8(a, v, STR_NONE, &bad);
    while (v.n) {
        size_t n = str_find_str(v, str_lit("=?"));

        if (n < v.n && !read_word(str_from(v, n), &w)) {
            n += 2;
        } else if (n == 0) {
            take_run(a, &v, &w, &bytes, &out);
            continue;
        }
        buf_add(&out, mime_to_utf8(a, str_first(v, n), STR_NONE, &bad));
        v = str_from(v, n);
    }
    done = out.failed ? value : arena_str(a, buf_str(&out));
    buf_done(&out);
    buf_done(&bytes);
    return done;
}

struct str mime_header(struct mime *m, struct str name)
{
    struct str rest = m->headers;
    struct header_field f;

    while (rest.n) {
        if (!header_next(&rest, &f))
            rest = str_from(rest, mime_line(rest));
        else if (str_eqi(f.name, name))
            return mime_decode_words(m->arena, f.value);
    }
    return STR_NONE;
}
