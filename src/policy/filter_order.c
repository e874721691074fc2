/*
 * Puts the parts of a condition into the order in which they are tried: the cheapest first, equal ones as written. An and/or
 * answers the same in any order, so only the time changes. Also gives each test its form: what it asks, by which answers are
 * kept for a message.
 *
 * Called by the parser when a condition is complete. Memory is the arena's.
 */
#include "policy/filter_inside.h"

#include <stdlib.h>

enum { FORM_MOST = 64 << 10 };

/* The test without == or !=, which ask the same. */
static enum rc set_form(struct arena *a, struct filter_rule *r, struct err *e)
{
    struct buf text = BUF(FORM_MOST);
    struct filter_rule asked = *r;

    if (asked.op == FILTER_NE)
        asked.op = FILTER_EQ;
    filter_write_rule(&asked, &text);
    r->form = text.failed ? STR_NONE : arena_str(a, buf_str(&text)); /* too long: its answer is not kept */
    r->key = str_hash(r->form);
    buf_done(&text);
    return r->form.p || text.failed ? RC_OK : err_set(e, RC_NO_MEMORY, "filter text too large");
}

static enum rc copy_written(struct arena *a, struct filter_rule *r, struct err *e)
{
    r->written = arena_array(a, struct filter_rule *, r->n_parts);
    if (!r->written)
        return err_set(e, RC_NO_MEMORY, "filter text too large");
    memcpy(r->written, r->parts, r->n_parts * sizeof *r->parts);
    return RC_OK;
}

/* By cost, then by place: a total order, so equal ones stay as written. */
static int compare(const void *left, const void *right)
{
    const struct filter_rule *const *a = left, *const *b = right;

    if ((*a)->cost != (*b)->cost)
        return (*a)->cost < (*b)->cost ? -1 : 1;
    if ((*a)->at.line != (*b)->at.line)
        return (*a)->at.line < (*b)->at.line ? -1 : 1;
    return (*a)->at.column < (*b)->at.column ? -1 : (*a)->at.column > (*b)->at.column;
}

enum rc filter_order(struct arena *a, struct filter_rule *r, struct err *e)
{
    if (r->node == FILTER_TEST) {
        r->cost = r->row->cost;
        return set_form(a, r, e);
    }
    if (r->n_parts > 1)
        TRY(copy_written(a, r, e));
    r->cost = 0;
    for (size_t i = 0; i < r->n_parts; i++) {
        TRY(filter_order(a, r->parts[i], e));
        r->cost += r->parts[i]->cost;
    }
    qsort(r->parts, r->n_parts, sizeof *r->parts, compare);
    return RC_OK;
}
