/*
 * Outbreak filters: rules of known outbreaks and, adaptive, the look of a message. What reaches the policy's threshold is
 * held in the quarantine Outbreak until its time is over.
 *
 * Called by the pipeline. Owns nothing. Rules are the items of section outbreak_rule; the highest level that fits decides.
 */
#include "scan/actions.h"
#include "scan/outbreak.h"
#include "scan/stage.h"

struct outbreak_threat outbreak_highest(struct message *m)
{
    struct outbreak_threat t = outbreak_rules(m), adaptive = {0};

    if (m->conf->outbreak.adaptive)
        adaptive = outbreak_adaptive(m);
    return adaptive.level > t.level ? adaptive : t;
}

uint64_t outbreak_keep_ms(const struct message *m, const struct outbreak_threat *t)
{
    return t->viral ? m->policy->outbreak_viral_ms : m->policy->outbreak_other_ms;
}

static void hold(struct message *m, const struct outbreak_threat *t)
{
    message_hold(m, &(struct hold){.quarantine = str_lit("Outbreak"),
                                   .kind = str_lit("outbreak"),
                                   .reason = arena_printf(m->arena, "Outbreak rule:%.*s", STR(t->rule)),
                                   .rule = t->rule,
                                   .level = t->level,
                                   .exit_ms = message_now_ms(m) + outbreak_keep_ms(m, t),
                                   .matched = t->matched});
}

void stage_outbreak(struct scan_world *w, struct message *m)
{
    struct outbreak_threat t;
    size_t size = message_octets(m).n;

    (void)w;
    if (!m->conf->outbreak.enabled || !action_stage_on(m, action_policy(m)->outbreak, false))
        return;
    if (size > m->conf->outbreak.max_bytes) {
        event(m->events, message_too_big, .mid = m->mid, .size = size, .limit = m->conf->outbreak.max_bytes,
              .engine = str_lit("Outbreak Filters"));
        return;
    }
    t = outbreak_highest(m);
    event(m->events, outbreak_verdict, .mid = m->mid, .positive = t.level > 0);
    message_step(m, str_lit("outbreak"), t.level ? str_lit("positive") : str_lit("negative"), t.rule);
    if (!t.level)
        return;
    event(m->events, outbreak_threat, .mid = m->mid, .level = t.level, .category = t.category, .type = t.type);
    if (t.viral)
        event(m->events, outbreak_virus_threat, .mid = m->mid, .level = t.level);
    if (t.level >= m->policy->outbreak_threshold)
        hold(m, &t);
    else
        action_mark(m, m->policy->outbreak_tag, STR_NONE);
}
