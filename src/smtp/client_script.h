/*
 * Scripted peers for tests of the SMTP client conversation: the body is text in memory, nothing needs sockets.
 */
#ifndef SMTP_CLIENT_SCRIPT_H
#define SMTP_CLIENT_SCRIPT_H

#include "smtp/client.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

#include <cmocka.h>

#define SCRIPT __attribute__((unused))

enum { JOBS = 4 };

struct peer {
    struct conversation *c;
    struct smtp_client_setup setup;
    struct smtp_client_options options;
    struct smtp_client *client;
    struct job {
        struct smtp_job job;
        struct envelope envelope;
        struct recipient recipients[8];
        uint32_t indices[8];
        struct str body;
        struct str seven; /* its 7-bit form; empty = none */
        enum rc no_seven; /* why there is none */
    } jobs[JOBS];
    size_t n_jobs, next;
    uint64_t corrupt_at; /* read() fails from here on; 0 = never */
    struct buf trace;    /* what the handler was told */
    char *said, *told;
};

static void on_connected(void *ctx, struct smtp_client *cl)
{
    ((struct peer *)ctx)->client = cl;
}

static void on_ready(void *ctx, struct smtp_client *cl)
{
    (void)cl;
    buf_add(&((struct peer *)ctx)->trace, str_lit("ready\n"));
}

static struct smtp_job *on_next(void *ctx, struct smtp_client *cl)
{
    struct peer *p = ctx;

    (void)cl;
    return p->next < p->n_jobs ? &p->jobs[p->next++].job : NULL;
}

static void on_begin(void *ctx, struct smtp_client *cl, struct smtp_job *job)
{
    (void)ctx;
    (void)cl;
    (void)job;
}

static enum rc on_read(void *ctx, struct smtp_job *job, uint64_t at, char *out, size_t n)
{
    struct peer *p = ctx;

    if (p->corrupt_at && at + n >= p->corrupt_at)
        return RC_CORRUPT;
    memcpy(out, ((struct job *)(void *)job)->body.p + at, n);
    return RC_OK;
}

static enum rc on_downgrade(void *ctx, struct smtp_job *job)
{
    struct job *j = (struct job *)(void *)job;

    (void)ctx;
    if (!j->seven.n)
        return j->no_seven ? j->no_seven : RC_NOT_FOUND;
    j->body = j->seven;
    job->body_bytes = j->seven.n;
    job->has_8bit = false;
    return RC_OK;
}

static void on_dot(void *ctx, struct smtp_job *job)
{
    (void)job;
    buf_add(&((struct peer *)ctx)->trace, str_lit("dot\n"));
}

static void on_done(void *ctx, struct smtp_client *cl, struct smtp_job *job, const struct delivery_result *r, size_t n)
{
    static const char *const CLASS[] = {"delivered", "bounced", "delayed", "dropped"};
    struct peer *p = ctx;

    (void)cl;
    (void)job;
    for (size_t i = 0; i < n; i++)
        buf_addf(&p->trace, "%d %s %d [%.*s] %.*s\n", (int)r[i].recipient, CLASS[r[i].class], (int)r[i].code,
                 STR(r[i].enhanced), STR(r[i].text));
}

static void on_tls(void *ctx, struct smtp_client *cl, bool ok, struct str why)
{
    (void)cl;
    buf_addf(&((struct peer *)ctx)->trace, "tls %s %.*s\n", ok ? "ok" : "failed", STR(why));
}

static void on_auth(void *ctx, struct smtp_client *cl, bool ok, struct str why)
{
    (void)cl;
    buf_addf(&((struct peer *)ctx)->trace, "auth %s %.*s\n", ok ? "ok" : "failed", STR(why));
}

