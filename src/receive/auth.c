/*
 * AUTH: control knows whether the passphrase is right; the conversation waits for its answer.
 *
 * Called by the SMTP server with a decoded login. Too many failures end the connection.
 */
#include "receive/inside.h"

enum { AUTH_MS = 30000 };

static const struct str profile = {"local users", 11};

static enum smtp_next judged(struct smtp_server *s)
{
    struct session *se = session_of(s);
    bool ok = se->outcome == RC_OK;

    event(se->receive->o.events, smtp_auth, .icid = se->icid, .ok = ok, .user = str_first(s->login.user, 128),
          .mechanism = s->login.mechanism, .profile = profile);
    if (ok) {
        smtp_reply(s, SMTP_AUTHENTICATED);
        return SMTP_DONE;
    }
    smtp_refuse(s, se->outcome, NULL);
    if (++se->auth_failures < se->tables->conf->receiving.max_auth_tries)
        return SMTP_DONE;
    smtp_reply(s, SMTP_TOO_MANY_ERRORS);
    return SMTP_CLOSE;
}

static void answered(void *ctx, enum rc rc, const void *msg)
{
    struct session *se = ctx;
    const struct bus_auth_answer *a = msg;

    se->call = 0;
    se->outcome = rc != RC_OK ? RC_UNAVAILABLE : a->ok ? RC_OK : RC_AUTH_FAILED;
    conversation_resume(&se->s.c);
}

enum smtp_next session_auth(struct smtp_server *s, const struct smtp_login *l)
{
    struct session *se = session_of(s);
    struct bus *bus = se->receive->o.bus;
    struct bus_auth_question q = {.user = l->user, .password = l->password};
    char ip[46];

    q.peer = ip_text(&s->peer.ip, ip);
    se->call = bus_call(bus, bus_peer(bus, ROLE_control, 0), BUS_auth_question, &q, AUTH_MS, answered, se);
    return smtp_wait(s, judged);
}
