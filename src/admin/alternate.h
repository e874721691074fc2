/* The alternate release appliance beside the gateways that it stands in for (central.md 9, Release). */
#ifndef ADMIN_ALTERNATE_H
#define ADMIN_ALTERNATE_H

#include "admin/verbs.h"

/* Appends to c->text, for the manager's pvoconfig: whether the appliance that is set may stand in, and what judges mail on
 * one of it and a gateway but not on the other. `contacts` = JSON of role central's verb `contact`. Without one set:
 * nothing. */
void alternate_say(struct verb_call *c, struct str contacts);

#endif
