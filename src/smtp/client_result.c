/*
 * SMTP client: what became of each recipient of the job in hand.
 *
 * Called by the sending steps. Reply texts are gathered in cl->texts and turned into delivery_result views once, when the
 * job is done. Nothing is allocated per message once the arrays have grown.
 */
#include "smtp/client_inside.h"

#include <stdlib.h>

bool client_has_result(const struct client_rcpt *r)
{
    return r->code != 0 || r->local || r->lost;
}

bool client_job_take(struct smtp_client *cl, struct smtp_job *job)
{
    size_t n = job->n_recipients;

    cl->job = job;
    cl->job_touched = cl->dot_sent = false;
    cl->batch_from = cl->batch_to = cl->batch_open = 0;
    buf_clear(&cl->texts);
    if (n > cl->rcpts_cap) {
        size_t cap = n < 8 ? 8 : n;
        struct client_rcpt *rcpts = realloc(cl->rcpts, cap * sizeof *rcpts);
        struct delivery_result *results;

        if (rcpts)
            cl->rcpts = rcpts;
        results = realloc(cl->results, cap * sizeof *results);
        if (results)
            cl->results = results;
        if (!rcpts || !results)
            return false;
        cl->rcpts_cap = cap;
    }
    memset(cl->rcpts, 0, n * sizeof *cl->rcpts);
    return true;
}

void client_rcpt_set(struct smtp_client *cl, size_t i, unsigned code, struct str text, const char *local)
{
    struct client_rcpt *r = &cl->rcpts[i];

    r->code = code;
    r->local = local;
    r->lost = code == 0;
    r->open = false;
    r->text_at = (uint32_t)cl->texts.n;
    r->text_n = 0;
    if (text.n <= CLIENT_TEXTS_MAX - cl->texts.n) {
        buf_add(&cl->texts, text);
        r->text_n = (uint32_t)text.n;
    }
}

void client_batch_set(struct smtp_client *cl, bool open_only, unsigned code, struct str text, const char *local)
{
    const struct client_rcpt *same = NULL;

    for (size_t i = cl->batch_from; i < cl->batch_to; i++) {
        struct client_rcpt *r = &cl->rcpts[i];

        if (open_only ? !r->open : client_has_result(r))
            continue;
        if (same) {
            *r = *same; /* one copy of the text serves all */
            continue;
        }
        client_rcpt_set(cl, i, code, text, local);
        same = r;
    }
    cl->batch_open = 0;
}

static enum result_class class_of(const struct client_rcpt *r)
{
    if (r->local)
        return r->local[0] == '5' ? RESULT_BOUNCED : RESULT_DELAYED;
    if (r->code / 100 == 2)
        return RESULT_DELIVERED;
    return r->code / 100 == 5 ? RESULT_BOUNCED : RESULT_DELAYED;
}

/* RFC 3461 5.2.2: who asked for a success notice gets a `relayed` one from us when the next hop knows no DSN. */
static bool relayed(const struct smtp_client *cl, size_t i)
{
    const struct recipient *to = &cl->job->envelope->recipients[cl->job->recipients[i]];

    return (to->notify & NOTIFY_SUCCESS) && !(cl->caps & CAP_DSN);
}

static enum result_reason reason_of(const struct smtp_client *cl, size_t i, enum result_class class)
{
    const struct client_rcpt *r = &cl->rcpts[i];

    if (class == RESULT_DELIVERED)
        return relayed(cl, i) ? REASON_RELAYED : REASON_NONE;
    if (r->local)
        return REASON_OTHER;
    if (r->code == 0)
        return REASON_NETWORK;
    return class == RESULT_BOUNCED ? REASON_5XX : REASON_OTHER;
}

void client_job_done(struct smtp_client *cl)
{
    struct smtp_job *job = cl->job;

    for (size_t i = 0; i < job->n_recipients; i++) {
        const struct client_rcpt *r = &cl->rcpts[i];
        struct delivery_result *out = &cl->results[i];
        struct str text = r->text_n ? str_of(cl->texts.p + r->text_at, r->text_n) : STR_NONE;
        enum result_class class = class_of(r);

        *out = (struct delivery_result){.recipient = job->recipients[i],
                                        .class = class,
                                        .reason = reason_of(cl, i, class),
                                        .code = r->code,
                                        .enhanced = r->local ? str_c(r->local) : client_enhanced(text, r->code),
                                        .text = text,
                                        .mta = r->code ? cl->o->host : STR_NONE};
        if (class == RESULT_DELAYED && r->lost && !r->local)
            out->enhanced = str_lit("4.4.2");
    }
    cl->job = NULL;
    cl->messages++;
    cl->h->done(cl->ctx, cl, job, cl->results, job->n_recipients);
}
