/*
 * How much a display name looks like the name of somebody it should not be (an executive, say), 0 to 100.
 *
 * Called by forged-email-detection. Compares letters without case, marks and doubles that only look alike (Cyrillic, Greek,
 * digits for letters), the words in any order.
 */
#ifndef POLICY_FORGED_H
#define POLICY_FORGED_H

#include "base/arena.h"

/* `name` and `address` of a From field, UTF-8, against one name of the dictionary. 100 = the same words. Without a display
 * name the local part of the address is compared. */
uint64_t forged_score(struct arena *a, struct str name, struct str address, struct str wanted);

#endif
