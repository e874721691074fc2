/*
 * SMTP client: greeting, EHLO or HELO, STARTTLS, AUTH (RFC 5321 4.1.1.1, RFC 3207, RFC 4954).
 *
 * Steps of the conversation up to the point where mail may be sent. Anything the peer refuses here ends the connection with
 * a failure that names the stage; optional TLS that breaks is marked so that deliver tries again without it.
 */
#include "smtp/client_inside.h"

#include <strings.h>

static step_fn on_greeting, on_ehlo, on_helo, on_starttls, on_tls, on_auth_user, on_auth_password, on_auth_end;

static const struct {
    struct str word;
    unsigned cap;
} EXTENSIONS[] = {
    {{"SIZE", 4}, CAP_SIZE},         {{"8BITMIME", 8}, CAP_8BITMIME}, {{"PIPELINING", 10}, CAP_PIPELINING},
    {{"STARTTLS", 8}, CAP_STARTTLS}, {{"CHUNKING", 8}, CAP_CHUNKING}, {{"BINARYMIME", 10}, CAP_BINARYMIME},
    {{"SMTPUTF8", 8}, CAP_SMTPUTF8}, {{"DSN", 3}, CAP_DSN},           {{"XCPQ", 4}, CAP_XCPQ},
};

bool client_reply_or(struct smtp_client *cl, step_fn *fn, uint64_t ms, struct step *step_out)
{
    enum rc rc = client_reply_read(cl);

    if (rc == RC_UNAVAILABLE)
        *step_out = client_wait(cl, fn, ms);
    else if (rc != RC_OK)
        *step_out = client_fail(cl, RC_SYNTAX, 0, str_lit("the reply is no SMTP reply"));
    else if (cl->reply.code == 421)
        *step_out = client_fail(cl, RC_CLOSED, 421, cl->reply.text);
    else
        return true;
    return false;
}

static struct step refused(struct smtp_client *cl)
{
    return client_fail(cl, RC_CLOSED, cl->reply.code, cl->reply.text);
}

struct step client_greeting(struct conversation *c)
{
    struct smtp_client *cl = client_of(c);

    cl->stage = SMTP_AT_GREETING;
    return on_greeting(c);
}

static struct step say_hello(struct smtp_client *cl, const char *verb, step_fn *fn)
{
    cl->stage = SMTP_AT_HELLO;
    cl->caps = 0;
    cl->peer_max_size = 0;
    buf_add(&cl->c.out, str_c(verb));
    buf_add(&cl->c.out, cl->o->helo);
    buf_add(&cl->c.out, str_lit("\r\n"));
    return client_wait(cl, fn, cl->o->command_ms);
}

static struct step on_greeting(struct conversation *c)
{
    struct smtp_client *cl = client_of(c);
    struct step step;

    if (!client_reply_or(cl, on_greeting, cl->o->greeting_ms, &step))
        return step;
    if (cl->reply.code / 100 != 2)
        return refused(cl);
    return say_hello(cl, "EHLO ", on_ehlo);
}

static void learn_auth(struct smtp_client *cl, struct str rest)
{
    struct str word;

    while (str_word(&rest, &word)) {
        if (str_eqi(word, str_lit("PLAIN")))
            cl->caps |= CAP_AUTH_PLAIN;
        if (str_eqi(word, str_lit("LOGIN")))
            cl->caps |= CAP_AUTH_LOGIN;
    }
}

static void learn(struct smtp_client *cl, struct str line)
{
    struct str word, rest = line;

    if (!str_word(&rest, &word))
        return;
    if (str_startsi(word, str_lit("AUTH"))) { /* "AUTH=LOGIN" is an old form of some servers */
        learn_auth(cl, str_from(line, 5));
        return;
    }
    for (size_t i = 0; i < sizeof EXTENSIONS / sizeof *EXTENSIONS; i++)
        if (str_eqi(word, EXTENSIONS[i].word))
            cl->caps |= EXTENSIONS[i].cap;
    if (str_eqi(word, str_lit("SIZE")) && !(str_word(&rest, &word) && str_u64(word, &cl->peer_max_size)))
        cl->peer_max_size = 0;
}

struct step client_mail_ready(struct smtp_client *cl)
{
    cl->h->ready(cl->ctx, cl);
    return step_goto(client_ready);
}

static struct step mail_ready(struct smtp_client *cl)
{
    return cl->o->cpq ? client_cpq_hello(cl) : client_mail_ready(cl);
}

static struct step authenticate(struct smtp_client *cl);

static struct step after_hello(struct smtp_client *cl)
{
    bool secure = cl->c.tls != NULL;

    if (!secure && cl->o->tls != SMTP_TLS_NONE && (cl->caps & CAP_STARTTLS)) {
        cl->stage = SMTP_AT_TLS;
        cl->tls_tried = true;
        buf_add(&cl->c.out, str_lit("STARTTLS\r\n"));
        return client_wait(cl, on_starttls, cl->o->command_ms);
    }
    if (!secure && cl->o->tls == SMTP_TLS_REQUIRED) {
        cl->stage = SMTP_AT_TLS;
        return client_fail(cl, RC_TLS_REQUIRED, 0,
                           cl->o->cpq ? str_lit("TLS removed on the way: the other side does not offer STARTTLS")
                                      : str_lit("TLS required but STARTTLS not offered"));
    }
    return authenticate(cl);
}

static struct step on_ehlo(struct conversation *c)
{
    struct smtp_client *cl = client_of(c);
    struct str rest, line;
    struct step step;

