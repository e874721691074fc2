/* The metadata that goes with a held message (central.md 7.3), as far as judging knows it; deliver adds size and digest. */
#ifndef SCAN_META_H
#define SCAN_META_H

#include "policy/message.h"

/* A JSON object in the message's arena. */
struct str meta_make(struct message *m, const struct carried *c);

#endif
