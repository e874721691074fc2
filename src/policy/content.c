/*
 * Compiles and runs content filters. See content.h.
 *
 * Called by scan's stage, `trace` and control's checks. Owns nothing beyond the snapshot's arena and the message's. An action
 * that cannot be done is told in the log and left out; the filters go on.
 */
#include "policy/content.h"

#include "policy/check.h"
#include "policy/compiled.h"
#include "policy/filter_eval.h"
#include "policy/filters.h"
#include "policy/mail_policy.h"

struct content_filter {
    const struct conf_content_filter *conf;
    struct filter_rule **conditions;
    size_t n_conditions;
    struct filter_action *actions;
    size_t n_actions;
};

struct compiled_contents {
    struct content_filter *items;
    size_t n;
};

enum { MATCH_AND = 1 };

/* --- compiling ------------------------------------------------------------------------------------------------------------- */

static enum rc bad_line(const struct conf_content_filter *f, const char *field, size_t line, struct err *e)
{
    return err_wrap(e, RC_INVALID, "content_filter.%.*s.%s, entry %zu", STR(f->name), field, line + 1);
}

static enum rc compile_one(struct arena *a, const struct conf_content_filter *f, struct content_filter *out, struct err *e)
{
    out->conf = f;
    out->conditions = arena_array(a, struct filter_rule *, f->conditions.n + 1);
    out->actions = arena_array(a, struct filter_action, f->actions.n + 1);
    if (!out->conditions || !out->actions)
        return err_set(e, RC_NO_MEMORY, "content filters");
    for (; out->n_conditions < f->conditions.n; out->n_conditions++)
        if (filter_parse_rule(a, f->conditions.items[out->n_conditions], &out->conditions[out->n_conditions], e) != RC_OK)
            return bad_line(f, "conditions", out->n_conditions, e);
    for (; out->n_actions < f->actions.n; out->n_actions++)
        if (filter_parse_action(a, f->actions.items[out->n_actions], &out->actions[out->n_actions], e) != RC_OK)
            return bad_line(f, "actions", out->n_actions, e);
    return RC_OK;
}

enum rc contents_compile(struct arena *a, const struct conf *c, struct compiled_contents **out, struct err *e)
{
    struct compiled_contents *all = arena_new(a, struct compiled_contents);
    enum rc rc = RC_OK;

    if (all)
        all->items = arena_array(a, struct content_filter, c->content_filter.n + 1);
    if (!all || !all->items)
        return err_set(e, RC_NO_MEMORY, "content filters");
    for (size_t i = 0; i < c->content_filter.n; i++) {
        struct content_filter f = {0};

        if (compile_one(a, &c->content_filter.items[i], &f, rc == RC_OK ? e : NULL) == RC_OK)
            all->items[all->n++] = f;
        else
            rc = RC_INVALID;
    }
    *out = all;
    return rc;
}

/* Names in it lead somewhere. */
static enum rc check_one(const struct conf *c, struct arena *a, const struct content_filter *f, struct err *e)
{
    struct str missing = STR_NONE;

    if (!f->n_actions)
        return err_set(e, RC_INVALID, "content_filter.%.*s.actions: there is none", STR(f->conf->name));
    for (size_t k = 0; k < f->n_conditions; k++)
        if (!filter_rule_valid(c, a, f->conditions[k], &missing)) {
            err_set(e, RC_INVALID, "there is no %.*s", STR(missing));
            return bad_line(f->conf, "conditions", k, e);
        }
    for (size_t k = 0; k < f->n_actions; k++)
        if (!filter_action_valid(c, a, &f->actions[k], &missing)) {
            err_set(e, RC_INVALID, "there is no %.*s", STR(missing));
            return bad_line(f->conf, "actions", k, e);
        }
    return RC_OK;
}

enum rc contents_check(const struct conf *c, struct err *e)
{
    struct compiled_contents *all = NULL;
    struct arena a;
    enum rc rc;

    arena_init(&a, 65536, 256 << 20);
    rc = contents_compile(&a, c, &all, e);
    for (size_t i = 0; rc == RC_OK && i < all->n; i++)
        rc = check_one(c, &a, &all->items[i], e);
    arena_done(&a);
    return rc;
}

/* --- running --------------------------------------------------------------------------------------------------------------- */

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
    filter_run_begin(&r, true, m->env->outgoing ? str_lit("outbound") : str_lit("inbound"));
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

/* --- disclaimers of listeners ------------------------------------------------------------------------------------------------ */

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
