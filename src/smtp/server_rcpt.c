/*
 * RCPT TO (RFC 5321 4.1.1.3) with NOTIFY and ORCPT (RFC 3461 4.1, 4.2).
 *
 * Called by the command step. What a refused recipient took from the transaction's arena is given back at once, so a peer
 * that tries addresses costs no memory.
 */
#include "mail/envelope.h"
#include "smtp/server_inside.h"

enum { ORCPT_MAX = 500 };

static enum rc read_notify(struct smtp_rcpt *r, struct str value, struct err *e)
{
    struct str word;

    if (!value.n || r->notify)
        return err_set(e, RC_SYNTAX, "bad NOTIFY");
    while (str_split(&value, ',', &word)) {
        if (str_eqi(word, str_lit("NEVER")))
            r->notify |= NOTIFY_NEVER;
        else if (str_eqi(word, str_lit("SUCCESS")))
            r->notify |= NOTIFY_SUCCESS;
        else if (str_eqi(word, str_lit("FAILURE")))
            r->notify |= NOTIFY_FAILURE;
        else if (str_eqi(word, str_lit("DELAY")))
            r->notify |= NOTIFY_DELAY;
        else
            return err_set(e, RC_SYNTAX, "bad NOTIFY");
    }
    if ((r->notify & NOTIFY_NEVER) && r->notify != NOTIFY_NEVER)
        return err_set(e, RC_SYNTAX, "NOTIFY=NEVER stands alone");
    return RC_OK;
}

/* "rfc822;user+40example.com": type, semicolon, xtext. */
static enum rc read_orcpt(struct smtp_server *s, struct smtp_rcpt *r, struct str value, struct err *e)
{
    size_t cut = str_find(value, ';');

    if (r->orcpt.n || !cut || cut >= value.n || value.n > ORCPT_MAX)
        return err_set(e, RC_SYNTAX, "bad ORCPT");
    return address_xtext_decode(&s->message, value, &r->orcpt, e);
}

static enum rc read_rcpt(struct smtp_server *s, struct str args, struct smtp_rcpt *r, struct err *e)
{
    struct str rest, keyword, value;
    enum rc rc;

    if (!str_startsi(args, str_lit("TO:")))
        return err_set(e, RC_SYNTAX, "expected RCPT TO:<address>");
    TRY(address_parse_path(&s->message, str_from(args, 3), s->addresses, &r->to, &rest, e));
    if (!r->to.address.n)
        return err_set(e, RC_SYNTAX, "empty recipient address");
    if (r->to.utf8 && !s->sender.utf8)
        return err_set(e, RC_SYNTAX, "address needs SMTPUTF8");
    while ((rc = address_next_parameter(&rest, &keyword, &value, e)) == RC_OK) {
        if (str_eqi(keyword, str_lit("NOTIFY")))
            TRY(read_notify(r, value, e));
        else if (str_eqi(keyword, str_lit("ORCPT")))
            TRY(read_orcpt(s, r, value, e));
        else
            return err_set(e, RC_PARAMETER_UNKNOWN, "%.*s parameter not recognized or not implemented",
                           STR(str_first(keyword, 60)));
    }
    return rc == RC_NOT_FOUND ? RC_OK : rc;
}

static struct step answered(struct smtp_server *s)
{
    if (!s->code)
        smtp_reply(s, SMTP_RECIPIENT_OK);
    if (smtp_reply_good(s)) {
        s->recipients++;
    } else {
        s->refused_recipients++;
        arena_rewind(&s->message, s->before_recipient);
    }
    return smtp_server_go_on();
}

struct step smtp_command_rcpt(struct smtp_server *s, struct str args)
{
    struct smtp_rcpt r = {0};
    struct str copy;
    struct err e = ERR_NONE;
    enum rc rc;

    if (s->data.on)
        return smtp_server_bad(s, RC_WRONG_ORDER, NULL, args); /* between two BDAT */
    s->before_recipient = arena_mark(&s->message);
    copy = arena_str(&s->message, args);
    rc = copy.p ? read_rcpt(s, copy, &r, &e) : err_set(&e, RC_NO_MEMORY, "out of memory");
    if (rc != RC_OK) {
        e.rc = rc;
        arena_rewind(&s->message, s->before_recipient);
        s->refused_recipients++;
        return smtp_server_bad_err(s, &e, args);
    }
    return smtp_server_then(s, s->handler->rcpt ? s->handler->rcpt(s, &r) : SMTP_DONE, answered);
}
