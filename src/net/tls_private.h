/* The inside of a TLS context: for tls*.c. */
#ifndef NET_TLS_PRIVATE_H
#define NET_TLS_PRIVATE_H

#include "net/socket.h"

#include <openssl/ssl.h>

struct tls_context {
    SSL_CTX *ctx;
    SSL_CTX *unchecked; /* client without verification; NULL in a server */
    unsigned refs;
};

struct socket;
const BIO_METHOD *tls_bio_method(void);
/* Prepares s->ssl as a client with the demands of s->client. */
void tls_demand(struct socket *s);

#endif
