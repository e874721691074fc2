/*
 * The SMTP client: life of a connection from greeting to QUIT, and how it fails.
 *
 * Started by deliver with conversation_connect(&smtp_client_kind). Owns the buffers of replies and results; the messages
 * belong to the handler. A failure ends the connection: a job the peer has not judged is given back, else its open
 * recipients are delayed. See client.h.
 */
#include "smtp/client_inside.h"

#include <stdlib.h>

#include "base/must.h"

static void setup(struct smtp_client *cl)
{
    const struct smtp_client_setup *s = cl->c.ctx;

    if (cl->h)
        return;
    cl->h = s->handler;
    cl->o = s->options;
    cl->ctx = s->ctx;
    cl->texts.max = CLIENT_TEXTS_MAX;
}

static struct step first(struct conversation *c)
{
    struct smtp_client *cl = client_of(c);

    setup(cl);
    cl->h->connected(cl->ctx, cl);
    return client_greeting(c);
}

struct step client_wait(struct smtp_client *cl, step_fn *fn, uint64_t ms)
{
    if (cl->c.eof)
        return client_fail(cl, RC_CLOSED, 0, str_lit("connection closed by the other side"));
    return step_read(fn, ms);
}

struct step client_fail(struct smtp_client *cl, enum rc rc, unsigned code, struct str text)
{
    struct smtp_client_failure f = {.stage = cl->stage, .rc = rc, .code = code, .text = text};

    must(!cl->failed);
    cl->failed = true;
    f.tls_only = cl->o->tls == SMTP_TLS_PREFERRED && (rc == RC_TLS_FAILED || (cl->tls_tried && cl->stage == SMTP_AT_HELLO));
    if (cl->job && !cl->job_touched && !cl->dot_sent) {
        f.job = cl->job;
        cl->job = NULL;
    } else if (cl->job) {
        for (size_t i = 0; i < cl->job->n_recipients; i++)
            if (!client_has_result(&cl->rcpts[i]))
                client_rcpt_set(cl, i, code / 100 == 4 ? code : 0, text, NULL);
        client_job_done(cl);
    }
    cl->h->failed(cl->ctx, cl, &f);
    return step_end();
}

struct step client_quit(struct smtp_client *cl)
{
    cl->idle = false;
    buf_add(&cl->c.out, str_lit("QUIT\r\n"));
    return step_end(); /* the reply is of no use to anyone */
}

/* Work has come, or the peer spoke or went while nothing was under way. */
static struct step idle_over(struct conversation *c)
{
    struct smtp_client *cl = client_of(c);

    cl->idle = false;
    if (c->eof)
        return step_end();
    if (conversation_input(c).n)
        return client_quit(cl); /* 421, or nonsense */
    return step_goto(client_ready);
}

struct step client_ready(struct conversation *c)
{
    struct smtp_client *cl = client_of(c);
    struct smtp_job *job;

    cl->stage = SMTP_AT_MAIL;
    if (cl->finish || cl->messages >= cl->o->max_messages || conversation_input(c).n)
        return client_quit(cl);
    if (c->eof)
        return step_end();
    job = cl->h->next(cl->ctx, cl);
    if (job) {
        if (!client_job_take(cl, job))
            return client_fail(cl, RC_NO_MEMORY, 0, str_lit("out of memory"));
        return client_begin(cl);
    }
    if (cl->o->idle_ms == 0)
        return client_quit(cl);
    cl->idle = true;
    return step_idle(idle_over, cl->o->idle_ms);
}

/* A large body is on its way and the stream ended: the peer may have said why. */
static bool last_words(struct smtp_client *cl)
{
    return conversation_input(&cl->c).n && client_reply_read(cl) == RC_OK && cl->reply.code >= 400;
}

static struct step broken(struct conversation *c)
{
    struct smtp_client *cl = client_of(c);

    setup(cl);
    if (cl->failed)
        return step_end();
    if (cl->idle)
        return c->rc == RC_TIMEOUT ? client_quit(cl) : step_end();
    if (cl->job && last_words(cl)) {
        client_batch_set(cl, true, cl->reply.code, cl->reply.text, NULL);
        return client_fail(cl, RC_CLOSED, cl->reply.code, cl->reply.text);
    }
    return client_fail(cl, c->rc, 0, c->why);
}

static void done(struct conversation *c)
{
    struct smtp_client *cl = client_of(c);

    setup(cl);
    if (!cl->failed && cl->job) /* aborted from outside in the middle of a message */
        client_fail(cl, RC_CLOSED, 0, str_lit("connection was ended here"));
    cl->h->closed(cl->ctx, cl);
    buf_done(&cl->gather);
    buf_done(&cl->texts);
    free(cl->rcpts);
    free(cl->results);
}

const struct conversation_kind smtp_client_kind = {
    .name = "smtp-client",
    .first = first,
    .broken = broken,
    .done = done,
    .size = sizeof(struct smtp_client),
    .timeout_ms = 300000,
    .max_in = 64 * 1024,
};

bool smtp_client_idle(const struct smtp_client *cl)
{
    return cl->idle;
}

void smtp_client_wake(struct smtp_client *cl)
{
    if (cl->idle)
        conversation_resume(&cl->c);
}

void smtp_client_finish(struct smtp_client *cl)
{
    cl->finish = true;
    smtp_client_wake(cl);
}

uint64_t smtp_client_messages(const struct smtp_client *cl)
{
    return cl->messages;
}
