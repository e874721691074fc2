/* Content transfer encodings of MIME (RFC 2045 6.7, 6.8), writing. Line ends in and out are CRLF. */
#ifndef MAIL_TRANSFER_H
#define MAIL_TRANSFER_H

#include "base/buf.h"

/* Line breaks stay line breaks. No line of the result begins with a dot, and none that the encoding broke off with a hyphen
 * (which could be read as a boundary). */
void transfer_quoted_printable(struct str in, struct buf *out);
/* Lines of 76, each with its CRLF. */
void transfer_base64(struct str in, struct buf *out);

#endif
