/*
 * Data loss prevention, outgoing mail: what the policies say of the message, the actions of the first one that is violated.
 *
 * Called by the pipeline. Owns nothing: policy/dlp.c finds, policy/filter_run.c acts. A search that a limit ended without a
 * violation proves nothing: it is logged, alerted, and the message counts as unscannable.
 */
#include "policy/compiled.h"
#include "policy/dlp.h"
#include "policy/filter_run.h"
#include "scan/actions.h"
#include "scan/stage.h"

#include <inttypes.h>

static void act(struct message *m, const struct compiled_dlp *d, const struct dlp_hit *hit)
{
    struct filter_run run;
    size_t n;
    const struct filter_action *actions = dlp_actions(d, hit, &n);

    filter_run_begin(&run, false, STR_NONE, action_do);
    run.dlp = true;
    run.filter = hit->policy->name;
    run.matched = hit->matched;
    for (size_t i = 0; i < n; i++)
        filter_run_action(m, &actions[i], &run);
    filter_run_end(m, &run);
}

static void violation(struct message *m, const struct compiled_dlp *d, const struct dlp_hit *hit)
{
    struct step *step;

    event(m->events, dlp_violation, .mid = m->mid, .severity = hit->severity, .risk = hit->risk, .policy = hit->policy->name,
          .classifier = hit->classifier, .count = hit->count);
    step = message_step(
        m, str_lit("dlp"), str_c(dlp_severity_name(hit->severity)),
        arena_printf(m->arena, "%.*s\t%.*s\t%" PRIu64, STR(hit->policy->name), STR(hit->classifier), hit->count));
    if (step) {
        step->score = (double)hit->risk;
        step->has_score = true;
    }
    act(m, d, hit);
}

static void no_violation(struct message *m, const struct dlp_result *r)
{
    event(m->events, dlp_clear, .mid = m->mid, .found = r->triggered);
    message_step(m, str_lit("dlp"), str_lit("negative"), STR_NONE);
}

void stage_dlp(struct scan_world *w, struct message *m)
{
    const struct conf_mail_policy *p = m->env->outgoing ? action_policy(m) : NULL;
    struct compiled_dlp *d = m->compiled ? m->compiled->dlp : NULL;
    struct dlp_result r;

    (void)w;
    if (!p || !d || !p->dlp_policies.n || !action_stage_on(m, p->dlp, true))
        return;
    r = dlp_scan(d, m, p->dlp_policies);
    if (r.limited)
        event(m->events, dlp_limited, .mid = m->mid);
    if (r.n)
        violation(m, d, &r.hits[0]);
    else if (r.limited)
        stage_scanning_unscannable(m, str_lit("DLP search limit"));
    else
        no_violation(m, &r);
}
