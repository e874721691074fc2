/*
 * Connects to one URL again and again. See check.h.
 *
 * Called by snmp.c. Owns one try at a time: its look-up, its socket, its time-out. Whatever goes wrong is an answer: the URL
 * does not work.
 */
#include "snmp/check.h"

#include "base/buf.h"
#include "base/must.h"

#include <stdio.h>
#include <stdlib.h>

enum { PERIOD_MS = 60000, TRY_MS = 10000, ANSWER_MAX = 4096 };

struct
try {
    struct check *check; /* NULL once nobody wants its result */
    uv_getaddrinfo_t lookup;
    uv_tcp_t tcp;
    uv_connect_t connect;
    uv_write_t write;
    struct snmp_url url;
    struct buf request, answer;
    bool open; /* tcp is a handle */
    bool done;
};

struct check {
    struct loop *loop;
    void (*told)(void *ctx, bool works, const char *why);
    void *ctx;
    char url[1001];
    struct try *now;
    struct loop_timer next, limit;
};

/* --- parsing ------------------------------------------------------------------------------------------------------- */

bool snmp_url_parse(struct str url, struct snmp_url *out)
{
    static const struct {
        const char *scheme, *port;
        bool http;
    } schemes[] = {{"http://", "80", true}, {"https://", "443", false}, {"tcp://", "", false}};

    for (size_t i = 0; i < sizeof schemes / sizeof *schemes; i++) {
        struct str scheme = str_c(schemes[i].scheme), rest = str_from(url, scheme.n), host;
        size_t slash = str_find(rest, '/'), colon;

        if (!str_startsi(url, scheme))
            continue;
        host = str_first(rest, slash);
        colon = str_find_last(host, ':');
        *out = (struct snmp_url){schemes[i].http, host, str_c(schemes[i].port), str_from(rest, slash)};
        if (host.n && host.p[0] == '[' && str_find(host, ']') < host.n) {
            size_t end = str_find(host, ']');

            out->host = str_first(str_from(host, 1), end - 1);
            if (colon > end && colon < host.n)
                out->port = str_from(host, colon + 1);
        } else if (colon < host.n) {
            out->host = str_first(host, colon);
            out->port = str_from(host, colon + 1);
        }
        return out->host.n && out->host.n < 256 && out->port.n && out->port.n < 6;
    }
    return false;
}

int snmp_http_status(struct str s)
{
    size_t end = str_find(s, '\n'), space = str_find(s, ' ');
    uint64_t code;

    if (!str_starts(str_lit("HTTP/"), str_first(s, 5)) || end > 1000)
        return -1;
    if (end == s.n)
        return 0;
    if (space > end || !str_u64(str_first(str_from(s, space + 1), 3), &code) || code < 100 || code > 599)
        return -1;
    return (int)code;
}

/* --- a try --------------------------------------------------------------------------------------------------------- */

static void try_free(struct try *t)
{
    buf_done(&t->request);
    buf_done(&t->answer);
    free(t);
}

static void closed(uv_handle_t *h)
{
    try_free(h->data);
}

static void again(void *ctx);

/* The end of a try; `why` empty = it works. */
static void end(struct try *t, const char *why)
{
    struct check *c = t->check;

    if (t->done)
        return;
    t->done = true;
    if (c) {
        c->now = NULL;
        loop_timer_cancel(c->loop, &c->limit);
        loop_timer_set(c->loop, &c->next, PERIOD_MS, again, c);
    }
    if (t->open)
        uv_close((uv_handle_t *)&t->tcp, closed);
    if (c)
        c->told(c->ctx, !*why, why);
}

static void late(void *ctx)
{
    struct check *c = ctx;

    if (c->now)
        end(c->now, "no answer in 10 s");
}

static void room_for(uv_handle_t *h, size_t suggested, uv_buf_t *out)
{
    struct try *t = h->data;
    char *p = buf_reserve(&t->answer, 1024);

    (void)suggested;
    *out = uv_buf_init(p, p ? 1024 : 0);
}

