/*
 * AUTH: control (users of this machine) or a directory knows whether the passphrase is right; the conversation waits for its
 * answer.
 *
 * Called by the SMTP server with a decoded login. Too many failures end the connection.
 */
#include "receive/inside.h"

enum { AUTH_MS = 30000 };

static const struct str local_users = {"local users", 11};

static enum smtp_next judged(struct smtp_server *s)
{
    struct session *se = session_of(s);
    bool ok = se->outcome == RC_OK;
    struct str query = se->terms->conf->smtp_auth, profile = query.n ? query : local_users;

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

/* LDAP knows the users of this listener. */
static enum smtp_next directory_spoke(struct smtp_server *s)
{
    struct session *se = session_of(s);

    if (se->directory.result == LDAP_TEMPORARY) { /* RFC 4954 6: nobody said that the passphrase is wrong */
        event(se->receive->o.events, smtp_auth_lookup_failed, .icid = se->icid, .user = str_first(s->login.user, 128));
        smtp_refuse_as(s, 454, str_lit("4.7.0"), str_lit("temporary authentication failure"));
        return SMTP_DONE;
    }
    se->outcome = se->directory.result == LDAP_FOUND ? RC_OK : RC_AUTH_FAILED;
    return judged(s);
}

enum smtp_next session_auth(struct smtp_server *s, const struct smtp_login *l)
{
    struct session *se = session_of(s);
    struct bus *bus = se->receive->o.bus;
    struct bus_auth_question q = {.user = l->user, .password = l->password};
    char ip[46];

    if (se->terms->conf->smtp_auth.n)
        return directory_ask(
            se, &(struct ldap_question){.query = se->terms->conf->smtp_auth, .address = l->user, .password = l->password},
            directory_spoke);
    q.peer = ip_text(&s->peer.ip, ip);
    se->call = bus_call(bus, bus_peer(bus, ROLE_control, 0), BUS_auth_question, &q, AUTH_MS, answered, se);
    return smtp_wait(s, judged);
}
