/*
 * Runs the message filters of a snapshot over a message. See filter_run.h.
 *
 * Called by the stage of scan and by `trace`. Owns nothing.
 */
#include "policy/filter_run.h"

static struct str joined(struct message *m, struct str names, struct str name)
{
    return names.n ? arena_printf(m->arena, "%.*s,%.*s", STR(names), STR(name)) : name;
}

void filters_run(struct message *m)
{
    const struct compiled_filters *c = m->compiled ? m->compiled->filters : NULL;
    struct str names = STR_NONE;
    struct filter_run r;

    if (!c || !c->n || message_skips(m, SKIP_FILTERS))
        return;
    filter_run_begin(&r, false, STR_NONE, action_do);
    for (size_t i = 0; i < c->n && !r.ended; i++) {
        r.filter = c->items[i]->name;
        if (filter_run_block(m, &c->items[i]->body, &r))
            names = joined(m, names, c->items[i]->name);
    }
    filter_run_end(m, &r);
    event(m->events, message_filters_done, .mid = m->mid, .matched = names.n > 0, .filters = names);
    message_step(m, str_lit("message filters"), names.n ? str_lit("match") : str_lit("no match"), names);
}
