/* In which language a text is written: by its script, and for scripts of several languages by their commonest words. */
#ifndef POLICY_LANGUAGE_H
#define POLICY_LANGUAGE_H

#include "base/str.h"

/* English name in lower case ("french"), "unknown" when nothing speaks for any. Looks at the first 64 KiB. */
const char *language_of(struct str text);
/* Whether `wanted` (name, or ISO 639-1 code, letters of either case) means the language. */
bool language_is(const char *name, struct str wanted);

#endif
