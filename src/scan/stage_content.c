/*
 * Content filters of the message's policy, and the disclaimers of the listener that took it.
 *
 * Called by the pipeline. Owns nothing: policy/content.c does all of it.
 */
#include "policy/content.h"
#include "scan/stage.h"

void stage_content(struct scan_world *w, struct message *m)
{
    (void)w;
    content_run(m);
    if (m->outcome.final == FINAL_NONE || m->outcome.final == FINAL_DELIVER)
        content_disclaimers(m);
}
