/*
 * Mail authentication of one message: SPF, DKIM, DMARC and ARC as the settings and the mail flow policy want them, and what
 * follows: log lines, the Authentication-Results field, the action of DMARC, the row of the aggregate report.
 *
 * Called by scan and by trace. The evaluation reads the octets as received and asks the DNS through the message's world; a
 * message made here (icid 0) or sent by a user who logged in is not evaluated.
 */
#ifndef POLICY_AUTHENTICATE_H
#define POLICY_AUTHENTICATE_H

#include "mail/auth.h"
#include "mail/orgdomain.h"
#include "policy/message.h"

/* What a worker keeps for it. */
struct auth_tools {
    const struct suffixes *suffixes; /* NULL: the last two labels are the organizational domain */
    /* Fills the DKIM and ARC parts of out; NULL: they are not checked. */
    void (*dkim)(void *ctx, struct message *m, bool dkim, bool arc, struct auth_results *out);
    void *ctx;
};

/* Evaluates; the result lies in the message's arena. NULL without memory. For `auth` of struct message_world. */
const struct auth_results *auth_evaluate(struct message *m, const struct auth_tools *t);
/* The lines of logs.md 5, the report row, the field, and what DMARC's result makes of the message. */
void auth_apply(struct message *m, const struct auth_results *r);

/* Parts of it, for tests and filters. */
/* Fields from outside that claim to be ours go; how many. */
size_t auth_remove_forged(struct message *m);
/* "pass" in what the first trusted sealer of a valid chain saw of DMARC. */
bool auth_arc_vouches(const struct auth_results *r);

#endif
