/*
 * Anti-spam: the engines' score against the thresholds of the mail policy.
 *
 * Called by the pipeline. Owns nothing. An engine that is away makes the message wait (antispam.when_away) or unscannable,
 * and a message that no engine can take is unscannable: both go where the policy sends unscannable mail, never just on.
 */
#include "scan/actions.h"
#include "scan/graymail.h"
#include "scan/spam_ask.h"
#include "scan/stage.h"

#include <inttypes.h>
#include <unistd.h>

static enum spam_verdict verdict_of(const struct scan_world *w, struct message *m)
{
    const struct conf_mail_policy *p = m->policy;
    double score = w->spam.answer.score;

    if (score >= (double)p->antispam_positive_score)
        return SPAM_POSITIVE;
    if (p->antispam_suspect && score >= (double)p->antispam_suspect_score)
        return SPAM_SUSPECT;
    return m->conf->graymail.enabled && action_stage_on(m, p->graymail, false) ? graymail_kind(m, &w->spam.answer)
                                                                               : SPAM_NEGATIVE;
}

/* The heaviest symbols, for trace and the view of held messages. */
static struct str symbols(struct message *m, const struct spam_answer *a)
{
    struct str list = STR_NONE;

    for (size_t i = 0; i < a->n_symbols && list.n < 1000; i++)
        if (a->symbols[i].score >= 0.5 || a->symbols[i].score <= -0.5 || a->n_symbols < 10)
            list = arena_printf(m->arena, "%.*s%s%.*s", STR(list), list.n ? "," : "", STR(a->symbols[i].name));
    return list;
}

static void record(struct scan_world *w, struct message *m, enum spam_verdict verdict)
{
    static const char *const words[] = {"negative", "suspect", "positive", "bulk", "social", "marketing"};
    const struct spam_answer *a = &w->spam.answer;
    struct step *s = message_step(m, str_lit("antispam"), str_c(words[verdict]), symbols(m, a));

    s->score = a->score;
    s->has_score = true;
    event(m->events, antispam_interim, .mid = m->mid, .verdict = verdict);
    event(m->events, antispam_verdict, .mid = m->mid, .verdict = verdict, .score = (uint64_t)a->score);
    event(m->events, antispam_engine, .pid = (uint64_t)getpid(),
          .text = arena_printf(m->arena, "Message %" PRIu64 ": score %.1f (engine %.2f of %.2f) %.*s", m->mid, a->score,
                               a->raw, a->required, STR(s->detail)));
}

static void unscannable(struct message *m, const char *why)
{
    const struct virus_actions a = VIRUS_ACTIONS(m->policy, antivirus_unscannable);

    message_step(m, str_lit("antispam"), str_lit("unscannable"), str_c(why));
    action_virus(m, &a, &(struct virus_finding){.result = VIRUS_UNSCANNABLE, .virus = str_c(why)});
}

static void act(struct message *m, enum spam_verdict verdict, double score)
{
    const struct spam_actions positive = SPAM_ACTIONS(m->policy, antispam_positive);
    const struct spam_actions suspected = SPAM_ACTIONS(m->policy, antispam_suspected);

    if (verdict == SPAM_POSITIVE)
        action_spam(m, &positive, ARCHIVE_SPAM, str_lit("positive"), score, "antispam", RESUME_ANTIVIRUS);
    if (verdict == SPAM_SUSPECT)
        action_spam(m, &suspected, ARCHIVE_SPAM, str_lit("suspect"), score, "antispam", RESUME_ANTIVIRUS);
}

void stage_antispam(struct scan_world *w, struct message *m)
{
    const struct conf_antispam *c = &m->conf->antispam;
    enum spam_verdict verdict;
    enum rc rc;

    if (!c->enabled || !action_stage_on(m, action_policy(m)->antispam, false))
        return;
    rc = spam_ask(w, m);
    if (rc == RC_TOO_LARGE) {
        event(m->events, message_too_big, .mid = m->mid, .size = message_octets(m).n, .limit = c->never_scan_bytes,
              .engine = str_lit("CASE"));
        message_step(m, str_lit("antispam"), str_lit("too big"), STR_NONE);
        return;
    }
    if (rc == RC_UNAVAILABLE && spam_waits(m))
        return;
    if (rc != RC_OK) {
        unscannable(m, rc == RC_UNAVAILABLE ? "anti-spam engine away" : "anti-spam engine fails at it");
        return;
    }
    verdict = verdict_of(w, m);
    record(w, m, verdict);
    act(m, verdict, w->spam.answer.score);
}
