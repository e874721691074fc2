/* Files that hold macros or scripts: office documents (both formats) and PDF. Pure; called by rules and actions. */
#ifndef POLICY_MACRO_H
#define POLICY_MACRO_H

#include "mail/mime.h"

enum macro_group { MACRO_NONE, MACRO_PDF, MACRO_OFFICE, MACRO_OLE };

/* What the decoded octets of a part hold. Of documents that are archives the part of the macros is a member, so `body` is
 * the octets of a member here; the document itself holds it when its list of members names it. */
enum macro_group macro_find(const struct mime_part *p, struct str body);
/* As in macro-detection-rule. */
const char *macro_group_name(enum macro_group g);

#endif
