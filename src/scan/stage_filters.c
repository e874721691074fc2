/*
 * Message filters, over the whole message with all its recipients.
 *
 * Called by the pipeline. Owns nothing: policy/filters_run.c does all of it.
 */
#include "policy/filter_run.h"
#include "scan/stage.h"

void stage_filters(struct scan_world *w, struct message *m)
{
    (void)w;
    filters_run(m);
}
