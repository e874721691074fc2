/*
 * AUTH PLAIN and AUTH LOGIN (RFC 4954, RFC 4616): decodes the exchange, the handler knows whether the passphrase is right.
 *
 * Called by the command step; only under TLS (538 otherwise). Passphrases live in the transaction's arena and are wiped when
 * the handler has answered.
 */
#include "smtp/base64.h"
#include "smtp/server_inside.h"

static struct step forget(struct smtp_server *s)
{
    if (!s->code)
        smtp_refuse(s, RC_AUTH_FAILED, NULL);
    if (s->code == 235) {
        s->user = arena_str(&s->c.arena, s->login.user);
        s->errors = 0;
    }
    if (s->login.password.n)
        explicit_bzero((void *)(uintptr_t)s->login.password.p, s->login.password.n);
    s->login = (struct smtp_login){0};
    arena_reset(&s->message);
    return smtp_server_go_on();
}

static struct step judge(struct smtp_server *s)
{
    s->code = 0;
    return smtp_server_then(s, s->handler->auth ? s->handler->auth(s, &s->login) : SMTP_DONE, forget);
}

static struct step give_up(struct smtp_server *s, enum smtp_reply why)
{
    smtp_reply(s, why);
    s->errors++;
    return forget(s);
}

static bool decode(struct smtp_server *s, struct str line, struct str *out)
{
    if (str_eq(line, str_lit("="))) {
        *out = str_lit("");
        return true;
    }
    return base64_decode(&s->message, line, out, NULL) == RC_OK;
}

/* "authorization NUL user NUL passphrase"; another identity than the own is not lent. */
static struct step plain(struct smtp_server *s, struct str line)
{
    struct str all, as, user;

    if (!decode(s, line, &all) || !str_split(&all, 0, &as) || !all.p || !str_split(&all, 0, &user) || !all.p || !user.n)
        return give_up(s, SMTP_AUTH_CODING);
    s->login.user = user;
    s->login.password = all;
    if (as.n && !str_eq(as, user))
        return forget(s);
    return judge(s);
}

static step_fn next_line;

static struct step login(struct smtp_server *s, struct str line)
{
    struct str text;

    if (!decode(s, line, &text))
        return give_up(s, SMTP_AUTH_CODING);
    if (s->login.user.p) {
        s->login.password = text;
        return judge(s);
    }
    if (!text.n)
        return give_up(s, SMTP_AUTH_CODING);
    s->login.user = text;
    smtp_reply(s, SMTP_AUTH_PASSWORD);
    return step_goto(next_line);
}

static struct step response(struct smtp_server *s, struct str line)
{
    if (str_eq(line, str_lit("*")))
        return give_up(s, SMTP_AUTH_CANCELLED);
    return str_eq(s->login.mechanism, str_lit("PLAIN")) ? plain(s, line) : login(s, line);
}

static struct step next_line(struct conversation *c)
{
    struct smtp_server *s = smtp_server_of(c);
    struct str line;
    enum rc rc = conversation_line(c, SMTP_LINE_AUTH, &line);

    if (rc == RC_UNAVAILABLE)
        return c->eof ? smtp_server_lost(s) : step_read(next_line, s->idle_ms);
    if (rc != RC_OK)
        return give_up(s, SMTP_AUTH_LINE);
    return response(s, line);
}

struct step smtp_command_auth(struct smtp_server *s, struct str args)
{
    struct str mechanism = str_first(args, str_find(args, ' ')), initial = str_trim(str_from(args, mechanism.n));
    bool is_plain = str_eqi(mechanism, str_lit("PLAIN")), is_login = str_eqi(mechanism, str_lit("LOGIN"));

    if (!(s->offers & SMTP_OFFER_AUTH))
        return smtp_server_bad(s, RC_NOT_IMPLEMENTED, NULL, str_lit("AUTH"));
    if (!s->c.tls)
        return smtp_server_bad(s, RC_AUTH_NEEDS_TLS, NULL, str_lit("AUTH"));
    if (!s->extended)
        return smtp_server_bad(s, RC_WRONG_ORDER, "EHLO first", str_lit("AUTH"));
    if (!mechanism.n)
        return smtp_server_bad(s, RC_SYNTAX, "expected AUTH mechanism", str_lit("AUTH"));
    if (s->user.n || (!is_plain && !is_login)) {
        smtp_reply(s, s->user.n ? SMTP_AUTH_REPEATED : SMTP_AUTH_UNKNOWN);
        s->errors++;
        return smtp_server_go_on();
    }
    s->login = (struct smtp_login){.mechanism = is_plain ? str_lit("PLAIN") : str_lit("LOGIN")};
    if (initial.n)
        return response(s, initial);
    smtp_reply(s, is_plain ? SMTP_AUTH_GO_ON : SMTP_AUTH_USER);
    return step_goto(next_line);
}