static void on_failed(void *ctx, struct smtp_client *cl, const struct smtp_client_failure *f)
{
    (void)cl;
    buf_addf(&((struct peer *)ctx)->trace, "failed at %d: %s %d %.*s%s%s\n", f->stage, rc_info(f->rc)->name, (int)f->code,
             STR(f->text), f->job ? " (job back)" : "", f->tls_only ? " (tls only)" : "");
}

static void on_closed(void *ctx, struct smtp_client *cl)
{
    (void)cl;
    buf_add(&((struct peer *)ctx)->trace, str_lit("closed\n"));
}

static void on_answered(void *ctx, struct smtp_client *cl, unsigned code, struct str lines)
{
    (void)cl;
    buf_addf(&((struct peer *)ctx)->trace, "answered %u %.*s\n", code, STR(lines));
}

static const struct smtp_client_handler HANDLER = {on_connected, on_ready,  on_next,  on_begin, on_read,
                                                   on_downgrade, on_dot,    on_done,  on_tls,   on_auth,
                                                   on_answered,  on_failed, on_closed};

SCRIPT static struct peer *peer_new(void)
{
    struct peer *p = calloc(1, sizeof *p);

    p->options = (struct smtp_client_options){.helo = str_lit("gw.example"),
                                              .host = str_lit("mx.example"),
                                              .pipelining = true,
                                              .greeting_ms = 1000,
                                              .command_ms = 1000,
                                              .block_ms = 1000,
                                              .dot_ms = 1000,
                                              .idle_ms = 1000,
                                              .max_messages = 50,
                                              .max_recipients = 100};
    p->setup = (struct smtp_client_setup){&HANDLER, &p->options, p};
    p->trace = BUF(1 << 20);
    return p;
}

SCRIPT static struct job *peer_job(struct peer *p, struct str body, size_t n_recipients)
{
    static const char *const TO[] = {"a@x.test", "b@x.test", "c@x.test", "d@x.test",
                                     "e@x.test", "f@x.test", "g@x.test", "h@x.test"};
    struct job *j = &p->jobs[p->n_jobs++];

    for (uint32_t i = 0; i < n_recipients; i++) {
        j->recipients[i].address = str_c(TO[i]);
        j->indices[i] = i;
    }
    j->envelope =
        (struct envelope){.sender = str_lit("me@gw.example"), .recipients = j->recipients, .n_recipients = n_recipients};
    j->body = body;
    j->job = (struct smtp_job){
        .envelope = &j->envelope, .recipients = j->indices, .n_recipients = n_recipients, .body_bytes = body.n};
    return j;
}

static void start(struct peer *p)
{
    p->c = conversation_test_new(&smtp_client_kind, &p->setup);
}

/* The peer says this; what we answer. */
static const char *say(struct peer *p, const char *line)
{
    buf_clear(&p->c->out);
    conversation_feed(p->c, str_c(line));
    free(p->said);
    p->said = strndup(p->c->out.p ? p->c->out.p : "", p->c->out.n);
    buf_clear(&p->c->out);
    if (p->c->at.what == STEP_FLUSH)
        conversation_run(p->c);
    return p->said;
}

static const char *trace(struct peer *p)
{
    free(p->told);
    p->told = strndup(p->trace.p ? p->trace.p : "", p->trace.n);
    buf_clear(&p->trace);
    return p->told;
}

SCRIPT static void peer_free(struct peer *p)
{
    conversation_test_free(p->c);
    buf_done(&p->trace);
    free(p->said);
    free(p->told);
    free(p);
}

SCRIPT static void greet(struct peer *p, const char *ehlo)
{
    start(p);
    assert_string_equal(say(p, "220 mx.example\r\n"), "EHLO gw.example\r\n");
    say(p, ehlo);
}

#define EHLO_ALL "250-mx.example\r\n250-PIPELINING\r\n250-SIZE 10000\r\n250-8BITMIME\r\n250-DSN\r\n250 SMTPUTF8\r\n"
#define EHLO_PIPE "250-mx.example\r\n250 PIPELINING\r\n"

#endif
