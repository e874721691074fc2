/*
 * SMTP client: a transaction: MAIL, RCPT, DATA in one group where the peer pipelines (RFC 2920), and their replies.
 *
 * Called when the handler gave a job. Large recipient lists go in several transactions. Recipients that this peer cannot
 * serve (SMTPUTF8, SIZE, 8BITMIME) get a result here without a word to it; 8-bit content is converted where it can be.
 */
#include "smtp/client_inside.h"

#include "mail/address.h"

static const struct recipient *rcpt_of(const struct smtp_client *cl, size_t i)
{
    return &cl->job->envelope->recipients[cl->job->recipients[i]];
}

/* ---- what this peer cannot take --------------------------------------------------------------------------------- */

static bool is_ascii(struct str s)
{
    for (size_t i = 0; i < s.n; i++)
        if ((unsigned char)s.p[i] > 127)
            return false;
    return true;
}

/* Octets that would end the command line or leave the path. receive lets none in; a spool file could be older than a rule.
 */
static bool fits_path(struct str s)
{
    for (size_t i = 0; i < s.n; i++)
        if ((unsigned char)s.p[i] < 32 || s.p[i] == 127)
            return false;
    return true;
}

static void refuse_all(struct smtp_client *cl, const char *enhanced, const char *text)
{
    cl->batch_from = 0;
    cl->batch_to = cl->job->n_recipients;
    client_batch_set(cl, false, 0, str_c(text), enhanced);
}

static void judge_recipients(struct smtp_client *cl)
{
    for (size_t i = 0; i < cl->job->n_recipients; i++) {
        struct str address = rcpt_of(cl, i)->address;

        if (!fits_path(address))
            client_rcpt_set(cl, i, 0, str_lit("address cannot be sent"), "5.1.3");
        else if (!is_ascii(address) && !(cl->caps & CAP_SMTPUTF8))
            client_rcpt_set(cl, i, 0, str_lit("the next hop does not take internationalised addresses (SMTPUTF8)"), "5.6.7");
    }
}

static bool is_too_large(const struct smtp_client *cl)
{
    return cl->peer_max_size && cl->job->body_bytes > cl->peer_max_size;
}

/* RFC 6152 3: converted or returned, never sent as it is. False when all have their result. */
static bool made_7bit(struct smtp_client *cl)
{
    enum rc rc = cl->h->downgrade(cl->ctx, cl->job);

    if (rc == RC_NOT_FOUND)
        refuse_all(cl, "5.6.3", "8-bit content: the next hop offers no 8BITMIME");
    else if (rc != RC_OK)
        refuse_all(cl, "4.3.0", "8-bit content cannot be converted now");
    else if (is_too_large(cl))
        refuse_all(cl, "5.3.4", "message is larger than the next hop takes");
    else
        return true;
    return false;
}

static void judge(struct smtp_client *cl)
{
    const struct smtp_job *job = cl->job;
    const struct envelope *env = job->envelope;
    bool utf8 = cl->caps & CAP_SMTPUTF8;

    if (!fits_path(env->sender))
        refuse_all(cl, "5.1.7", "sender address cannot be sent");
    else if (!is_ascii(env->sender) && !utf8)
        refuse_all(cl, "5.6.7", "the next hop does not take internationalised addresses (SMTPUTF8)");
    else if (env->smtputf8 && job->has_8bit_header && !utf8)
        refuse_all(cl, "5.6.9", "the next hop does not take internationalised headers (SMTPUTF8)");
    else if (is_too_large(cl))
        refuse_all(cl, "5.3.4", "message is larger than the next hop takes");
    else if (job->has_bare && (cl->caps & (CAP_CHUNKING | CAP_BINARYMIME)) != (CAP_CHUNKING | CAP_BINARYMIME))
        refuse_all(cl, "5.6.3", "binary content: the next hop offers no BINARYMIME");
    else if (!job->has_8bit || (cl->caps & CAP_8BITMIME) || cl->bdat || made_7bit(cl))
        judge_recipients(cl);
}

/* ---- commands --------------------------------------------------------------------------------------------------- */

