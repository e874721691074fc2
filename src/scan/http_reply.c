/*
 * Reading an HTTP/1.1 reply. See http_reply.h.
 *
 * Called by engine_rspamd.c with everything that came so far, again after each read. Owns nothing. Anything that two readers
 * could take differently (two lengths, length and chunks, a sign before a number) is refused.
 */
#include "scan/http_reply.h"

struct framing {
    bool has_length, chunked, seen_coding;
    uint64_t length;
};

/* Next line without its end; false: not whole yet, or (`*bad`) no line. */
static bool line(struct str *rest, struct str *out, bool *bad)
{
    size_t n = str_find(*rest, '\n');

    if (n == rest->n)
        return false;
    if (n == 0 || rest->p[n - 1] != '\r' || memchr(rest->p, 0, n) || memchr(rest->p, '\r', n - 1)) {
        *bad = true;
        return false;
    }
    *out = str_first(*rest, n - 1);
    *rest = str_from(*rest, n + 1);
    return true;
}

/* HTTP/1.1 200 OK */
static bool status_line(struct str s, struct http_reply *out)
{
    uint64_t status;

    if (!str_starts(s, str_lit("HTTP/1.")) || s.n < 12 || !ascii_digit(s.p[7]) || s.p[8] != ' ' ||
        !str_u64(str_of(s.p + 9, 3), &status) || status < 100 || (s.n > 12 && s.p[12] != ' '))
        return false;
    out->status = (unsigned)status;
    out->reason = str_trim(str_from(s, 12));
    return true;
}

static bool header(struct str s, struct framing *f)
{
    size_t colon = str_find(s, ':');
    struct str name = str_first(s, colon), value = str_trim(str_from(s, colon + 1));
    uint64_t length;

    if (colon == 0 || colon == s.n || s.p[0] == ' ' || s.p[0] == '\t' || name.p[name.n - 1] == ' ')
        return false;
    if (str_eqi(name, str_lit("Content-Length"))) {
        if (!str_u64(value, &length) || (f->has_length && length != f->length))
            return false;
        f->has_length = true;
        f->length = length;
    }
    if (str_eqi(name, str_lit("Transfer-Encoding"))) {
        if (f->seen_coding || !str_eqi(value, str_lit("chunked")))
            return false;
        f->seen_coding = f->chunked = true;
    }
    return !(f->chunked && f->has_length);
}

static enum http_state head(struct str *rest, struct http_reply *out, struct framing *f)
{
    struct str all = *rest, one;
    bool bad = false;

    for (size_t i = 0; line(rest, &one, &bad); i++) {
        if (i && one.n == 0)
            return HTTP_WHOLE;
        if (i ? !header(one, f) : !status_line(one, out))
            return HTTP_BAD;
    }
    return bad || all.n > HTTP_HEAD_MAX ? HTTP_BAD : HTTP_MORE;
}

/* RFC 9112 7.1; extensions and trailers are passed over. */
static enum http_state chunks(struct arena *a, struct str rest, struct str *out)
{
    struct arena_mark start = arena_mark(a);
    char *body = arena_alloc(a, rest.n + 1);
    bool bad = false;
    size_t n = 0;
    struct str one;
    uint64_t size;

    if (!body)
        return HTTP_BAD;
    for (;;) {
        if (!line(&rest, &one, &bad))
            break;
        one = str_first(one, str_find(one, ';'));
        if (!str_hex(str_trim(one), &size) || size > HTTP_BODY_MAX || n + size > HTTP_BODY_MAX) {
            bad = true;
            break;
        }
        if (size == 0) {
            while (line(&rest, &one, &bad))
                if (one.n == 0) {
                    *out = str_of(body, n);
                    return HTTP_WHOLE;
                }
            break;
        }
        if (rest.n < size + 2)
            break;
        memcpy(body + n, rest.p, size);
        n += size;
        rest = str_from(rest, size);
        if (rest.p[0] != '\r' || rest.p[1] != '\n') {
            bad = true;
            break;
        }
        rest = str_from(rest, 2);
    }
    arena_rewind(a, start);
    return bad ? HTTP_BAD : HTTP_MORE;
}

static enum http_state body(struct arena *a, struct str rest, const struct framing *f, bool ended, struct http_reply *out)
{
    if (f->chunked)
        return chunks(a, rest, &out->body);
    if (f->has_length && f->length > HTTP_BODY_MAX)
        return HTTP_BAD;
    if (f->has_length && rest.n < f->length)
        return HTTP_MORE;
    if (!f->has_length && !ended)
        return rest.n > HTTP_BODY_MAX ? HTTP_BAD : HTTP_MORE;
    out->body = f->has_length ? str_first(rest, f->length) : rest;
    return HTTP_WHOLE;
}

enum http_state http_reply_read(struct arena *a, struct str in, bool ended, struct http_reply *out)
{
    struct framing f;
    enum http_state state;

    do {
        f = (struct framing){0};
        *out = (struct http_reply){0};
        state = head(&in, out, &f);
        if (state != HTTP_WHOLE)
            break;
    } while (out->status < 200);
    if (state == HTTP_WHOLE)
        state = body(a, in, &f, ended, out);
    return state == HTTP_MORE && ended ? HTTP_BAD : state;
}
