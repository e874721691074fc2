/* The inside of a TLS context: for tls.c and tls_session.c. */
#ifndef NET_TLS_PRIVATE_H
#define NET_TLS_PRIVATE_H

#include "net/socket.h"

#include <openssl/ssl.h>

struct tls_context {
    SSL_CTX *ctx;
    SSL_CTX *unchecked; /* client without verification; NULL in a server */
    unsigned refs;
};

#endif
