/* Base64 (RFC 4648 4) for AUTH exchanges: strict, one line, padding required. */
#ifndef SMTP_BASE64_H
#define SMTP_BASE64_H

#include "base/arena.h"
#include "base/buf.h"
#include "base/err.h"

void base64_encode(struct str in, struct buf *out);
/* RC_SYNTAX on anything that is not base64; RC_NO_MEMORY. The result comes from the arena. */
enum rc base64_decode(struct arena *a, struct str in, struct str *out, struct err *e);

#endif
