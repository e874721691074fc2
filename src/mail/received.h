/* The Received field that this system puts before a message (RFC 5321 4.4). */
#ifndef MAIL_RECEIVED_H
#define MAIL_RECEIVED_H

#include "base/str.h"

enum { RECEIVED_MAX = 3072 };

struct received {
    struct str hello, name; /* what the peer said of itself and what the DNS says, empty = unknown */
    struct str ip;
    bool ip6;
    struct str by, protocol, id;
    struct str tls_version, tls_cipher; /* empty = no TLS */
    struct str recipient;               /* empty = not shown */
    struct str date;                    /* header_date() */
};

/* The whole field with its line end, in `out`; cut at RECEIVED_MAX. What strangers said gets `?` for octets that could end a
 * comment or are no visible ASCII. */
struct str received_write(const struct received *r, char out[RECEIVED_MAX]);

#endif
