/*
 * HD-07: rules that let hosts relay through a public listener. A dialogue that makes one asks; what was confirmed there
 * needs no `force` at the commit. One that came any other way (loadconfig, another command) still does.
 */
#ifndef CONSOLE_RELAY_H
#define CONSOLE_RELAY_H

#include "console/session.h"

/* Warns of every rule that `before` has not, and asks. RC_NOT_PERMITTED: it is not kept. */
enum rc relay_ask(struct session *s, struct conf_draft *const *before);
/* What the running command confirmed holds for what is staged. */
void relay_stage(struct session *s);
/* There are such rules in what is staged, and each was confirmed. */
bool relay_all_confirmed(const struct session *s);

#endif
