/*
 * SMTP client: the content of a message, by DATA with dot-stuffing (RFC 5321 4.5.2) or as one BDAT chunk (RFC 3030).
 *
 * Reads from the handler straight into the output buffer, 64 KiB at a time, flushing between. The octets that end the
 * message are added only after the handler said that the whole body is right (design-notes C6); else the connection is cut.
 */
#include "smtp/client_inside.h"

static size_t dots_count(const char *p, size_t n, bool at_line_start)
{
    size_t dots = at_line_start && n && p[0] == '.';
    const char *end = p + n;

    for (const char *lf = memchr(p, '\n', n); lf && lf + 1 < end; lf = memchr(lf + 1, '\n', (size_t)(end - lf - 1)))
        dots += lf[1] == '.';
    return dots;
}

/* Doubles the leading dots of what lies at the end of `out` from `from` on, moving from the back. */
static void stuff(struct buf *out, size_t from, bool at_line_start)
{
    size_t n = out->n - from, dots = dots_count(out->p + from, n, at_line_start);
    char *p, *to;

    if (dots == 0 || !buf_reserve(out, dots))
        return; /* a failed buffer is seen by the caller */
    p = out->p + from;
    to = p + n + dots;
    out->n += dots;
    for (size_t i = n; i-- > 0 && dots > 0;) {
        *--to = p[i];
        if (p[i] == '.' && (i > 0 ? p[i - 1] == '\n' : at_line_start)) {
            *--to = '.';
            dots--;
        }
    }
}

static void remember_end(struct smtp_client *cl, const char *p, size_t n)
{
    if (n >= 2) {
        cl->body_last[0] = p[n - 2];
        cl->body_last[1] = p[n - 1];
    } else if (n == 1) {
        cl->body_last[0] = cl->body_last[1];
        cl->body_last[1] = p[0];
    }
}

static enum rc add_chunk(struct smtp_client *cl)
{
    uint64_t left = cl->job->body_bytes - cl->body_at;
    size_t n = left < CLIENT_CHUNK ? (size_t)left : CLIENT_CHUNK;
    struct buf *out = &cl->c.out;
    size_t from = out->n;
    char *p = buf_reserve(out, n);

    if (!p)
        return RC_NO_MEMORY;
    TRY(cl->h->read(cl->ctx, cl->job, cl->body_at, p, n));
    out->n += n;
    cl->body_at += n;
    if (cl->job->has_dot && !cl->bdat)
        stuff(out, from, cl->body_last[1] == '\n');
    remember_end(cl, out->p + from, out->n - from);
    return out->failed ? RC_NO_MEMORY : RC_OK;
}

/* Nothing more leaves but what is in the socket: the peer must see an unfinished message. */
static struct step cut(struct smtp_client *cl, enum rc rc)
{
    buf_clear(&cl->c.out);
    return client_fail(cl, rc, 0, str_lit("message could not be read"));
}

struct step client_body_more(struct conversation *c)
{
    struct smtp_client *cl = client_of(c);

    if (cl->body_at < cl->job->body_bytes) {
        enum rc rc = add_chunk(cl);

        if (rc != RC_OK)
            return cut(cl, rc);
    }
    if (cl->body_at < cl->job->body_bytes)
        return step_flush(client_body_more, cl->o->block_ms);
    if (!cl->bdat) {
        if (cl->body_last[0] != '\r' || cl->body_last[1] != '\n')
            buf_add(&c->out, str_lit("\r\n"));
        buf_add(&c->out, str_lit(".\r\n"));
    }
    if (c->out.failed)
        return cut(cl, RC_NO_MEMORY);
    cl->dot_sent = true;
    cl->h->dot(cl->ctx, cl->job);
    cl->expect = EXPECT_DOT;
    return client_wait(cl, client_on_reply, cl->o->dot_ms);
}

struct step client_body(struct smtp_client *cl)
{
    cl->body_at = 0;
    cl->body_last[0] = '\r';
    cl->body_last[1] = '\n';
    if (cl->bdat) {
        buf_add(&cl->c.out, str_lit("BDAT "));
        buf_add_u64(&cl->c.out, cl->job->body_bytes);
        buf_add(&cl->c.out, str_lit(" LAST\r\n"));
    }
    return client_body_more(&cl->c);
}
