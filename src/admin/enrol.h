/*
 * Enrolment, the parts that gateway and manager share (central.md 3): the card by which each says who it is (in `smaconfig
 * enrol`, in hello and its reply, through enrol.manager), and what is kept of the partner's card in the settings.
 *
 * The pin of a partner moves in three steps, on both sides alike: it says its next pin, we keep it as next_fingerprint and
 * say so (`pins`), it changes over once all its partners know (identity.c) and says the new one as its own, we forget the
 * old.
 */
#ifndef ADMIN_ENROL_H
#define ADMIN_ENROL_H

#include "admin/admin.h"
#include "conf/enrol_card.h"

/* Our card for this partner, with our SSH host key; on a gateway with what is to be signed. */
enum rc enrol_own(const struct admin *admin, struct str partner, struct arena *a, struct enrol_card *out, struct err *e);

/* Keeps the partner's pins in LIST cpq_peer, item = its serial number; role: index of cpq_peer.role. Returns in *knows
 * whether it has our next pin. */
enum rc enrol_keep_pins(struct conf_draft *d, const struct enrol_card *card, uint64_t role, bool *knows_out, struct err *e);
/* "TYPE BASE64" of our SSH server; empty before it has ever run. */
struct str enrol_host_key(const struct admin *admin, struct arena *a);
/* Its keys and certificates are no longer taken. */
void enrol_forget_pins(struct conf_draft *d, struct str serial);

/* --- enrol_gateway.c -------------------------------------------------------------------------------------------------- */

/* hello of the manager that logged in with the key of item `name`: keeps what it says (committed as user `manager`), adds
 * our card to the reply: members with a comma before each. */
enum rc enrol_hello(struct admin *a, struct str name, struct str json, struct buf *members, struct err *e);

/* What a manager says of itself becomes its item; not the check who says it. */
enum rc enrol_take(struct conf_draft *d, struct conf_manager *m, const struct enrol_card *card, struct err *e);
/* Commits the draft, which is the store's then; comment "manager SERIAL what". */
enum rc enrol_commit(struct admin *a, struct conf_draft *d, struct str user, struct str serial, const char *what,
                     struct err *e);

struct verb_call;
/* Verb `enrol link NAME ADDRESS TOKEN`: enrol_token.c. */
void enrol_with_token(struct verb_call *c);

#endif
