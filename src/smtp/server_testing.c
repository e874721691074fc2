/*
 * The agreeable handler of the tests. See server_testing.h.
 *
 * Called by the server conversation. Refuses recipients at "unknown.test", senders at "bad.test" and the login "mallory".
 */
#include "smtp/server_testing.h"

#include <stdio.h>

static struct testing *of(struct smtp_server *s)
{
    return s->c.ctx;
}

static void begin(struct smtp_server *s)
{
    struct testing *t = of(s);

    s->host_name = str_lit("mx.test");
    s->offers = t->offers;
    s->proxy = t->proxy;
    s->max_bytes = t->max_bytes;
    s->max_errors = 20;
    s->tls_required = t->tls_required;
    s->reject_bare = t->reject_bare;
}

static enum smtp_next greet(struct smtp_server *s)
{
    struct testing *t = of(s);
    char ip[46];

    t->connects++;
    snprintf(t->peer, sizeof t->peer, "%.*s", STR(s->peer.ip.family ? ip_text(&s->peer.ip, ip) : str_lit("")));
    snprintf(t->peer_name, sizeof t->peer_name, "%.*s", STR(s->peer.name));
    snprintf(t->login, sizeof t->login, "%.*s", STR(s->peer.login));
    smtp_greet(s, STR_NONE);
    return SMTP_DONE;
}

static enum smtp_next connected(struct smtp_server *s)
{
    return of(s)->wait ? smtp_wait(s, greet) : greet(s);
}

static enum smtp_next mail(struct smtp_server *s, const struct smtp_mail *m)
{
    of(s)->mail = *m;
    if (str_eq(m->from.domain, str_lit("bad.test")))
        smtp_refuse(s, RC_BAD_SENDER, NULL);
    return SMTP_DONE;
}

static enum smtp_next rcpt(struct smtp_server *s, const struct smtp_rcpt *r)
{
    of(s)->rcpt = *r;
    if (str_eq(r->to.domain, str_lit("unknown.test")))
        smtp_refuse(s, RC_UNKNOWN_RECIPIENT, NULL);
    return SMTP_DONE;
}

static enum smtp_next data_start(struct smtp_server *s)
{
    buf_clear(&of(s)->body);
    return SMTP_DONE;
}

static enum rc data(struct smtp_server *s, struct str octets, struct err *e)
{
    buf_add(&of(s)->body, octets);
    return of(s)->body.failed ? err_set(e, RC_NO_SPACE, "insufficient system storage") : RC_OK;
}

static enum smtp_next stored(struct smtp_server *s)
{
    of(s)->messages++;
    return SMTP_DONE;
}

static enum smtp_next data_end(struct smtp_server *s)
{
    return of(s)->wait ? smtp_wait(s, stored) : stored(s);
}

static void reset(struct smtp_server *s, enum rc rc, const struct err *e)
{
    (void)rc;
    (void)e;
    of(s)->resets++;
}

static enum smtp_next auth(struct smtp_server *s, const struct smtp_login *l)
{
    if (str_eq(l->user, str_lit("mallory")) || !str_eq(l->password, str_lit("secret")))
        smtp_refuse(s, RC_AUTH_FAILED, NULL);
    else
        smtp_reply(s, SMTP_AUTHENTICATED);
    return SMTP_DONE;
}

static void ended(struct smtp_server *s, enum smtp_end how)
{
    of(s)->ends++;
    of(s)->how = how;
}

const struct smtp_server_handler testing_handler = {
    .begin = begin,
    .connect = connected,
    .mail = mail,
    .rcpt = rcpt,
    .data_start = data_start,
    .data = data,
    .data_end = data_end,
    .reset = reset,
    .auth = auth,
    .end = ended,
};

const struct conversation_kind testing_kind = {
    .name = "smtp-test",
    .first = smtp_server_first,
    .broken = smtp_server_broken,
    .done = smtp_server_done,
    .size = sizeof(struct testing_session),
    .timeout_ms = 300000,
    .max_in = SMTP_MAX_IN,
};
