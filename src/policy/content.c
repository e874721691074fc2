/*
 * Compiles content filters and says what is wrong with them. See content.h, check.h.
 *
 * Called by compiled.c and control's checks. Owns nothing beyond the snapshot's arena. Running them is content_run.c, apart
 * so that who only checks needs no evaluator.
 */
#include "policy/check.h"
#include "policy/content_inside.h"
#include "policy/filters.h"

/* --- compiling
 * ------------------------------------------------------------------------------------------------------------- */

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
