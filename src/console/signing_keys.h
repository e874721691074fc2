/* domainkeysconfig KEYS, and what its other parts show of a key. */
#ifndef CONSOLE_SIGNING_KEYS_H
#define CONSOLE_SIGNING_KEYS_H

#include "console/session.h"

/* The dialogue of signing keys. */
enum rc signing_keys_talk(struct session *s);
/* "v=DKIM1; ..." of a key by name, in the arena; empty when there is no such key or it has no public half. */
struct str signing_key_record(struct session *s, struct str key, bool testing);

#endif
