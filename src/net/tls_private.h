/* The inside of a TLS context: for tls*.c. */
#ifndef NET_TLS_PRIVATE_H
#define NET_TLS_PRIVATE_H

#include "net/socket.h"

#include <openssl/ssl.h>

struct tls_context {
    SSL_CTX *ctx;
    SSL_CTX *unchecked; /* client without verification; NULL in a server */
    unsigned refs;
    bool pinned;
    char *pins; /* n_pins times TLS_PRINT digits, lower case */
    size_t n_pins;
};

enum { TLS_PRINT = 64 };

struct socket;
const BIO_METHOD *tls_bio_method(void);
/* Prepares s->ssl as a client with the demands of s->client. */
void tls_demand(struct socket *s);
/* tls_pin.c: makes a server take the certificates of the options and no other. */
enum rc tls_pin(struct tls_context *t, const struct tls_server_options *o, struct err *e);

#endif
