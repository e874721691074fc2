/*
 * The question to the anti-spam engines. See spam_ask.h.
 *
 * Called by stage_antispam.c and stage_graymail.c. Owns nothing: the answer lies in the message's arena. The engines see the
 * message as it is now and the envelope of the recipients that are judged. With both engines the higher score counts, and
 * one that is away makes the whole unavailable: a message never passes because only one looked.
 */
#include "scan/spam_ask.h"

#include <inttypes.h>

enum { ENGINE_FIRST_RSPAMD, ENGINE_FIRST_SPAMD, ENGINE_BOTH }; /* choices of antispam.engine */
enum { AWAY_WAIT };

static void question(struct message *m, struct spam_question *q)
{
    const struct envelope *env = m->env;
    struct str *to = arena_array(m->arena, struct str, m->n_recipients + 1);

    *q = (struct spam_question){.message = str_first(message_octets(m), m->conf->antispam.always_scan_bytes),
                                .client_ip = env->client_ip,
                                .client_name = env->client_name,
                                .helo = env->helo,
                                .sender = env->sender,
                                .user = env->auth_user,
                                .unseen = m->trace,
                                .queue_id = arena_printf(m->arena, "%" PRIu64, m->mid)};
    for (size_t i = 0; to && i < m->n_recipients; i++)
        to[q->n_recipients++] = message_recipient(m, i);
    q->recipients = to;
}

static enum rc ask(struct scan_world *w, struct message *m, enum engine_kind kind, struct spam_answer *out, struct err *e)
{
    const struct conf_antispam *c = &m->conf->antispam;
    struct engine_setup how = {kind == ENGINE_SPAMD ? c->spamd_address : c->rspamd_address, c->timeout_ms, c->probe_ms};
    struct spam_talk talk = {.arena = m->arena};

    question(m, &talk.question);
    TRY(engine_ask(w->engines, kind, &how, m->mid, kind == ENGINE_SPAMD ? spamd_check : rspamd_check, &talk, e));
    *out = talk.answer;
    return RC_OK;
}

static enum rc ask_engines(struct scan_world *w, struct message *m, struct spam_answer *out, struct err *e)
{
    struct spam_answer second;

    if (m->conf->antispam.engine == ENGINE_FIRST_SPAMD)
        return ask(w, m, ENGINE_SPAMD, out, e);
    TRY(ask(w, m, ENGINE_RSPAMD, out, e));
    if (m->conf->antispam.engine != ENGINE_BOTH)
        return RC_OK;
    TRY(ask(w, m, ENGINE_SPAMD, &second, e));
    if (second.score > out->score)
        out->score = second.score; /* the symbols stay rspamd's: graymail is told by them */
    return RC_OK;
}

enum rc spam_ask(struct scan_world *w, struct message *m)
{
    struct err e = ERR_NONE;

    if (w->spam.asked)
        return w->spam.rc;
    w->spam.asked = true;
    if (message_octets(m).n > m->conf->antispam.never_scan_bytes)
        w->spam.rc = RC_TOO_LARGE;
    else
        w->spam.rc = ask_engines(w, m, &w->spam.answer, &e);
    if (w->spam.rc != RC_OK && w->spam.rc != RC_TOO_LARGE && w->spam.rc != RC_UNAVAILABLE)
        event(m->events, message_unscanned, .mid = m->mid, .why = str_c(err_text(&e)));
    return w->spam.rc;
}

bool spam_waits(struct message *m)
{
    if (m->conf->antispam.when_away != AWAY_WAIT)
        return false;
    message_later(m, str_lit("antispam"));
    return true;
}