    if (!client_reply_or(cl, on_ehlo, cl->o->command_ms, &step))
        return step;
    if (cl->reply.code / 100 == 5 && !c->tls && cl->o->tls != SMTP_TLS_REQUIRED)
        return say_hello(cl, "HELO ", on_helo);
    if (cl->reply.code / 100 != 2)
        return refused(cl);
    rest = cl->reply.text;
    str_split(&rest, '\n', &line); /* the first line is its name */
    while (rest.p && str_split(&rest, '\n', &line))
        learn(cl, line);
    return after_hello(cl);
}

static struct step on_helo(struct conversation *c)
{
    struct smtp_client *cl = client_of(c);
    struct step step;

    if (!client_reply_or(cl, on_helo, cl->o->command_ms, &step))
        return step;
    if (cl->reply.code / 100 != 2)
        return refused(cl);
    return mail_ready(cl);
}

/* ---- STARTTLS ------------------------------------------------------------------------------------------------- */

static struct step on_starttls(struct conversation *c)
{
    struct smtp_client *cl = client_of(c);
    struct step step;

    if (!client_reply_or(cl, on_starttls, cl->o->command_ms, &step))
        return step;
    if (cl->reply.code != 220) {
        cl->h->tls(cl->ctx, cl, false, cl->reply.text);
        if (cl->o->tls == SMTP_TLS_REQUIRED)
            return client_fail(cl, RC_TLS_REQUIRED, cl->reply.code, cl->reply.text);
        return authenticate(cl);
    }
    /* Octets behind the reply, before the handshake, could be an attacker's (RFC 3207 4.2 demands that we forget all). */
    if (conversation_input(c).n) {
        cl->h->tls(cl->ctx, cl, false, str_lit("octets before the handshake"));
        return client_fail(cl, RC_TLS_FAILED, 0, str_lit("octets before the TLS handshake"));
    }
    return step_tls(on_tls, cl->o->command_ms);
}

static struct step on_tls(struct conversation *c)
{
    struct smtp_client *cl = client_of(c);

    if (!c->tls) {
        cl->h->tls(cl->ctx, cl, false, c->why);
        return client_fail(cl, RC_TLS_FAILED, 0, c->why);
    }
    cl->h->tls(cl->ctx, cl, true, STR_NONE);
    return say_hello(cl, "EHLO ", on_ehlo);
}

/* ---- AUTH ----------------------------------------------------------------------------------------------------- */

static void put_base64(struct buf *out, struct str in)
{
    static const char ALPHABET[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    const unsigned char *p = (const unsigned char *)in.p;

    for (size_t i = 0; i < in.n; i += 3) {
        unsigned v = (unsigned)p[i] << 16 | (i + 1 < in.n ? (unsigned)p[i + 1] << 8 : 0) | (i + 2 < in.n ? p[i + 2] : 0);

        buf_addc(out, ALPHABET[v >> 18]);
        buf_addc(out, ALPHABET[v >> 12 & 63]);
        buf_addc(out, i + 1 < in.n ? ALPHABET[v >> 6 & 63] : '=');
        buf_addc(out, i + 2 < in.n ? ALPHABET[v & 63] : '=');
    }
}

static struct step put_secret(struct smtp_client *cl, struct str secret, step_fn *fn)
{
    put_base64(&cl->c.out, secret);
    buf_add(&cl->c.out, str_lit("\r\n"));
    return client_wait(cl, fn, cl->o->command_ms);
}

static struct step authenticate(struct smtp_client *cl)
{
    bool wanted = cl->o->auth_user.n && (cl->c.tls || cl->o->auth_plain_text);
    struct buf b = BUF(1024);
    struct step step;

    if (!wanted || !(cl->caps & (CAP_AUTH_PLAIN | CAP_AUTH_LOGIN)))
        return mail_ready(cl);
    cl->stage = SMTP_AT_AUTH;
    if (!(cl->caps & CAP_AUTH_PLAIN)) {
        buf_add(&cl->c.out, str_lit("AUTH LOGIN\r\n"));
        return client_wait(cl, on_auth_user, cl->o->command_ms);
    }
    buf_add(&cl->c.out, str_lit("AUTH PLAIN "));
    buf_addc(&b, '\0');
    buf_add(&b, cl->o->auth_user);
    buf_addc(&b, '\0');
    buf_add(&b, cl->o->auth_password);
    step = put_secret(cl, buf_str(&b), on_auth_end);
    if (b.p)
        explicit_bzero(b.p, b.n);
    buf_done(&b);
    return step;
}

static struct step auth_refused(struct smtp_client *cl)
{
    cl->h->auth(cl->ctx, cl, false, cl->reply.text);
    return client_fail(cl, RC_AUTH_FAILED, cl->reply.code, cl->reply.text);
}

static struct step on_auth_user(struct conversation *c)
{
    struct smtp_client *cl = client_of(c);
    struct step step;

    if (!client_reply_or(cl, on_auth_user, cl->o->command_ms, &step))
        return step;
    if (cl->reply.code != 334)
        return auth_refused(cl);
    return put_secret(cl, cl->o->auth_user, on_auth_password);
}

static struct step on_auth_password(struct conversation *c)
{
    struct smtp_client *cl = client_of(c);
    struct step step;

    if (!client_reply_or(cl, on_auth_password, cl->o->command_ms, &step))
        return step;
    if (cl->reply.code != 334)
        return auth_refused(cl);
    return put_secret(cl, cl->o->auth_password, on_auth_end);
}

static struct step on_auth_end(struct conversation *c)
{
    struct smtp_client *cl = client_of(c);
    struct step step;

    if (!client_reply_or(cl, on_auth_end, cl->o->command_ms, &step))
        return step;
    if (cl->reply.code != 235)
        return auth_refused(cl);
    cl->h->auth(cl->ctx, cl, true, STR_NONE);
    return mail_ready(cl);
}
