/*
 * A notification: a message of this gateway about another one, as text, alone or with that message attached.
 *
 * Called by actions and by engines that tell people what they did. Pure; memory is the message's arena.
 */
#ifndef POLICY_NOTICE_H
#define POLICY_NOTICE_H

#include "policy/message.h"

struct notice {
    struct str sender; /* shown as the author; empty = MAILER-DAEMON at this host */
    struct strs to;
    struct str subject, text; /* UTF-8 */
    bool with_message;        /* the message as it is now is attached */
};

/* The whole message with CRLF line ends; empty when it is too large. */
struct str notice_write(struct message *m, const struct notice *n);

#endif
