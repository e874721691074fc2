/* Part of admin_check(): signing keys, domain profiles, sealing. */
#ifndef ADMIN_CHECK_SIGNING_H
#define ADMIN_CHECK_SIGNING_H

#include "conf/conf.h"

/* RC_INVALID names the path and the reason. */
enum rc check_signing(const struct conf *c, struct err *e);

#endif
