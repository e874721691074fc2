/*
 * The commands without state of their own: RSET, NOOP, QUIT, VRFY, EXPN, HELP (RFC 5321 4.1.1.5 to 4.1.1.10), STARTTLS (RFC
 * 3207).
 *
 * Called by the command step. Owns nothing.
 */
#include "smtp/server_inside.h"

struct step smtp_command_rset(struct smtp_server *s, struct str args)
{
    if (args.n)
        return smtp_server_bad(s, RC_SYNTAX, "RSET takes no argument", str_lit("RSET"));
    smtp_server_reset(s, RC_OK, NULL);
    smtp_reply(s, SMTP_RESET);
    return smtp_server_go_on();
}

struct step smtp_command_noop(struct smtp_server *s, struct str args)
{
    (void)args;
    smtp_reply(s, SMTP_OK);
    return smtp_server_go_on();
}

struct step smtp_command_help(struct smtp_server *s, struct str args)
{
    (void)args;
    smtp_reply(s, SMTP_HELP);
    return smtp_server_go_on();
}

struct step smtp_command_quit(struct smtp_server *s, struct str args)
{
    if (args.n)
        return smtp_server_bad(s, RC_SYNTAX, "QUIT takes no argument", str_lit("QUIT"));
    smtp_refuse_as(s, 221, str_lit("2.0.0"), s->host_name);
    s->how = SMTP_END_QUIT;
    return step_end();
}

static struct step verified(struct smtp_server *s)
{
    if (!s->code)
        smtp_reply(s, SMTP_CANNOT_VERIFY);
    return smtp_server_go_on();
}

struct step smtp_command_vrfy(struct smtp_server *s, struct str args)
{
    if (!args.n)
        return smtp_server_bad(s, RC_SYNTAX, "expected VRFY address", str_lit("VRFY"));
    return smtp_server_then(s, s->handler->verify ? s->handler->verify(s, args) : SMTP_DONE, verified);
}

struct step smtp_command_expn(struct smtp_server *s, struct str args)
{
    (void)args;
    return smtp_server_bad(s, RC_NOT_IMPLEMENTED, NULL, str_lit("EXPN"));
}

/* RFC 3207 4.2: everything learned in plain text is forgotten. */
static struct step encrypted(struct conversation *c)
{
    struct smtp_server *s = smtp_server_of(c);

    if (s->handler->tls)
        s->handler->tls(s, c->tls != NULL);
    if (!c->tls) {
        s->how = SMTP_END_LOST;
        return step_end();
    }
    s->extended = false;
    s->hello = STR_NONE;
    return smtp_server_go_on();
}

struct step smtp_command_starttls(struct smtp_server *s, struct str args)
{
    if (args.n)
        return smtp_server_bad(s, RC_SYNTAX, "STARTTLS takes no argument", str_lit("STARTTLS"));
    if (s->c.tls) {
        smtp_reply(s, SMTP_HELLO_REPEATED);
        s->errors++;
        return smtp_server_go_on();
    }
    if (!(s->offers & SMTP_OFFER_TLS))
        return smtp_server_bad(s, RC_NOT_IMPLEMENTED, NULL, str_lit("STARTTLS"));
    smtp_reply(s, SMTP_START_TLS);
    return step_tls(encrypted, s->idle_ms);
}
