/*
 * SPF, DKIM, DMARC, ARC of a message that comes from outside: evaluated once, told, marked, acted on
 * (policy/authenticate.h).
 *
 * Called by the pipeline. Owns nothing. A message that goes on later (a split, a release) is not told of again; who asks for
 * the results there has them evaluated anew by message_auth().
 */
#include "scan/stage.h"

#include "policy/authenticate.h"

void stage_auth(struct scan_world *w, struct message *m)
{
    (void)w;
    auth_apply(m, message_auth(m));
}
