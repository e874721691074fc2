/*
 * One request from its first line to its end, as libmicrohttpd's callbacks tell it.
 *
 * Called by libmicrohttpd inside MHD_run(). Owns the request: arena, body, reply; it is freed when libmicrohttpd says that
 * the request is over, and a question to control that is still out is dropped then. The head is judged before the body is
 * read, the user when the body is whole. While control is asked the connection is suspended.
 */
#include "web/inside.h"

#include "base/must.h"

#include <stdlib.h>
#include <sys/socket.h>

enum { ARENA_MOST = 4 << 20, LINE_MS = 10000, BODY_MS = 30000, KEEP_ALIVE_MS = 60000 };

void *request_uri(void *cls, const char *uri, struct MHD_Connection *c)
{
    struct server *s = cls;
    struct request *r = calloc(1, sizeof *r);

    must(r);
    r->web = s->web;
    r->server = s;
    r->connection = c;
    r->visitor = MHD_get_connection_info(c, MHD_CONNECTION_INFO_SOCKET_CONTEXT)->socket_context;
    r->conf = conf_ref(conf_now(s->web->o.conf));
    arena_init(&r->arena, 1024, ARENA_MOST);
    r->uri = arena_str(&r->arena, str_c(uri));
    r->client = r->visitor->peer;
    r->body = BUF(BODY_MOST);
    r->reply = BUF(REPLY_MOST);
    r->visitor->busy = true;
    visitor_allow(r->visitor, LINE_MS);
    r->next = s->web->requests;
    if (r->next)
        r->next->prev = r;
    s->web->requests = r;
    return r;
}

struct str request_header(const struct request *r, const char *name)
{
    return str_c(MHD_lookup_connection_value(r->connection, MHD_HEADER_KIND, name));
}

struct last {
    struct str name, value;
};

static enum MHD_Result look(void *cls, enum MHD_ValueKind kind, const char *name, size_t name_n, const char *value,
                            size_t value_n)
{
    struct last *l = cls;

    (void)kind;
    if (str_eqi(str_of(name, name_n), l->name))
        l->value = str_of(value, value_n);
    return MHD_YES;
}

struct str request_header_last(const struct request *r, const char *name)
{
    struct last l = {.name = str_c(name)};

    MHD_get_connection_values_n(r->connection, MHD_HEADER_KIND, look, &l);
    return l.value;
}

static void take_body(struct request *r, const char *data, size_t n)
{
    r->body_octets += n;
    if (r->body_octets <= BODY_MOST)
        buf_add(&r->body, str_of(data, n));
}

/* Everything has come. */
static void answer(struct request *r)
{
    r->whole = true;
    visitor_allow(r->visitor, 0); /* control's answer has its own deadline */
    if (r->body_octets > BODY_MOST || r->body.failed)
        reply_error(r, 413, "The body is larger than %d octets.", (int)BODY_MOST);
    else
        login_begin(r);
}

enum MHD_Result request_access(void *cls, struct MHD_Connection *c, const char *url, const char *method, const char *version,
                               const char *data, size_t *n, void **ctx)
{
    struct request *r = *ctx;

    (void)cls;
    (void)url;
    if (!r)
        return MHD_NO;
    if (!r->begun) {
        r->begun = true;
        r->method = arena_str(&r->arena, str_first(str_c(method), 64));
        visitor_allow(r->visitor, BODY_MS);
        return gate_pass(r, version) ? MHD_YES : reply_queue(r);
    }
    if (*n) {
        take_body(r, data, *n);
        *n = 0;
        return r->body_octets <= SWALLOW_MOST ? MHD_YES : MHD_NO;
    }
    if (!r->status && !r->whole)
        answer(r);
    else if (!r->status)
        reply_error(r, 503, "The server is ending.");
    if (r->status)
        return reply_queue(r);
    r->suspended = true;
    MHD_suspend_connection(c);
    return MHD_YES;
}

static void unlink_request(struct request *r)
{
    if (r->prev)
        r->prev->next = r->next;
    else
        r->web->requests = r->next;
    if (r->next)
        r->next->prev = r->prev;
}

void request_completed(void *cls, struct MHD_Connection *c, void **ctx, enum MHD_RequestTerminationCode how)
{
    struct request *r = *ctx;

    (void)cls;
    (void)c;
    (void)how;
    if (!r)
        return;
    *ctx = NULL;
    login_forget(r);
    unlink_request(r);
    r->visitor->busy = false;
    visitor_allow(r->visitor, KEEP_ALIVE_MS);
    if (r->server->retired || r->close)
        shutdown(r->visitor->fd, SHUT_RDWR);
    conf_unref(r->conf);
    buf_done(&r->body);
    buf_done(&r->reply);
    arena_done(&r->arena);
    free(r);
}
