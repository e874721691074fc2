/*
 * The work queue's stages over one message, and the verdict they come to.
 *
 * Called by scan.c for each message, and by trace.c for one that is only looked at. A stage reads the message and records
 * what it decides (policy/message.h); the first final decision ends the pipeline.
 */
#ifndef SCAN_PIPELINE_H
#define SCAN_PIPELINE_H

#include "bus/bus.h"
#include "policy/message.h"

enum { CARRIED_MAX = 24 << 20, COPIES_MAX = 24 << 20 };

/* What stages of this room reach beside the message: engine sockets, look-ups. See world.h. */
struct scan_world;

/* Runs what is still to be done for the message (m->carried.resume). */
void pipeline_run(struct scan_world *w, struct message *m);
/* A message that killed workers: held in the quarantine for unscannable mail, without a look at it. */
void pipeline_hold_unscannable(struct message *m);
/* The coded form of `c` together with the changes made to the message so far: for copies of it (splits). Empty, and the
 * message counts as unscannable, when it does not fit. */
struct str verdict_carried(struct message *m, const struct carried *c);
/* The verdict for queue; octets in the message's arena. RC_NO_MEMORY: more than a verdict can hold; then it is that of a
 * message held as unscannable. */
void verdict_make(struct message *m, struct bus_scan_verdict *out);

#endif
