/*
 * SMTP client: what CPQ adds (central.md 7.2): XCPQ HELLO, XMETA, all recipients or none, and connections
 * that say XCPQ commands instead of carrying mail.
 *
 * Called by the steps of the client when its options ask for CPQ. Owns nothing. A peer without XCPQ, or one that refuses
 * HELLO, fails the connection: nothing of a message was said. What is refused later is the result of every recipient.
 */
#include "smtp/client_inside.h"

static void put_value(struct buf *out, const char *key, struct str value)
{
    buf_addf(out, " %s=", key);
    for (size_t i = 0; i < value.n; i++) {
        unsigned char c = (unsigned char)value.p[i];

        if (c > 32 && c < 127 && c != '+' && c != '=')
            buf_addc(out, (char)c);
        else
            buf_addf(out, "+%02X", c);
    }
}

static step_fn on_answer;

/* The next command, or the end: also when the owner wants no more (smtp_client_finish()). */
static struct step say_next(struct smtp_client *cl)
{
    struct str line;

    if (cl->finish || !cl->commands.n || !str_split(&cl->commands, '\n', &line))
        return client_quit(cl);
    buf_add(&cl->c.out, line);
    buf_add(&cl->c.out, str_lit("\r\n"));
    return client_wait(cl, on_answer, cl->o->command_ms);
}

static struct step on_answer(struct conversation *c)
{
    struct smtp_client *cl = client_of(c);
    struct step step;

    if (!client_reply_or(cl, on_answer, cl->o->command_ms, &step))
        return step;
    cl->h->answered(cl->ctx, cl, cl->reply.code, cl->reply.text);
    return say_next(cl);
}

static struct step on_hello(struct conversation *c)
{
    struct smtp_client *cl = client_of(c);
    struct step step;

    if (!client_reply_or(cl, on_hello, cl->o->command_ms, &step))
        return step;
    if (cl->reply.code / 100 != 2)
        return client_fail(cl, RC_NOT_PERMITTED, cl->reply.code, cl->reply.text);
    cl->commands = cl->o->cpq->commands;
    if (cl->commands.n) {
        cl->h->ready(cl->ctx, cl);
        return say_next(cl);
    }
    return client_mail_ready(cl);
}

struct step client_cpq_hello(struct smtp_client *cl)
{
    const struct smtp_client_cpq *q = cl->o->cpq;
    struct buf *out = &cl->c.out;

    if (!(cl->caps & CAP_XCPQ) || !(cl->caps & CAP_CHUNKING))
        return client_fail(cl, RC_SYNTAX, 0, str_lit("the other side does not speak XCPQ 1"));
    buf_add(out, str_lit("XCPQ HELLO proto=1"));
    put_value(out, "serial", q->serial);
    put_value(out, "role", q->role);
    put_value(out, "ver", q->version);
    put_value(out, "class", q->class_name);
    if (q->feat.n)
        put_value(out, "feat", q->feat);
    buf_add(out, str_lit("\r\n"));
    return client_wait(cl, on_hello, cl->o->command_ms);
}

void client_cpq_put_meta(struct smtp_client *cl)
{
    struct buf *out = &cl->c.out;

    buf_add(out, str_lit("XMETA "));
    buf_add_u64(out, cl->job->meta.n);
    buf_add(out, str_lit("\r\n"));
    buf_add(out, cl->job->meta);
}

struct step client_cpq_refused(struct smtp_client *cl)
{
    struct str text = str_lit("another recipient was refused");
    char copy[500]; /* the buffer the reply lies in grows now */
    unsigned code = 451;

    for (size_t i = cl->batch_from; i < cl->batch_to; i++)
        if (!cl->rcpts[i].open && cl->rcpts[i].code) {
            code = cl->rcpts[i].code;
            text = str_of(cl->texts.p + cl->rcpts[i].text_at, cl->rcpts[i].text_n);
            break;
        }
    text = str_first(text, sizeof copy);
    memcpy(copy, text.p, text.n);
    client_rcpt_set(cl, cl->batch_from, code, str_of(copy, text.n), NULL);
    for (size_t i = cl->batch_from + 1; i < cl->batch_to; i++)
        cl->rcpts[i] = cl->rcpts[cl->batch_from];
    cl->batch_open = 0;
    cl->need_rset = cl->mail_ok;
    return client_next_batch(cl);
}

struct step client_cpq_on_meta(struct smtp_client *cl)
{
    bool all = cl->batch_open == cl->batch_to - cl->batch_from;

    if (cl->reply.code / 100 == 3)
        return client_fail(cl, RC_SYNTAX, 0, str_lit("the reply does not fit the command"));
    if (!all)
        return client_cpq_refused(cl);
    if (cl->reply.code / 100 == 2)
        return client_body(cl);
    client_batch_set(cl, true, cl->reply.code, cl->reply.text, NULL);
    cl->need_rset = true;
    return client_next_batch(cl);
}
