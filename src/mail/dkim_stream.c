/*
 * A message on its way to be signed: the header section kept, the body hashed. See dkim.h.
 *
 * Called by deliver with what the next hop will get. Owns the copy of the header section and the hash contexts until
 * dkim_stream_done().
 */
#include "mail/dkim_inside.h"

struct dkim_stream *dkim_stream_new(struct dkim *d, struct arena *a, unsigned bodies)
{
    struct dkim_stream *s = arena_new(a, struct dkim_stream);

    if (!s)
        return NULL;
    s->d = d;
    s->a = a;
    s->headers = BUF(DKIM_HEADER_MAX);
    dkim_body_begin(&s->body, d);
    for (unsigned i = 0; i < DKIM_CANONS; i++)
        s->hashes[i] = bodies & 1U << i ? dkim_body_want(&s->body, (enum dkim_canon)i, false, 0) : SIZE_MAX;
    return s;
}

/* Takes one line or the part of it that is there; true when it is the empty one. */
static bool take_line(struct dkim_stream *s, struct str part)
{
    bool ended = part.p[part.n - 1] == '\n', empty;

    buf_add(&s->headers, part);
    empty = ended && (s->line == 0 ? part.n == 1 || (part.n == 2 && part.p[0] == '\r') : s->only_cr && part.n == 1);
    s->only_cr = s->line == 0 && part.n == 1 && part.p[0] == '\r';
    s->line = ended ? 0 : s->line + part.n;
    return empty;
}

void dkim_stream_add(struct dkim_stream *s, struct str octets)
{
    while (octets.n && !s->in_body) {
        size_t lf = str_find(octets, '\n'), n = lf == octets.n ? octets.n : lf + 1;

        s->in_body = take_line(s, str_first(octets, n));
        octets = str_from(octets, n);
    }
    if (octets.n)
        dkim_body_add(&s->body, octets);
}

enum rc dkim_stream_end(struct dkim_stream *s, struct err *e)
{
    if (s->headers.failed)
        return err_set(e, RC_TOO_LARGE, "header section is too large");
    if (!dkim_body_end(&s->body) || dkim_fields_read(s->a, buf_str(&s->headers), &s->fields) != RC_OK)
        return err_set(e, RC_NO_MEMORY, "signing");
    return s->fields.cut ? err_set(e, RC_TOO_LARGE, "header section is too large") : RC_OK;
}

struct str dkim_stream_headers(const struct dkim_stream *s)
{
    return buf_str(&s->headers);
}

void dkim_stream_done(struct dkim_stream *s)
{
    dkim_body_done(&s->body);
    buf_done(&s->headers);
}
