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

#endif