static void put_mail(struct smtp_client *cl)
{
    static const char *const RET[] = {[RET_FULL] = " RET=FULL", [RET_HDRS] = " RET=HDRS"};
    const struct envelope *env = cl->job->envelope;
    struct buf *out = &cl->c.out;

    buf_add(out, str_lit("MAIL FROM:<"));
    buf_add(out, env->sender);
    buf_addc(out, '>');
    if (cl->caps & CAP_SIZE) {
        buf_add(out, str_lit(" SIZE="));
        buf_add_u64(out, cl->job->body_bytes);
    }
    if (cl->job->has_bare)
        buf_add(out, str_lit(" BODY=BINARYMIME"));
    else if (cl->job->has_8bit && (cl->caps & CAP_8BITMIME))
        buf_add(out, str_lit(" BODY=8BITMIME"));
    if (env->smtputf8 && (cl->caps & CAP_SMTPUTF8))
        buf_add(out, str_lit(" SMTPUTF8"));
    if (cl->caps & CAP_DSN) {
        if (env->ret == RET_FULL || env->ret == RET_HDRS)
            buf_add(out, str_c(RET[env->ret]));
        if (env->envid.n) {
            buf_add(out, str_lit(" ENVID="));
            address_xtext_encode(env->envid, out);
        }
    }
    buf_add(out, str_lit("\r\n"));
}

static void put_notify(struct buf *out, const struct recipient *r)
{
    static const char *const WORDS[] = {"NEVER", "SUCCESS", "FAILURE", "DELAY"};
    size_t semicolon = str_find(r->orcpt, ';');
    const char *lead = " NOTIFY=";

    for (size_t i = 0; i < 4; i++) {
        if (!(r->notify & 1u << i))
            continue;
        buf_add(out, str_c(lead));
        buf_add(out, str_c(WORDS[i]));
        lead = ",";
    }
    if (semicolon < r->orcpt.n) {
        buf_add(out, str_lit(" ORCPT="));
        buf_add(out, str_first(r->orcpt, semicolon + 1));
        address_xtext_encode(str_from(r->orcpt, semicolon + 1), out);
    }
}

static void put_rcpt(struct smtp_client *cl, size_t i)
{
    struct buf *out = &cl->c.out;

    buf_add(out, str_lit("RCPT TO:<"));
    buf_add(out, rcpt_of(cl, i)->address);
    buf_addc(out, '>');
    if (cl->caps & CAP_DSN)
        put_notify(out, rcpt_of(cl, i));
    buf_add(out, str_lit("\r\n"));
}

/* First recipient of the batch from i on that is really sent. */
static size_t rcpt_from(const struct smtp_client *cl, size_t i)
{
    while (i < cl->batch_to && cl->rcpts[i].local)
        i++;
    return i;
}

static void put_group(struct smtp_client *cl)
{
    put_mail(cl);
    cl->expect = EXPECT_MAIL;
    if (!cl->piped)
        return;
    for (size_t i = rcpt_from(cl, cl->batch_from); i < cl->batch_to; i = rcpt_from(cl, i + 1))
        put_rcpt(cl, i);
    if (cl->o->cpq)
        client_cpq_put_meta(cl);
    else if (!cl->bdat)
        buf_add(&cl->c.out, str_lit("DATA\r\n"));
}

static struct step wait_reply(struct smtp_client *cl)
{
    return client_wait(cl, client_on_reply, cl->expect == EXPECT_DOT ? cl->o->dot_ms : cl->o->command_ms);
}

struct step client_next_batch(struct smtp_client *cl)
{
    size_t n = cl->job->n_recipients, most = cl->o->max_recipients ? cl->o->max_recipients : 1;

    cl->dot_sent = cl->mail_ok = false;
    cl->batch_from = cl->batch_to;
    cl->batch_to = n;
    cl->batch_from = rcpt_from(cl, cl->batch_from);
    if (cl->batch_from == n) {
        client_job_done(cl);
        return step_goto(client_ready);
    }
    if (n - cl->batch_from > most && !cl->o->cpq)
        cl->batch_to = cl->batch_from + most;
    cl->batch_open = 0;
    cl->expect_rcpt = cl->batch_from;
    cl->piped = cl->o->pipelining && (cl->caps & CAP_PIPELINING);
    if (cl->need_rset) {
        buf_add(&cl->c.out, str_lit("RSET\r\n"));
        cl->need_rset = false;
        cl->expect = EXPECT_RSET;
        if (!cl->piped)
            return wait_reply(cl);
        put_group(cl);
        cl->expect = EXPECT_RSET;
        return wait_reply(cl);
    }
    put_group(cl);
    return wait_reply(cl);
}

struct step client_begin(struct smtp_client *cl)
{
    cl->bdat = cl->job->has_bare || cl->o->cpq;
    judge(cl);
    cl->batch_from = cl->batch_to = 0;
    cl->h->begin(cl->ctx, cl, cl->job);
    if (cl->o->cpq && cl->job->known.serial.n && !cl->need_rset)
        return client_cpq_query(cl);
    return client_next_batch(cl);
}

/* ---- replies ---------------------------------------------------------------------------------------------------- */

