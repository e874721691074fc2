/* Would a commit lock out whoever makes it? */
#ifndef CONSOLE_LOCKOUT_H
#define CONSOLE_LOCKOUT_H

#include "console/session.h"

/* The working copy refuses this login's address, closes the service it came by, or takes its user away. */
bool lockout_of(const struct session *s);
/* Why, as a question; in the arena. */
const char *lockout_question(struct session *s);

#endif
