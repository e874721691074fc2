/*
 * Questions of a conversation to directories: it sleeps until lookup has answered.
 *
 * Called by recipient.c (LDAP accept) and auth.c (SMTP AUTH by LDAP). Owns nothing: the call is the session's and is
 * cancelled with it. Never fails: what is not known is LDAP_TEMPORARY.
 */
#include "receive/inside.h"

enum { DIRECTORY_MS = 60000, WHY_MAX = 200 };

static void answered(void *ctx, enum rc rc, const void *msg)
{
    struct session *se = ctx;
    const struct bus_ldap_answers *m = msg;
    const struct ldap_answer *list;
    struct arena scratch;
    size_t n;

    se->call = 0;
    se->directory.result = LDAP_TEMPORARY;
    se->directory.why = str_lit("look-up service is not available");
    arena_init(&scratch, 1024, 1 << 20);
    if (rc == RC_OK && ldap_answers_decode(&scratch, m->answers, &list, &n) == RC_OK && n == 1) {
        se->directory.result = list->result;
        se->directory.why = arena_str(&se->s.c.arena, str_first(list->why, WHY_MAX));
    }
    arena_done(&scratch);
    conversation_resume(&se->s.c);
}

enum smtp_next directory_ask(struct session *se, const struct ldap_question *q, smtp_then_fn *then)
{
    struct bus *bus = se->receive->o.bus;
    struct buf b = BUF(16 << 10);

    ldap_questions_encode(q, 1, &b);
    se->call = bus_call(bus, bus_peer(bus, ROLE_lookup, 0), BUS_ldap_questions,
                        &(struct bus_ldap_questions){.questions = buf_str(&b)}, DIRECTORY_MS, answered, se);
    buf_done(&b);
    return smtp_wait(&se->s, then);
}