static struct step no_sense(struct smtp_client *cl)
{
    return client_fail(cl, RC_SYNTAX, 0, str_lit("the reply does not fit the command"));
}

static struct step on_rset(struct smtp_client *cl)
{
    if (cl->reply.code / 100 != 2)
        return client_fail(cl, RC_CLOSED, cl->reply.code, cl->reply.text);
    if (!cl->piped)
        put_group(cl);
    cl->expect = EXPECT_MAIL;
    return step_goto(client_on_reply);
}

static struct step on_mail(struct smtp_client *cl)
{
    cl->job_touched = true;
    cl->mail_ok = cl->reply.code / 100 == 2;
    if (cl->reply.code / 100 == 3)
        return no_sense(cl);
    if (!cl->mail_ok) {
        client_batch_set(cl, false, cl->reply.code, cl->reply.text, NULL);
        if (!cl->piped)
            return client_next_batch(cl);
    }
    cl->expect = EXPECT_RCPT;
    if (!cl->piped)
        put_rcpt(cl, cl->expect_rcpt);
    return step_goto(client_on_reply);
}

static struct step all_rcpts_answered(struct smtp_client *cl)
{
    if (cl->o->cpq) {
        if (!cl->piped && cl->batch_open == cl->batch_to - cl->batch_from)
            client_cpq_put_meta(cl);
        else if (!cl->piped)
            return client_cpq_refused(cl);
        cl->expect = EXPECT_META;
        return step_goto(client_on_reply);
    }
    if (cl->piped && !cl->bdat) {
        cl->expect = EXPECT_DATA;
        return step_goto(client_on_reply);
    }
    if (cl->batch_open == 0) {
        cl->need_rset = cl->mail_ok;
        return client_next_batch(cl);
    }
    if (cl->bdat)
        return client_body(cl);
    buf_add(&cl->c.out, str_lit("DATA\r\n"));
    cl->expect = EXPECT_DATA;
    return step_goto(client_on_reply);
}

static struct step on_rcpt(struct smtp_client *cl)
{
    size_t i = cl->expect_rcpt;

    if (cl->mail_ok) {
        if (cl->reply.code / 100 == 3)
            return no_sense(cl);
        if (cl->reply.code / 100 == 2) {
            cl->rcpts[i].open = true;
            cl->batch_open++;
        } else {
            client_rcpt_set(cl, i, cl->reply.code, cl->reply.text, NULL);
        }
    }
    cl->expect_rcpt = rcpt_from(cl, i + 1);
    if (cl->expect_rcpt >= cl->batch_to)
        return all_rcpts_answered(cl);
    if (!cl->piped)
        put_rcpt(cl, cl->expect_rcpt);
    return step_goto(client_on_reply);
}

static struct step on_data(struct smtp_client *cl)
{
    if (cl->reply.code / 100 == 2)
        return no_sense(cl);
    if (cl->reply.code / 100 == 3) {
        if (cl->batch_open)
            return client_body(cl);
        /* Nobody is left to take it, but the peer waits for content (RFC 2920 3.1). */
        buf_add(&cl->c.out, str_lit(".\r\n"));
        cl->expect = EXPECT_EMPTY_DOT;
        return step_goto(client_on_reply);
    }
    client_batch_set(cl, true, cl->reply.code, cl->reply.text, NULL);
    cl->need_rset = cl->mail_ok;
    return client_next_batch(cl);
}

static struct step on_empty_dot(struct smtp_client *cl)
{
    return client_next_batch(cl);
}

static struct step on_dot(struct smtp_client *cl)
{
    if (cl->reply.code / 100 == 3)
        return no_sense(cl);
    client_batch_set(cl, true, cl->reply.code, cl->reply.text, NULL);
    return client_next_batch(cl);
}

struct step client_on_reply(struct conversation *c)
{
    static struct step (*const ON[])(struct smtp_client *) = {
        [EXPECT_RSET] = on_rset,
        [EXPECT_MAIL] = on_mail,
        [EXPECT_RCPT] = on_rcpt,
        [EXPECT_DATA] = on_data,
        [EXPECT_EMPTY_DOT] = on_empty_dot,
        [EXPECT_DOT] = on_dot,
        [EXPECT_META] = client_cpq_on_meta,
    };
    struct smtp_client *cl = client_of(c);
    enum rc rc = client_reply_read(cl);

    if (rc == RC_UNAVAILABLE)
        return wait_reply(cl);
    if (rc != RC_OK)
        return client_fail(cl, RC_SYNTAX, 0, str_lit("the reply is no SMTP reply"));
    if (cl->reply.code == 421)
        return client_fail(cl, RC_CLOSED, 421, cl->reply.text);
    return ON[cl->expect](cl);
}
