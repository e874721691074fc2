/*
 * Runs the stages. See pipeline.h.
 *
 * Called by scan.c and trace.c. Owns nothing. A stage that is off, skipped or behind the message is passed over; a final
 * decision or an engine that is away ends the run.
 */
#include "scan/pipeline.h"

#include "policy/mail_policy.h"
#include "scan/rescan.h"
#include "scan/stage.h"
#include "scan/world.h"

static const struct stage stages[] = {
#define STAGE(name, resume, skip) {#name, resume, skip, stage_##name},
#include "scan/stages.def"
#undef STAGE
};

static bool is_over(const struct message *m)
{
    const struct outcome *o = &m->outcome;

    return o->later.n || o->final == FINAL_DROP || o->final == FINAL_BOUNCE || o->final == FINAL_DELIVER ||
           o->new_recipients.n || o->has_new_sender;
}

/* What left a quarantine goes through the engines again that its release names, whatever comes after; a filter that said
 * "no anti-virus" spoke of mail that was not held. */
static bool runs(const struct message *m, const struct rescan *r, const struct stage *s)
{
    bool skipped = m->carried.skip & s->skip;

    if (rescan_wants(r, s->name))
        return !skipped || s->resume == RESUME_ANTIVIRUS;
    return m->carried.resume <= s->resume && !skipped;
}

/* A message that comes (back) with its policy: a split, a release, one under a new number. */
static void take_along(struct message *m)
{
    if (m->carried.resume >= RESUME_POLICY && m->carried.policy.n && m->compiled && m->compiled->policies)
        m->policy = policies_find(m->compiled->policies, m->carried.policy);
    if (m->policy && m->carried.resume == RESUME_POLICY)
        stage_policy_tell(m);
    if (m->carried.holds.n && !m->carried.original_mid)
        message_take_holds(m);
}

void pipeline_run(struct scan_world *w, struct message *m)
{
    const struct rescan rescan = rescan_of(m);

    w->spam = (struct spam_seen){0};
    take_along(m);
    rescan_begin(m, &rescan);
    for (size_t i = 0; i < sizeof stages / sizeof *stages && !is_over(m); i++)
        if (runs(m, &rescan, &stages[i])) {
            stages[i].judge(w, m);
            if (w->watch)
                w->watch(w, m, &stages[i]);
        }
}

void pipeline_hold_unscannable(struct message *m)
{
    message_hold(m, &(struct hold){.quarantine = str_lit("Virus"),
                                   .kind = str_lit("virus"),
                                   .reason = str_lit("a/v verdict:UNSCANNABLE"),
                                   .rule = str_lit("unscannable")});
}
