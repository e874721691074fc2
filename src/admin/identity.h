/*
 * Who this appliance is for its enrolled partners: certificate and key of the central quarantines and the link, the SSH key,
 * on a manager the authority (settings sections cpq_identity and cpq_authority).
 */
#ifndef ADMIN_IDENTITY_H
#define ADMIN_IDENTITY_H

#include "admin/admin.h"

/* Makes in the draft what is missing; `changed_out` says whether anything was. Needs system.serial and system.role. */
enum rc identity_need(struct conf_draft *d, bool *changed_out, struct err *e);
/* At control's start: a home without an identity gets one, as a version of its own. What hinders that is an event. */
void identity_open(struct admin *a);

/* --- renewal (central.md 3): at half of its life the certificate gets a successor with a key of its own; it takes over once
 * all enrolled partners know its pin (rows `knows` of manager and appliance)
 * ------------------------------------------------ */

/* What a gateway wants signed: the successor's key, or the present one while its certificate signs itself. RC_NOT_FOUND:
 * nothing. */
enum rc identity_request(const struct conf *c, struct buf *out, struct err *e);
/* A certificate that a manager signed: for which key it is, is looked up. RC_INVALID: for none of ours. */
enum rc identity_take(struct conf_draft *d, struct str cert, struct err *e);
/* The pin of the successor, empty when there is none. */
enum rc identity_next_pin(struct conf_draft *d, struct str *out, struct err *e);
/* The successor takes over when all partners know it. */
enum rc identity_switch(struct conf_draft *d, struct err *e);
/* Time for a successor? Then it is made. */
enum rc identity_renew(struct conf_draft *d, uint64_t now_ms, struct err *e);

#endif
