/*
 * Questions to role central, which knows the gateways of a manager and the link.
 *
 * Called by verbs.c. Owns nothing.
 */
#include "admin/verbs.h"

enum { CENTRAL_MS = 90000 }; /* it may have to ask a gateway */

void verb_central(struct verb_call *c)
{
    c->ask_ms = CENTRAL_MS;
    verb_ask(c, ROLE_central, c->verb->name, c->args);
    verb_wait(c);
}
