/*
 * Runs content filters and disclaimers over a message. See content.h.
 *
 * Called by scan's stage and `trace`. Owns nothing beyond the message's arena. An action that cannot be done is told in the
 * log and left out; the filters go on.
 */
#include "policy/content_inside.h"

#include "policy/compiled.h"
#include "policy/filter_eval.h"
#include "policy/filter_gate.h"
#include "policy/filter_run.h"
#include "policy/mail_policy.h"

enum { MATCH_AND = 1 };

void contents_gather(const struct compiled_contents *all, struct filter_gate *g)
{
    for (size_t i = 0; i < all->n; i++)
        for (size_t k = 0; k < all->items[i].n_conditions; k++)
            filter_gate_add(g, all->items[i].conditions[k]);
}

static bool applies(struct message *m, const struct content_filter *f)
{
    bool all = f->conf->match == MATCH_AND;

    for (size_t i = 0; i < f->n_conditions; i++)
        if (filter_true(m, f->conditions[i]) != all)
            return !all;
    return all || !f->n_conditions;
}

static bool is_named(const struct conf_mail_policy *p, struct str filter)
{
    for (size_t i = 0; i < p->content_filters.n; i++)
        if (str_eqi(p->content_filters.items[i], filter))
            return true;
    return false;
}

static struct str names_with(struct message *m, struct str names, struct str name)
{
    return names.n ? arena_printf(m->arena, "%.*s,%.*s", STR(names), STR(name)) : name;
}

void content_run(struct message *m)
{
    const struct compiled_contents *all = m->compiled ? m->compiled->contents : NULL;
    struct str matched = STR_NONE;
    struct filter_run r;
    bool any = false;

    if (!all || !m->policy || m->policy->content != POLICY_STAGE_YES || message_skips(m, SKIP_CONTENT))
        return;
    filter_run_begin(&r, true, m->env->outgoing ? str_lit("outbound") : str_lit("inbound"), action_do);
    for (size_t i = 0; i < all->n && !r.ended; i++) {
        const struct content_filter *f = &all->items[i];

        if (!f->conf->enabled || !is_named(m->policy, f->conf->name))
            continue;
        any = true;
        if (!applies(m, f))
            continue;
        r.filter = policy_name_shown(f->conf->name);
        matched = names_with(m, matched, r.filter);
        for (size_t k = 0; k < f->n_actions; k++)
            filter_run_action(m, &f->actions[k], &r);
    }
    if (!any)
        return;
    filter_run_end(m, &r);
    event(m->events, content_filters_done, .mid = m->mid, .matched = matched.n > 0, .filters = matched);
    message_step(m, str_lit("content filters"), matched.n ? str_lit("match") : str_lit("no match"), matched);
}

/* --- disclaimers of listeners
 * ------------------------------------------------------------------------------------------------ */

static void disclaimer(struct message *m, struct str name, bool above)
{
    const struct conf_text_resource *t = name.n ? conf_find(&m->conf->text_resource, name) : NULL;
    struct filter_run r = {.filter = name};

    if (t)
        action_frame(m, &r, t, above);
}

void content_disclaimers(struct message *m)
{
    const struct conf_listener *l = m->conf ? conf_find(&m->conf->listener, m->env->listener) : NULL;

    if (!l)
        return;
    disclaimer(m, l->disclaimer_above, true);
    disclaimer(m, l->disclaimer_below, false);
}
