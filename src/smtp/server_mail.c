/*
 * MAIL FROM (RFC 5321 4.1.1.2) with SIZE, BODY, SMTPUTF8, RET, ENVID and AUTH.
 *
 * Called by the command step. The command line is copied into the transaction's arena, so what the handler gets lives as
 * long as the transaction. A refused sender leaves no transaction behind.
 */
#include "mail/envelope.h"
#include "smtp/server_inside.h"

enum { ENVID_MAX = 100 };

struct parameter {
    struct str keyword;
    enum rc (*read)(struct smtp_server *s, struct smtp_mail *m, struct str value, struct err *e);
};

static enum rc read_size(struct smtp_server *s, struct smtp_mail *m, struct str value, struct err *e)
{
    if (value.n > 20 || !str_u64(value, &m->size))
        return err_set(e, RC_SYNTAX, "bad SIZE");
    if (s->max_bytes && m->size > s->max_bytes)
        return err_set(e, RC_TOO_LARGE, "message size exceeds limit of %llu", (unsigned long long)s->max_bytes);
    return RC_OK;
}

static enum rc read_body(struct smtp_server *s, struct smtp_mail *m, struct str value, struct err *e)
{
    if (str_eqi(value, str_lit("7BIT")))
        m->body = BODY_7BIT;
    else if (str_eqi(value, str_lit("8BITMIME")))
        m->body = BODY_8BITMIME;
    else if (str_eqi(value, str_lit("BINARYMIME")) && (s->offers & SMTP_OFFER_CHUNKING))
        m->body = BODY_BINARYMIME;
    else
        return err_set(e, RC_SYNTAX, "bad BODY");
    return RC_OK;
}

static enum rc read_utf8(struct smtp_server *s, struct smtp_mail *m, struct str value, struct err *e)
{
    if (!(s->offers & SMTP_OFFER_UTF8))
        return err_set(e, RC_PARAMETER_UNKNOWN, "SMTPUTF8 not offered");
    if (value.p)
        return err_set(e, RC_SYNTAX, "SMTPUTF8 takes no value");
    m->utf8 = true;
    return RC_OK;
}

static enum rc read_ret(struct smtp_server *s, struct smtp_mail *m, struct str value, struct err *e)
{
    (void)s;
    if (m->ret != RET_NONE)
        return err_set(e, RC_SYNTAX, "RET given twice");
    if (str_eqi(value, str_lit("FULL")))
        m->ret = RET_FULL;
    else if (str_eqi(value, str_lit("HDRS")))
        m->ret = RET_HDRS;
    else
        return err_set(e, RC_SYNTAX, "bad RET");
    return RC_OK;
}

static enum rc read_envid(struct smtp_server *s, struct smtp_mail *m, struct str value, struct err *e)
{
    if (m->envid.n || !value.n || value.n > ENVID_MAX)
        return err_set(e, RC_SYNTAX, "bad ENVID");
    return address_xtext_decode(&s->message, value, &m->envid, e);
}

static enum rc read_auth(struct smtp_server *s, struct smtp_mail *m, struct str value, struct err *e)
{
    (void)s;
    if (!value.n)
        return err_set(e, RC_SYNTAX, "bad AUTH");
    m->auth = value;
    return RC_OK;
}

static const struct parameter parameters[] = {
    {{"SIZE", 4}, read_size}, {{"BODY", 4}, read_body},   {{"SMTPUTF8", 8}, read_utf8},
    {{"RET", 3}, read_ret},   {{"ENVID", 5}, read_envid}, {{"AUTH", 4}, read_auth},
};

static enum rc read_parameter(struct smtp_server *s, struct smtp_mail *m, struct str keyword, struct str value,
                              struct err *e)
{
    for (size_t i = 0; i < sizeof parameters / sizeof *parameters; i++)
        if (str_eqi(parameters[i].keyword, keyword))
            return parameters[i].read(s, m, value, e);
    return err_set(e, RC_PARAMETER_UNKNOWN, "%.*s parameter not recognized or not implemented", STR(str_first(keyword, 60)));
}

static enum rc read_mail(struct smtp_server *s, struct str args, struct smtp_mail *m, struct err *e)
{
    struct str rest, keyword, value;
    enum rc rc;

    if (!str_startsi(args, str_lit("FROM:")))
        return err_set(e, RC_SYNTAX, "expected MAIL FROM:<address>");
    TRY(address_parse_path(&s->message, str_from(args, 5), s->addresses, &m->from, &rest, e));
    while ((rc = address_next_parameter(&rest, &keyword, &value, e)) == RC_OK)
        TRY(read_parameter(s, m, keyword, value, e));
    if (rc != RC_NOT_FOUND)
        return rc;
    if (m->from.utf8 && !m->utf8)
        return err_set(e, RC_SYNTAX, "address needs SMTPUTF8");
    return RC_OK;
}

static struct step answered(struct smtp_server *s)
{
    if (!s->code)
        smtp_reply_text(s, SMTP_SENDER_OK, "sender <%.*s> ok", STR(s->sender.from.address));
    if (smtp_reply_good(s))
        s->in_mail = true;
    else
        smtp_server_forget(s);
    return smtp_server_go_on();
}

struct step smtp_command_mail(struct smtp_server *s, struct str args)
{
    struct smtp_mail m = {0};
    struct str copy = arena_str(&s->message, args);
    struct err e = ERR_NONE;
    enum rc rc = copy.p ? read_mail(s, copy, &m, &e) : err_set(&e, RC_NO_MEMORY, "out of memory");

    if (rc != RC_OK) {
        struct step next;

        e.rc = rc;
        next = smtp_server_bad_err(s, &e, args);
        arena_reset(&s->message);
        return next;
    }
    s->sender = m;
    return smtp_server_then(s, s->handler->mail ? s->handler->mail(s, &s->sender) : SMTP_DONE, answered);
}
