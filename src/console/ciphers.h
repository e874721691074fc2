/* What a cipher string of OpenSSL stands for, as our TLS servers and clients use it. */
#ifndef CONSOLE_CIPHERS_H
#define CONSOLE_CIPHERS_H

#include "base/arena.h"
#include "base/err.h"

/* Suites in order of preference: "ECDHE-RSA-AES256-GCM-SHA384    TLSv1.2 Kx=ECDH ..." lines in the arena. RC_INVALID when
 * the string names none that may be used. `anonymous_out`: the string asked for suites that are never offered (HD-11). */
enum rc ciphers_expand(struct arena *a, struct str list, struct strs *out, bool *anonymous_out, struct err *e);

#endif
