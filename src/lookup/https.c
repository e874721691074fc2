/*
 * One HTTPS GET as a conversation (RFC 9112): TLS first, request, headers, body by length, chunks or end of stream.
 *
 * Started by sts.c. Keeps what it needs in the conversation's arena. Anything that does not fit (no HTTP, too long, cut
 * short) is RC_SYNTAX or RC_CLOSED, never half a body.
 */
#include "lookup/https.h"

enum { LINE_MAX_OCTETS = 4096, HEADERS_MAX = 100 };

struct https {
    struct conversation c; /* first */
    struct https_get *get;
    unsigned status, headers;
    bool chunked, has_length, told;
    uint64_t length; /* of the body, or of the chunk at hand */
    struct str content_type;
    struct buf body;
};

static step_fn on_tls, on_status, on_header, on_body, on_chunk_size, on_chunk, on_chunk_end, on_trailer;

static struct https *https_of(struct conversation *c)
{
    return (struct https *)(void *)c;
}

static struct step finish(struct https *h, enum rc rc)
{
    if (!h->told) {
        h->told = true;
        if (h->get->done) /* NULL: nobody wants to know any more */
            h->get->done(h->get->ctx, rc, h->status, h->content_type, buf_str(&h->body));
    }
    return step_end();
}

static struct step first(struct conversation *c)
{
    struct https *h = https_of(c);

    h->get = c->ctx;
    h->body = BUF(HTTPS_BODY_MAX);
    return step_tls(on_tls, 0);
}

static struct step on_tls(struct conversation *c)
{
    struct https *h = https_of(c);

    if (!c->tls)
        return finish(h, RC_TLS_FAILED);
    conversation_printf(c,
                        "GET %.*s HTTP/1.1\r\nHost: %.*s\r\nUser-Agent: Postern\r\nAccept: text/plain\r\n"
                        "Accept-Encoding: identity\r\nConnection: close\r\n\r\n",
                        STR(h->get->path), STR(h->get->host));
    return step_read(on_status, 0);
}

/* Next line, or false with what to return. */
static bool line_or(struct https *h, step_fn *fn, struct str *line_out, struct step *step_out)
{
    enum rc rc = conversation_line(&h->c, LINE_MAX_OCTETS, line_out);

    if (rc == RC_OK)
        return true;
    if (rc == RC_UNAVAILABLE)
        *step_out = h->c.eof ? finish(h, RC_CLOSED) : step_read(fn, 0);
    else
        *step_out = finish(h, RC_SYNTAX);
    return false;
}

static struct step on_status(struct conversation *c)
{
    struct https *h = https_of(c);
    struct str line;
    struct step step;
    uint64_t status;

    if (!line_or(h, on_status, &line, &step))
        return step;
    if (line.n < 12 || !str_starts(line, str_lit("HTTP/1.")) || line.p[8] != ' ' || !str_u64(str_of(line.p + 9, 3), &status))
        return finish(h, RC_SYNTAX);
    h->status = (unsigned)status;
    return step_goto(on_header);
}

static bool header_take(struct https *h, struct str line)
{
    size_t colon = str_find(line, ':');
    struct str name = str_first(line, colon), value = str_trim(str_from(line, colon + 1));

    if (str_eqi(name, str_lit("Content-Type"))) {
        h->content_type = arena_str(&h->c.arena, str_first(value, 200));
    } else if (str_eqi(name, str_lit("Content-Length"))) {
        if (!str_u64(value, &h->length) || h->length > HTTPS_BODY_MAX)
            return false;
        h->has_length = true;
    } else if (str_eqi(name, str_lit("Transfer-Encoding"))) {
        if (!str_eqi(value, str_lit("chunked")))
            return false;
        h->chunked = true;
    } else if (str_eqi(name, str_lit("Content-Encoding"))) {
        return str_eqi(value, str_lit("identity"));
    }
    return true;
}

static struct step on_header(struct conversation *c)
{
    struct https *h = https_of(c);
    struct str line;
    struct step step;

    if (!line_or(h, on_header, &line, &step))
        return step;
    if (line.n) {
        if (++h->headers > HEADERS_MAX || !header_take(h, line))
            return finish(h, RC_SYNTAX);
        return step_goto(on_header);
    }
    if (h->status / 100 == 1) { /* an interim answer */
        return ++h->headers > HEADERS_MAX ? finish(h, RC_SYNTAX) : step_goto(on_status);
    }
    return step_goto(h->chunked ? on_chunk_size : on_body);
}

/* Moves octets to the body; false when there are too many. */
static bool body_take(struct https *h, uint64_t most)
{
    struct str in = conversation_input(&h->c);
    size_t n = in.n < most ? in.n : (size_t)most;

    buf_add(&h->body, str_first(in, n));
    conversation_take(&h->c, n);
    return !h->body.failed;
}

static struct step on_body(struct conversation *c)
{
    struct https *h = https_of(c);

    if (!body_take(h, h->has_length ? h->length - h->body.n : UINT64_MAX))
        return finish(h, RC_LIMIT);
    if (h->has_length && h->body.n == h->length)
        return finish(h, RC_OK);
    if (c->eof)
        return finish(h, h->has_length ? RC_CLOSED : RC_OK);
    return step_read(on_body, 0);
}

static struct step on_chunk_size(struct conversation *c)
{
    struct https *h = https_of(c);
    struct str line;
    struct step step;

    if (!line_or(h, on_chunk_size, &line, &step))
        return step;
    if (!str_hex(str_trim(str_first(line, str_find(line, ';'))), &h->length) || h->length > HTTPS_BODY_MAX)
        return finish(h, RC_SYNTAX);
    return step_goto(h->length ? on_chunk : on_trailer);
}

static struct step on_chunk(struct conversation *c)
{
    struct https *h = https_of(c);
    size_t before = h->body.n;

    if (!body_take(h, h->length))
        return finish(h, RC_LIMIT);
    h->length -= h->body.n - before;
    if (h->length == 0)
        return step_goto(on_chunk_end);
    return c->eof ? finish(h, RC_CLOSED) : step_read(on_chunk, 0);
}

static struct step on_chunk_end(struct conversation *c)
{
    struct https *h = https_of(c);
    struct str line;
    struct step step;

    if (!line_or(h, on_chunk_end, &line, &step))
        return step;
    return line.n ? finish(h, RC_SYNTAX) : step_goto(on_chunk_size);
}

static struct step on_trailer(struct conversation *c)
{
    struct https *h = https_of(c);
    struct str line;
    struct step step;

    if (!line_or(h, on_trailer, &line, &step))
        return step;
    if (line.n)
        return ++h->headers > HEADERS_MAX ? finish(h, RC_SYNTAX) : step_goto(on_trailer);
    return finish(h, RC_OK);
}

static struct step broken(struct conversation *c)
{
    struct https *h = https_of(c);

    h->get = c->ctx;
    return finish(h, c->rc);
}

static void done(struct conversation *c)
{
    struct https *h = https_of(c);

    h->get = c->ctx;
    finish(h, RC_CLOSED);
    buf_done(&h->body);
}

const struct conversation_kind https_kind = {
    .name = "https",
    .first = first,
    .broken = broken,
    .done = done,
    .size = sizeof(struct https),
    .timeout_ms = 5000,
    .total_ms = HTTPS_TOTAL_MS,
    .max_in = 32 * 1024,
};
