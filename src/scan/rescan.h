/* Messages that come back from a quarantine (carried.release, the object `release` of central.md 7.3). */
#ifndef SCAN_RESCAN_H
#define SCAN_RESCAN_H

#include "policy/message.h"

/* What its release asks for. */
struct rescan {
    bool again;           /* it is one, and is to be scanned again */
    bool antispam;        /* by anti-spam too: an outbreak quarantine held it */
    bool strip;           /* its attachments go */
    const struct json *o; /* NULL = none came along: anti-virus alone */
};

/* Reads it; everything false for other messages. */
struct rescan rescan_of(struct message *m);
/* Before the stages: the changes its quarantine wants, the spam quarantine that is still before it. */
void rescan_begin(struct message *m, const struct rescan *r);
/* Is it to be scanned by the stage of this name? */
bool rescan_wants(const struct rescan *r, const char *stage);

#endif
