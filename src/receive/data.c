/*
 * The message itself: its octets go into the spool, its peer gets 250 when they are on stable storage.
 *
 * Called by the SMTP server. The body is freed by whoever ends the message: the spool when it takes it, session_reset() when
 * it does not come to that.
 */
#include "receive/inside.h"

enum smtp_next session_data_start(struct smtp_server *s)
{
    struct session *se = session_of(s);
    struct err e = ERR_NONE;
    enum rc rc;

    se->origin.user = s->user;
    se->origin.protocol = session_protocol(s);
    rc = message_body(&se->origin, &se->message, &e);
    if (rc == RC_OK) {
        se->data_ms = loop_now_ms(se->receive->o.loop);
        return SMTP_DONE;
    }
    smtp_refuse(s, rc, &e);
    spool_body_free(se->message.body);
    se->message.body = NULL;
    return SMTP_DONE;
}

enum rc session_data(struct smtp_server *s, struct str octets, struct err *e)
{
    struct session *se = session_of(s);

    return spool_body_add(se->message.body, octets, e);
}

static enum smtp_next stored(struct smtp_server *s)
{
    struct session *se = session_of(s);

    if (se->outcome == RC_CLOSED)
        return SMTP_CLOSE; /* whether it is stored cannot be told: no reply (B6) */
    if (se->outcome == RC_OK)
        smtp_reply_text(s, SMTP_OK, "ok:  Message %llu accepted", (unsigned long long)se->stored_mid);
    else
        smtp_refuse(s, se->outcome, NULL);
    return se->receive->stopping ? SMTP_CLOSE : SMTP_DONE;
}

static void settled(void *ctx, enum rc rc)
{
    struct session *se = ctx;

    se->stored = NULL;
    se->outcome = rc;
    conversation_resume(&se->s.c);
}

enum smtp_next session_data_end(struct smtp_server *s)
{
    struct session *se = session_of(s);
    struct envelope env = {
        .sender = s->sender.from.address,
        .body = s->sender.body,
        .smtputf8 = s->sender.utf8,
        .ret = s->sender.ret,
        .envid = s->sender.envid,
    };
    struct err e = ERR_NONE;
    enum rc rc;

    se->data_ms = 0;
    se->stored_mid = se->message.mid;
    se->outcome = RC_OK;
    rc = message_store(&se->origin, &se->message, &s->message, &env, s->body.flags, settled, se, &se->stored, &e);
    if (rc == RC_OK)
        return se->stored ? smtp_wait(s, stored) : stored(s);
    if (rc == RC_LOOP)
        event(se->receive->o.events, receiving_failed, .icid = se->icid, .reason = str_lit("Message loop"));
    message_drop(&se->origin, &se->message, false);
    smtp_refuse(s, rc, &e);
    return SMTP_DONE;
}

/* The transaction ends without a message: RSET, EHLO, the peer has gone, or it was refused at its end (rc). */
void session_reset(struct smtp_server *s, enum rc rc, const struct err *e)
{
    struct session *se = session_of(s);

    (void)e;
    se->data_ms = 0;
    if (!se->message.mid)
        return;
    if (rc == RC_TOO_LARGE)
        event(se->receive->o.events, receiving_failed, .icid = se->icid, .reason = str_lit("Message size exceeds limit"));
    message_drop(&se->origin, &se->message, rc == RC_OK || rc == RC_CLOSED);
}
