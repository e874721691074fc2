/*
 * Replies: headers that every reply has, the error object, escaping.
 *
 * Called by handlers and by the steps before them. reply_send() ends the work on a request; reply_queue() hands it to
 * libmicrohttpd and writes the line of the log. Text of others never leaves unescaped.
 */
#include "web/inside.h"

#include "base/clock.h"

#include <inttypes.h>
#include <stdio.h>

enum { READ_MS = 60000 };

static const struct {
    unsigned status;
    const char *explanation;
} explanations[] = {
    {400, "Bad request syntax or unsupported method."},
    {401, "No permission -- see authorization schemes."},
    {403, "Request forbidden -- authorization will not help."},
    {404, "Nothing matches the given URI."},
    {406, "URI not available in preferred format."},
    {409, "Request conflict."},
    {413, "Entity is too large."},
    {414, "URI is too long."},
    {429, "Too many requests."},
    {431, "Header fields are too large."},
    {500, "Server got itself in trouble."},
    {501, "Server does not support this operation."},
    {502, "Invalid responses from another server or proxy."},
    {503, "The server cannot process the request due to a high load."},
    {505, "Cannot fulfill request."},
};

/* Code point at the front of s (at least one octet), U+FFFD for what is no UTF-8; cuts it off. */
static uint32_t take_rune(struct str *s)
{
    unsigned char c = (unsigned char)s->p[0];
    size_t more = c < 0x80 ? 0 : c >= 0xf0 && c < 0xf5 ? 3 : c >= 0xe0 ? 2 : c >= 0xc2 ? 1 : 0;
    uint32_t rune = more == 0 ? c : more == 1 ? c & 0x1fu : more == 2 ? c & 0xfu : c & 7u;

    if (c >= 0xf5 || s->n <= more || (c >= 0x80 && more == 0)) {
        *s = str_from(*s, 1);
        return 0xfffd;
    }
    for (size_t i = 1; i <= more; i++) {
        if ((s->p[i] & 0xc0) != 0x80) {
            *s = str_from(*s, 1);
            return 0xfffd;
        }
        rune = rune << 6 | ((unsigned char)s->p[i] & 0x3fu);
    }
    *s = str_from(*s, more + 1);
    return (rune >= 0xd800 && rune < 0xe000) || rune > 0x10ffff ? 0xfffd : rune;
}

void json_text(struct buf *out, struct str s)
{
    buf_addc(out, '"');
    while (s.n) {
        uint32_t c = take_rune(&s);

        if (c == '"' || c == '\\')
            buf_addf(out, "\\%c", (char)c);
        else if (c >= ' ' && c < 0x7f && c != '<' && c != '>' && c != '&')
            buf_addc(out, (char)c);
        else if (c >= 0x10000)
            buf_addf(out, "\\u%04x\\u%04x", 0xd800u + ((c - 0x10000u) >> 10), 0xdc00u + ((c - 0x10000u) & 0x3ffu));
        else
            buf_addf(out, "\\u%04x", c);
    }
    buf_addc(out, '"');
}

void xml_text(struct buf *out, struct str s)
{
    while (s.n) {
        uint32_t c = take_rune(&s);

        if (c == '<' || c == '>' || c == '&' || c == '"' || c == '\'' || (c >= 0xa0 && c < 0xfffe))
            buf_addf(out, "&#%u;", c);
        else
            buf_addc(out, c >= ' ' && c < 0x7f ? (char)c : '?');
    }
}

void reply_send(struct request *r, unsigned status, const char *type)
{
    r->status = r->reply.failed ? 500 : status;
    r->type = type;
    reply_resume(r);
}

void reply_resume(struct request *r)
{
    if (!r->suspended)
        return;
    r->suspended = false;
    MHD_resume_connection(r->connection);
    server_wake(r->server); /* it does not wake itself in a loop of ours */
}

static const char *explanation(unsigned status)
{
    for (size_t i = 0; i < sizeof explanations / sizeof *explanations; i++)
        if (explanations[i].status == status)
            return explanations[i].explanation;
    return "";
}

