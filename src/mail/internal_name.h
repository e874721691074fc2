/* Names of the objects that lead into and out of quarantines, which stand where a recipient's domain would (central.md 6).
 */
#ifndef MAIL_INTERNAL_NAME_H
#define MAIL_INTERNAL_NAME_H

#include "base/str.h"

/* NAME of NAME/SERIAL (one gateway's part of it); any other name as it is. */
struct str internal_base(struct str name);
/* Is it one of them? Else it is a domain, however it looks. */
bool internal_is(struct str name);

#endif
