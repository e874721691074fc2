/*
 * Which mail policy the message has: for now the default one.
 *
 * Called by the pipeline. Owns nothing.
 */
#include "scan/stage.h"

void stage_policy(struct scan_world *w, struct message *m)
{
    (void)w;
    m->carried.policy = str_lit("DEFAULT");
    if (m->events)
        event(m->events, message_policy, .mid = m->mid, .policy = m->carried.policy, .outbound = m->env->outgoing);
}