void reply_error(struct request *r, unsigned status, const char *fmt, ...)
{
    struct buf message = BUF(2000);
    va_list ap;

    va_start(ap, fmt);
    buf_addfv(&message, fmt, ap);
    va_end(ap);
    buf_clear(&r->reply);
    buf_add(&r->reply, str_lit("{\"error\":{\"message\":"));
    json_text(&r->reply, buf_str(&message));
    buf_addf(&r->reply, ",\"code\":\"%u\",\"explanation\":\"%u = %s\"}}", status, status, explanation(status));
    buf_done(&message);
    reply_send(r, status, "application/json");
}

/* --- headers ----------------------------------------------------------------------------------------------------------- */

static void header(struct MHD_Response *m, const char *name, const char *value)
{
    MHD_add_response_header(m, name, value);
}

static const char *const always[][2] = {
    {"X-Content-Type-Options", "nosniff"},
    {"X-Frame-Options", "DENY"},
    {"Referrer-Policy", "no-referrer"},
    {"Cross-Origin-Opener-Policy", "same-origin"},
    {"Cross-Origin-Resource-Policy", "same-origin"},
    {"Cache-Control", "no-store"},
};

static void add_allow(struct MHD_Response *m, unsigned methods)
{
    static const char *const names[] = {"GET, HEAD", "POST", "PUT", "DELETE"};
    char text[64];
    int n = 0;

    text[0] = '\0';
    for (unsigned i = 0; i < 4; i++)
        if (methods & 1u << i)
            n += snprintf(text + n, sizeof text - (size_t)n, "%s%s", n ? ", " : "", names[i]);
    header(m, "Allow", text);
}

static void add_headers(const struct request *r, struct MHD_Response *m)
{
    char text[32];

    for (size_t i = 0; i < sizeof always / sizeof *always; i++)
        header(m, always[i][0], always[i][1]);
    header(m, "Content-Security-Policy",
           r->page ? "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' data:; font-src 'self'; "
                     "connect-src 'self'; frame-src 'self'; form-action 'self'; base-uri 'none'; frame-ancestors 'none'"
                   : "default-src 'none'; frame-ancestors 'none'");
    header(m, "Content-Type", r->type);
    header(m, "Server", r->found.base == BASE_V1 ? "EmailAPI/1.0" : "API/2.0");
    if ((r->server->kind & LISTENERS_TLS) && r->web->credentials.trusted)
        header(m, "Strict-Transport-Security", "max-age=31536000");
    if (r->challenge)
        header(m, "WWW-Authenticate", r->challenge);
    if (r->location.n)
        header(m, "Location", r->location.p);
    if (r->allow)
        add_allow(m, r->allow);
    if (r->retry_s) {
        snprintf(text, sizeof text, "%u", r->retry_s);
        header(m, "Retry-After", text);
    }
    if (r->old_http || r->close || r->server->retired)
        header(m, "Connection", "close");
}

static void write_log(const struct request *r)
{
    struct str path = str_first(str_first(r->uri, str_find(r->uri, '?')), 1000),
               agent = str_first(request_header(r, "User-Agent"), 300);
    char ip[46];
    struct str peer = ip_text(&r->client, ip);

    if (r->server->kind & LISTENERS_UI)
        event(r->web->o.events, http_request, .peer_ip = peer, .user = r->user, .session = str_lit("-"), .status = r->status,
              .method = r->method, .path = path, .agent = agent);
    else
        event(r->web->o.events, api_request, .peer_ip = peer, .user = r->user, .session = str_lit("-"), .status = r->status,
              .method = r->method, .path = path, .agent = agent);
}

enum MHD_Result reply_queue(struct request *r)
{
    struct MHD_Response *m;
    enum MHD_Result done;

    if (r->reply.failed)
        reply_error(r, 500, "The answer is too large.");
    m = MHD_create_response_from_buffer(r->reply.n, r->reply.p ? r->reply.p : "",
                                        r->reply.p ? MHD_RESPMEM_MUST_FREE : MHD_RESPMEM_PERSISTENT);
    if (!m)
        return MHD_NO;
    r->reply = BUF(REPLY_MOST);
    add_headers(r, m);
    write_log(r);
    visitor_allow(r->visitor, READ_MS);
    done = MHD_queue_response(r->connection, r->status, m);
    MHD_destroy_response(m);
    return done;
}
