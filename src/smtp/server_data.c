/*
 * DATA (RFC 5321 4.1.1.4) and BDAT (RFC 3030): message octets on their way to the handler, and the answer at their end.
 *
 * Called by the command step. A message that failed on the way (too large, disk, bare line ends) is read to its end and then
 * refused, so the connection lives on. Octets of a refused BDAT are read and dropped. Owns nothing.
 */
#include "mail/envelope.h"
#include "smtp/server_inside.h"

static void sink(void *ctx, struct str octets)
{
    struct smtp_server *s = ctx;

    if (s->data.rc != RC_OK)
        return;
    if (s->max_bytes && s->body.bytes > s->max_bytes)
        s->data.rc = err_set(&s->data_err, RC_TOO_LARGE, "%s", rc_info(RC_TOO_LARGE)->text);
    else if (s->handler->data)
        s->data.rc = s->handler->data(s, octets, &s->data_err);
}

static struct step ended(struct smtp_server *s)
{
    if (!s->code)
        smtp_reply(s, SMTP_OK);
    smtp_server_forget(s);
    return smtp_server_go_on();
}

/* The last octet is there: refuse what failed on the way, else the handler makes the message safe and answers. */
static struct step finish(struct smtp_server *s)
{
    if (s->data.rc == RC_OK && s->reject_bare && (s->body.flags & SMTP_BODY_HAS_BARE) && s->body.mode != SMTP_BODY_RAW)
        s->data.rc = err_set(&s->data_err, RC_BARE_LINE_END, "%s", rc_info(RC_BARE_LINE_END)->text);
    s->code = 0;
    if (s->data.rc != RC_OK) {
        enum rc rc = s->data.rc;

        smtp_refuse(s, rc, &s->data_err);
        smtp_server_reset(s, rc, &s->data_err);
        if (s->strict && rc == RC_BARE_LINE_END) {
            s->how = SMTP_END_CLOSED;
            return step_end();
        }
        return smtp_server_go_on();
    }
    return smtp_server_then(s, s->handler->data_end ? s->handler->data_end(s) : SMTP_DONE, ended);
}

static struct step lost(struct smtp_server *s)
{
    s->how = SMTP_END_LOST;
    return step_end();
}

static struct step read_text(struct conversation *c)
{
    struct smtp_server *s = smtp_server_of(c);
    struct str in = conversation_input(c);

    conversation_take(c, smtp_body_feed(&s->body, in, sink, s));
    if (s->body.ended)
        return finish(s);
    return c->eof ? lost(s) : step_read(read_text, s->idle_ms);
}

static struct step go_ahead(struct smtp_server *s)
{
    if (s->code)
        return smtp_server_go_on(); /* refused: 4xx or 5xx instead of 354 */
    smtp_body_begin(&s->body, SMTP_BODY_DOTS);
    s->data.on = true;
    smtp_reply(s, SMTP_START_DATA);
    return step_goto(read_text);
}

struct step smtp_command_data(struct smtp_server *s, struct str args)
{
    if (args.n)
        return smtp_server_bad(s, RC_SYNTAX, "DATA takes no argument", args);
    if (s->data.on || s->sender.body == BODY_BINARYMIME)
        return smtp_server_bad(s, RC_WRONG_ORDER, "use BDAT", str_lit("DATA"));
    if (!s->recipients && s->refused_recipients) {
        smtp_reply(s, SMTP_NO_RECIPIENTS);
        return smtp_server_go_on();
    }
    if (!s->recipients)
        return smtp_server_bad(s, RC_WRONG_ORDER, NULL, str_lit("DATA"));
    return smtp_server_then(s, s->handler->data_start ? s->handler->data_start(s) : SMTP_DONE, go_ahead);
}

/* ---- BDAT ---------------------------------------------------------------------------------------------------------- */

static struct step chunk_ended(struct smtp_server *s)
{
    if (s->data.discard) {
        s->data.discard = false;
        return smtp_server_go_on(); /* answered when the command came */
    }
    if (s->data.last) {
        smtp_body_finish(&s->body, sink, s);
        return finish(s);
    }
    if (s->data.rc != RC_OK) { /* RFC 3030 2: after a failed chunk the transaction is gone */
        enum rc rc = s->data.rc;

        smtp_refuse(s, rc, &s->data_err);
        smtp_server_reset(s, rc, &s->data_err);
        return smtp_server_go_on();
    }
    smtp_reply(s, SMTP_CHUNK_OK);
    return smtp_server_go_on();
}

static struct step read_chunk(struct conversation *c)
{
    struct smtp_server *s = smtp_server_of(c);
    struct str in = conversation_input(c);

    if (in.n > s->data.left)
        in.n = (size_t)s->data.left;
    if (!s->data.discard)
        smtp_body_feed(&s->body, in, sink, s);
    conversation_take(c, in.n);
    s->data.left -= in.n;
    if (!s->data.left)
        return chunk_ended(s);
    return c->eof ? lost(s) : step_read(read_chunk, s->idle_ms);
}

static struct step discard(struct smtp_server *s, enum rc rc)
{
    if (!s->code && smtp_server_bad(s, rc, NULL, str_lit("BDAT")).what == STEP_END)
        return step_end();
    s->data.discard = true;
    return step_goto(read_chunk);
}

static struct step chunk_may_come(struct smtp_server *s)
{
    if (s->code)
        return discard(s, RC_OK);
    s->data.on = true;
    smtp_body_begin(&s->body, s->opaque || s->sender.body == BODY_BINARYMIME ? SMTP_BODY_RAW : SMTP_BODY_CHUNK);
    return step_goto(read_chunk);
}

struct step smtp_command_bdat(struct smtp_server *s, struct str args)
{
    struct str size = STR_NONE, word = STR_NONE;

    str_word(&args, &size);
    str_word(&args, &word);
    if (!(s->offers & SMTP_OFFER_CHUNKING))
        return smtp_server_bad(s, RC_NOT_IMPLEMENTED, NULL, str_lit("BDAT"));
    if (size.n > 19 || !str_u64(size, &s->data.left) || (word.n && !str_eqi(word, str_lit("LAST"))))
        return smtp_server_bad(s, RC_SYNTAX, "expected BDAT size [LAST]", str_lit("BDAT"));
    s->data.last = word.n != 0;
    if (s->strict && s->max_bytes && s->data.left / 10 > s->max_bytes) {
        smtp_refuse_as(s, 421, str_lit("4.7.0"), str_lit("that length is beyond all sense"));
        s->how = SMTP_END_CLOSED;
        return step_end();
    }
    if (s->extra && s->extra->permits(s, str_lit("BDAT")) != RC_OK)
        return discard(s, s->extra->permits(s, str_lit("BDAT")));
    if (s->tls_required && !s->c.tls)
        return discard(s, RC_TLS_REQUIRED);
    if (s->data.on)
        return step_goto(read_chunk);
    if (s->in_mail && !s->recipients && s->refused_recipients) {
        smtp_reply(s, SMTP_NO_RECIPIENTS);
        return discard(s, RC_OK);
    }
    if (!s->recipients)
        return discard(s, RC_WRONG_ORDER);
    return smtp_server_then(s, s->handler->data_start ? s->handler->data_start(s) : SMTP_DONE, chunk_may_come);
}
