/* Asking the anti-spam engines about the message at hand, once for all stages that want their answer. */
#ifndef SCAN_SPAM_ASK_H
#define SCAN_SPAM_ASK_H

#include "scan/world.h"

/* w->spam is filled: rc as engine_ask() says, RC_TOO_LARGE when the message is above antispam.never_scan_bytes. */
enum rc spam_ask(struct scan_world *w, struct message *m);
/* The engine is away: waits or not, as antispam.when_away says. True: it waits (message_later was called). */
bool spam_waits(struct message *m);

#endif
