/*
 * Mail policies: how a message is judged, by envelope sender and recipient (spec/central.md 14). Two tables, incoming and
 * outgoing; first match top-down for each recipient, else DEFAULT.
 *
 * Compiled with a snapshot (policy/compiled.h), read-only afterwards. A look-up costs a few hash look-ups for each address
 * and a walk over one bit a policy, so tables of thousands are fine.
 */
#ifndef POLICY_MAIL_POLICY_H
#define POLICY_MAIL_POLICY_H

#include "policy/message.h"
#include "policy/policy_name.h"

struct compiled_policies;

/* The choices of a stage's row; compiled policies hold YES or NO only. */
enum { POLICY_STAGE_DEFAULT, POLICY_STAGE_YES, POLICY_STAGE_NO };

/* Recipients of a message that share a policy. */
struct message_group {
    const struct conf_mail_policy *policy; /* with everything that it takes from DEFAULT filled in */
    const uint32_t *recipients;            /* indices into env->recipients, in order */
    size_t n;
};

enum rc policies_compile(struct arena *a, const struct conf *c, struct compiled_policies **out, struct err *e);
/* The policy of that name as messages see it (carried.policy of a message that comes back); DEFAULT of its table when it is
 * gone. */
const struct conf_mail_policy *policies_find(const struct compiled_policies *p, struct str name);
/* Groups the recipients that are judged now by policy, in the order of their first recipients; the array is the message's
 * arena's. RC_UNAVAILABLE (or what the world said) when a directory that must be asked for a group does not answer: the
 * message is to be tried again, never judged by another policy. */
enum rc message_split(struct message *m, struct message_group **out, size_t *n_out, struct err *e);

#endif
