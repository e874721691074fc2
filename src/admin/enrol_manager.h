/* Enrolment on a manager: what gateways say is kept, what they ask is signed. See enrol.h. */
#ifndef ADMIN_ENROL_MANAGER_H
#define ADMIN_ENROL_MANAGER_H

#include "admin/enrol.h"

/* Answers BUS_enrol_heard, what gateways say in hello. */
void enrol_open(struct admin *a);
/* A certificate of the key in the card's request. RC_INVALID when that is none of those the card names. */
enum rc enrol_sign(const struct conf *c, const struct enrol_card *card, struct buf *cert, struct err *e);
/* A gateway that came by a link token: its card becomes item `name` of `appliance`, with no service; reply = our card with
 * its certificate. */
enum rc enrol_by_token(struct admin *a, struct str name, struct str json, struct buf *reply, struct err *e);
/* A link token for this appliance (a name that may not exist yet), committed at once: it has to be known before it is used.
 */
enum rc enrol_make_token(struct admin *a, struct str user, struct str appliance, struct buf *text, struct err *e);
/* Answers BUS_link_enrol. */
void enrol_token_open(struct admin *a);
/* Our card as an object: the manager's side of enrolment. */
void enrol_say(const struct enrol_card *own, struct buf *out);

#endif
