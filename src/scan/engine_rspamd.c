/*
 * rspamd by its HTTP protocol: /checkv2 with what is known of the envelope, /ping, and the controller's /learnspam,
 * /learnham and /stat. See engines.h.
 *
 * Called through engine_ask(). Owns nothing. Values that go into header lines are cleared of line ends: an envelope cannot
 * add a header. Whatever the answer says beyond what is read here is passed over.
 */
#include "base/json_read.h"
#include "scan/engines.h"
#include "scan/http_reply.h"
#include "scan/scale.h"

#include <math.h>
#include <stdlib.h>

#include <inttypes.h>

enum { HEADERS_MAX = 256 << 10, REPLY_MAX = HTTP_HEAD_MAX + HTTP_BODY_MAX, RECIPIENTS_TOLD = 100 };

/* --- HTTP ----------------------------------------------------------------------------------------------------------- */

static void header(struct buf *out, const char *name, struct str value)
{
    if (!value.n)
        return;
    buf_addf(out, "%s: ", name);
    for (size_t i = 0; i < value.n; i++)
        buf_addc(out, (unsigned char)value.p[i] < 0x20 || value.p[i] == 0x7f ? ' ' : value.p[i]);
    buf_add(out, str_lit("\r\n"));
}

static enum rc read_reply(struct arena *a, const struct engine_io *io, struct http_reply *out, struct err *e)
{
    struct buf in = BUF(REPLY_MAX);
    enum http_state state = HTTP_MORE;
    enum rc rc = RC_OK;
    bool ended = false;

    while (rc == RC_OK && state == HTTP_MORE) {
        rc = engine_read(io, &in, &ended, e);
        if (rc == RC_OK && ended && !in.n)
            rc = err_set(e, RC_CLOSED, "closed without an answer");
        if (rc == RC_OK)
            state = http_reply_read(a, buf_str(&in), ended, out);
    }
    if (rc == RC_OK && state == HTTP_BAD)
        rc = err_set(e, RC_SYNTAX, "the answer is no HTTP reply");
    if (rc == RC_OK) {
        out->body = arena_str(a, out->body);
        out->reason = arena_str(a, out->reason);
        if (!out->body.p || !out->reason.p)
            rc = err_set(e, RC_NO_MEMORY, "no room for the answer");
    }
    buf_done(&in);
    return rc;
}

/* `headers` ends with its own line end(s). */
static enum rc exchange(struct arena *a, const struct engine_io *io, const char *request, struct str headers,
                        struct str body, struct http_reply *out, struct err *e)
{
    struct buf b = BUF(HEADERS_MAX + 1024);
    enum rc rc;

    buf_addf(&b, "%s HTTP/1.1\r\nHost: engine\r\nConnection: close\r\nContent-Length: %zu\r\n", request, body.n);
    buf_add(&b, headers);
    buf_add(&b, str_lit("\r\n"));
    rc = b.failed ? err_set(e, RC_NO_MEMORY, "no room for the question") : engine_send(io, buf_str(&b), e);
    buf_done(&b);
    if (rc == RC_OK)
        rc = engine_send(io, body, e);
    return rc == RC_OK ? read_reply(a, io, out, e) : rc;
}

/* --- checking --------------------------------------------------------------------------------------------------------- */

double rspamd_scale(double score, double required, struct str action)
{
    const struct scale_point points[] = {{0, 0}, {required * 0.4, 50}, {required, 90}, {required * 2, 100}};
    double ours = scale_score(points, 4, score);
    bool marks = str_eqi(action, str_lit("add header")) || str_eqi(action, str_lit("rewrite subject"));

    if (str_eqi(action, str_lit("reject")))
        return ours < 90 ? 90 : ours;
    if (marks)
        return ours < 50 ? 50 : ours > 89 ? 89 : ours;
    return ours > 49 ? 49 : ours;
}

/* A finite number; false when it is none. */
static bool number(const struct json *v, double *out)
{
    char text[64], *end;

    if (!json_is(v, JSON_NUMBER) || v->raw.n >= sizeof text)
        return false;
    memcpy(text, v->raw.p, v->raw.n);
    text[v->raw.n] = '\0';
    *out = strtod(text, &end);
    return *end == '\0' && isfinite(*out);
}

static const struct json *read_object(struct arena *a, struct str text)
{
    const struct json *all;

    return json_read(a, text, &all, NULL) == RC_OK && json_is(all, JSON_OBJECT) ? all : NULL;
}

static enum rc read_symbols(struct arena *a, const struct json *all, struct spam_answer *out, struct err *e)
{
    struct spam_symbol *symbols = arena_array(a, struct spam_symbol, SYMBOLS_MAX);

    if (!symbols)
        return err_set(e, RC_NO_MEMORY, "no room for symbols");
    for (const struct json *v = all->first; v && out->n_symbols < SYMBOLS_MAX; v = v->next) {
        struct spam_symbol *s = &symbols[out->n_symbols++];
        const struct json *options = json_get(v, "options");

        if (!json_is(v, JSON_OBJECT) || !v->key.n)
            return err_set(e, RC_SYNTAX, "the answer has a symbol that is none");
        s->name = v->key;
        number(json_get(v, "score"), &s->score);
        if (json_is(options, JSON_ARRAY))
            s->option = json_str_of(options->first);
    }
    out->symbols = symbols;
    return RC_OK;
}

enum rc rspamd_answer_read(struct arena *a, struct str text, struct spam_answer *out, struct err *e)
{
    const struct json *all = read_object(a, text), *symbols;

