/*
 * Verbs about scan engines: one scan worker answers for all. `learn` comes with the octets of a message (the session reads
 * files), the others as they were typed.
 *
 * Called through spec/verbs.def. Owns nothing.
 */
#include "admin/verbs.h"

void verb_learn(struct verb_call *c)
{
    if (c->args.n != 2) {
        verb_usage(c);
        return;
    }
    c->ask_ms = 120000;
    verb_ask_one(c, ROLE_scan, 0, "learn", c->args);
    verb_wait(c);
}

/* Who holds mail scans it again. */
void verb_outbreak(struct verb_call *c)
{
    verb_ask_one(c, ROLE_quarantine, 0, c->verb->name, c->args);
    verb_wait(c);
}

void verb_engines(struct verb_call *c)
{
    c->ask_ms = 120000;
    verb_ask_one(c, ROLE_scan, 0, c->verb->name, c->args);
    verb_wait(c);
}