static void on_read(uv_stream_t *s, ssize_t n, const uv_buf_t *b)
{
    struct try *t = s->data;
    char why[64];
    int code;

    (void)b;
    if (n > 0)
        t->answer.n += (size_t)n;
    code = snmp_http_status(buf_str(&t->answer));
    if (code == 0 && n >= 0)
        return;
    snprintf(why, sizeof why, "HTTP status %d", code);
    end(t, code <= 0 ? "the answer is not HTTP" : code >= 400 ? why : "");
}

static void on_written(uv_write_t *w, int status)
{
    if (status < 0)
        end(w->data, uv_strerror(status));
}

static void on_connect(uv_connect_t *r, int status)
{
    struct try *t = r->data;
    uv_buf_t out;

    if (t->done)
        return;
    if (status < 0 || !t->url.http) {
        end(t, status < 0 ? uv_strerror(status) : "");
        return;
    }
    buf_addf(&t->request, "GET %.*s HTTP/1.1\r\nHost: %.*s\r\nUser-Agent: Postern\r\nConnection: close\r\n\r\n",
             STR(t->url.path.n ? t->url.path : str_lit("/")), STR(t->url.host));
    out = uv_buf_init(t->request.p, (unsigned)t->request.n);
    t->write.data = t;
    if (uv_read_start((uv_stream_t *)&t->tcp, room_for, on_read) != 0 ||
        uv_write(&t->write, (uv_stream_t *)&t->tcp, &out, 1, on_written) != 0)
        end(t, "cannot write");
}

static void on_address(uv_getaddrinfo_t *r, int status, struct addrinfo *list)
{
    struct try *t = r->data;

    if (t->done || status < 0) {
        end(t, status < 0 ? uv_strerror(status) : "");
        uv_freeaddrinfo(list);
        try_free(t);
        return;
    }
    must(uv_tcp_init(r->loop, &t->tcp) == 0);
    t->tcp.data = t->connect.data = t;
    t->open = true;
    status = uv_tcp_connect(&t->connect, &t->tcp, list->ai_addr, on_connect);
    uv_freeaddrinfo(list);
    if (status < 0)
        end(t, uv_strerror(status));
}

static void begin(struct check *c)
{
    static const struct addrinfo hints = {.ai_socktype = SOCK_STREAM};
    struct try *t = calloc(1, sizeof *t);
    char host[256], port[8];

    must(t);
    *t = (struct try){.check = c, .request = BUF(ANSWER_MAX), .answer = BUF(ANSWER_MAX)};
    c->now = t;
    if (!snmp_url_parse(str_c(c->url), &t->url)) {
        end(t, "not a URL that can be checked");
        try_free(t);
        return;
    }
    loop_timer_set(c->loop, &c->limit, TRY_MS, late, c);
    snprintf(host, sizeof host, "%.*s", STR(t->url.host));
    snprintf(port, sizeof port, "%.*s", STR(t->url.port));
    t->lookup.data = t;
    if (uv_getaddrinfo(loop_uv(c->loop), &t->lookup, on_address, host, port, &hints) != 0) {
        end(t, "cannot look up the name");
        try_free(t);
    }
}

static void again(void *ctx)
{
    struct check *c = ctx;

    if (*c->url && !c->now)
        begin(c);
}

struct check *check_new(struct loop *l, void (*told)(void *ctx, bool works, const char *why), void *ctx)
{
    struct check *c = calloc(1, sizeof *c);

    must(c);
    *c = (struct check){.loop = l, .told = told, .ctx = ctx};
    return c;
}

static void forget(struct check *c)
{
    struct try *t = c->now;

    if (!t)
        return;
    c->now = NULL;
    loop_timer_cancel(c->loop, &c->limit);
    t->check = NULL; /* ends at its own time */
    t->url = (struct snmp_url){0};
    end(t, "");
}

void check_url(struct check *c, struct str url)
{
    if (str_eq(str_c(c->url), url))
        return;
    forget(c);
    loop_timer_cancel(c->loop, &c->next);
    snprintf(c->url, sizeof c->url, "%.*s", STR(str_first(url, sizeof c->url - 1)));
    again(c);
}

void check_free(struct check *c)
{
    if (!c)
        return;
    forget(c);
    loop_timer_cancel(c->loop, &c->next);
    free(c);
}