    *out = (struct spam_answer){0};
    if (!all)
        return err_set(e, RC_SYNTAX, "the answer is no JSON object");
    out->action = json_str_of(json_get(all, "action"));
    if (!number(json_get(all, "score"), &out->raw) || !number(json_get(all, "required_score"), &out->required) ||
        !out->action.n)
        return err_set(e, RC_SYNTAX, "the answer lacks score, required_score or action");
    if (out->required <= 0 || out->required > 1e6 || out->raw < -1e6 || out->raw > 1e6)
        return err_set(e, RC_SYNTAX, "the answer has a score that makes no sense");
    if (str_eqi(out->action, str_lit("soft reject")))
        return err_set(e, RC_SYNTAX, "the engine wants the message later (greylisting or a limit of its own is on)");
    symbols = json_get(all, "symbols");
    out->skipped = json_is(json_get(all, "is_skipped"), JSON_TRUE);
    out->score = rspamd_scale(out->raw, out->required, out->action);
    if (!symbols)
        return RC_OK;
    if (!json_is(symbols, JSON_OBJECT))
        return err_set(e, RC_SYNTAX, "the answer's symbols are no object");
    return read_symbols(a, symbols, out, e);
}

static void check_headers(const struct spam_question *q, struct buf *out)
{
    header(out, "IP", q->client_ip);
    header(out, "Hostname", q->client_name);
    header(out, "Helo", q->helo);
    header(out, "From", q->sender);
    header(out, "User", q->user);
    header(out, "Queue-Id", q->queue_id);
    if (q->unseen)
        header(out, "Flags", str_lit("no_log,no_stat"));
    for (size_t i = 0; i < q->n_recipients && i < RECIPIENTS_TOLD; i++)
        header(out, "Rcpt", q->recipients[i]);
}

enum rc rspamd_check(void *ctx, const struct engine_io *io, struct err *e)
{
    struct spam_talk *t = ctx;
    struct buf headers = BUF(HEADERS_MAX);
    struct http_reply reply;
    enum rc rc;

    check_headers(&t->question, &headers);
    rc = exchange(t->arena, io, "POST /checkv2", buf_str(&headers), t->question.message, &reply, e);
    buf_done(&headers);
    if (rc != RC_OK)
        return rc;
    if (reply.status != 200)
        return err_set(e, RC_SYNTAX, "HTTP status %u %.*s", reply.status, STR(str_first(reply.reason, 100)));
    return rspamd_answer_read(t->arena, reply.body, &t->answer, e);
}

enum rc rspamd_ping(void *ctx, const struct engine_io *io, struct err *e)
{
    struct arena a;
    struct http_reply reply;
    enum rc rc;

    (void)ctx;
    arena_init(&a, 1024, REPLY_MAX * 2);
    rc = exchange(&a, io, "GET /ping", STR_NONE, STR_NONE, &reply, e);
    if (rc == RC_OK && (reply.status != 200 || !str_eq(str_trim(reply.body), str_lit("pong"))))
        rc = err_set(e, RC_SYNTAX, "no pong");
    arena_done(&a);
    return rc;
}

/* --- the controller -----------------------------------------------------------------------------------------------------
 */

static enum rc ask_controller(struct arena *a, const struct engine_io *io, const char *request, struct str password,
                              struct str body, struct http_reply *reply, struct err *e)
{
    struct buf headers = BUF(HEADERS_MAX);
    enum rc rc;

    header(&headers, "Password", password);
    rc = exchange(a, io, request, buf_str(&headers), body, reply, e);
    buf_done(&headers);
    if (rc == RC_OK && (reply->status == 401 || reply->status == 403))
        rc = err_set(e, RC_NOT_PERMITTED, "the engine refuses the password");
    return rc;
}

enum rc rspamd_learn(void *ctx, const struct engine_io *io, struct err *e)
{
    struct learn_talk *t = ctx;
    struct http_reply reply;
    const struct json *all;

    TRY(ask_controller(t->arena, io, t->spam ? "POST /learnspam" : "POST /learnham", t->password, t->message, &reply, e));
    all = read_object(t->arena, reply.body);
    if (!all)
        return err_set(e, RC_SYNTAX, "the answer is no JSON object");
    t->taken = reply.status == 200 && json_is(json_get(all, "success"), JSON_TRUE);
    t->why = json_str_of(json_get(all, "error"));
    if (!t->taken && reply.status >= 500)
        return err_set(e, RC_SYNTAX, "HTTP status %u %.*s", reply.status, STR(str_first(t->why, 100)));
    return RC_OK;
}

static uint64_t count(const struct json *all, const char *name)
{
    double d = 0;

    return number(json_get(all, name), &d) && d >= 0 && d < 1e15 ? (uint64_t)d : 0;
}

enum rc rspamd_stat(void *ctx, const struct engine_io *io, struct err *e)
{
    struct stat_talk *t = ctx;
    struct http_reply reply;
    const struct json *all;

    TRY(ask_controller(t->arena, io, "GET /stat", t->password, STR_NONE, &reply, e));
    all = reply.status == 200 ? read_object(t->arena, reply.body) : NULL;
    if (!all)
        return err_set(e, RC_SYNTAX, "the answer is no JSON object");
    t->version = json_str_of(json_get(all, "version"));
    t->scanned = count(all, "scanned");
    t->learned = count(all, "learned");
    t->uptime_s = count(all, "uptime");
    return RC_OK;
}
