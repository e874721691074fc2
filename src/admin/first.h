/* The settings that every home begins with; `postern init` adds host name, serial number and users. */
#ifndef ADMIN_FIRST_H
#define ADMIN_FIRST_H

#include "conf/draft.h"

/* Files of the certificate that init makes, in the home. */
#define FIRST_CERTIFICATE "keys/self_signed.crt"
#define FIRST_KEY "keys/self_signed.key"

/* role: gateway, manager or bastion; lab_base 0: no laboratory. */
enum rc first_settings(struct conf_draft *d, struct str role, uint64_t lab_base, struct err *e);

#endif
