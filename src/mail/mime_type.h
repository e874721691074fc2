/* The value of a Content-Type field (RFC 2045 5.1), as far as everybody reads it alike. */
#ifndef MAIL_MIME_TYPE_H
#define MAIL_MIME_TYPE_H

#include "base/str.h"

struct mime_type {
    struct str type, subtype;
    struct str boundary; /* empty = none */
};

/* Views of `value` (raw, may be folded). False: comments, escapes, RFC 2231 pieces, a boundary twice or one that RFC 2046
 * does not allow, or no content type at all. */
bool mime_type_read(struct str value, struct mime_type *out);

#endif
