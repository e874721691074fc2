/* Text as a JSON string (RFC 8259). */
#ifndef BASE_JSON_H
#define BASE_JSON_H

#include "base/buf.h"

/* With its quotes; any octets may come, what is not UTF-8 becomes U+FFFD. */
void json_str(struct buf *out, struct str s);

#endif
