/*
 * What a manager answered to XCPQ STATUS (central.md 7.2): lines key=value joined by \n, other octets than printable ASCII
 * as +HH. Unknown keys are passed over; a line that is no key=value is nobody's.
 */
#ifndef SMTP_CPQ_STATUS_H
#define SMTP_CPQ_STATUS_H

#include "base/arena.h"
#include "base/str.h"

/* The next value of this key, decoded in the arena (as it stands when it is coded wrongly); `rest` begins as all lines and
 * moves on. False: there is no further one. */
bool cpq_status_next(struct arena *a, struct str *rest, const char *key, struct str *value_out);
/* The first one; empty when there is none. */
struct str cpq_status_value(struct arena *a, struct str lines, const char *key);

#endif
