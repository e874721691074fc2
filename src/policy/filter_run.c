/*
 * Runs blocks of filters: which branch, which actions, in which order. See filter_run.h.
 *
 * Called by the runners of message filters and of content filters. Owns nothing; an action that fails is logged and the rest
 * goes on, so that one bad name does not let a message pass a drop that follows.
 */
#include "policy/filter_run.h"
#include "policy/filter_eval.h"

void filter_run_begin(struct filter_run *r, bool content, struct str table, filter_action_fn *act)
{
    *r = (struct filter_run){.content = content, .table = table, .act = act};
}

static void do_action(struct message *m, const struct filter_action *a, struct filter_run *r)
{
    struct err e = ERR_NONE;

    if (r->act(m, a, r, &e) != RC_OK)
        event(m->events, filter_action_failed, .mid = m->mid, .action = str_c(a->row->name), .filter = r->filter,
              .why = str_c(err_text(&e)));
}

/* The last of a kind acts, at the place of the first. */
static void keep(const struct filter_action *a, struct filter_run *r)
{
    size_t i = 0;

    while (i < r->n_kept && r->kept[i]->row != a->row)
        i++;
    if (i == FILTER_KEPT)
        return; /* there are fewer kinds */
    r->kept[i] = a;
    r->kept_filter[i] = r->filter;
    r->n_kept += i == r->n_kept;
}

void filter_run_action(struct message *m, const struct filter_action *a, struct filter_run *r)
{
    if (r->ended)
        return;
    if (!r->dlp)
        r->matched = filter_matched(m);
    if (a->row->when == FILTER_LAST)
        keep(a, r);
    else
        do_action(m, a, r);
    r->ended = a->row->when == FILTER_FINAL || a->row->when == FILTER_SKIP;
}

static bool run_if(struct message *m, const struct filter_statement *s, struct filter_run *r)
{
    for (size_t i = 0; i < s->n_branches; i++) {
        const struct filter_branch *b = &s->branches[i];

        if (b->rule && !filter_true(m, b->rule))
            continue;
        filter_run_block(m, &b->body, r);
        return b->rule != NULL;
    }
    return false;
}

bool filter_run_block(struct message *m, const struct filter_block *b, struct filter_run *r)
{
    bool matched = false;

    for (size_t i = 0; i < b->n && !r->ended; i++) {
        if (b->items[i].action.row)
            filter_run_action(m, &b->items[i].action, r);
        else
            matched |= run_if(m, &b->items[i], r);
    }
    return matched;
}

void filter_run_end(struct message *m, struct filter_run *r)
{
    if (m->outcome.final == FINAL_DROP || m->outcome.final == FINAL_BOUNCE)
        return;
    for (size_t i = 0; i < r->n_kept; i++) {
        r->filter = r->kept_filter[i];
        do_action(m, r->kept[i], r);
    }
}
