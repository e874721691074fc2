/* Which kind of graymail a message is, by the symbols of the anti-spam engine, its sender and its headers. */
#ifndef SCAN_GRAYMAIL_H
#define SCAN_GRAYMAIL_H

#include "policy/message.h"
#include "scan/engines.h"

/* The verdicts of anti-spam in the order of the events antispam_... */
enum spam_verdict { SPAM_NEGATIVE, SPAM_SUSPECT, SPAM_POSITIVE, SPAM_BULK, SPAM_SOCIAL, SPAM_MARKETING };

/* SPAM_NEGATIVE, or one of the last three. */
enum spam_verdict graymail_kind(struct message *m, const struct spam_answer *a);

#endif
