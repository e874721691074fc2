/* The inside of a TLS context: for tls*.c. */
#ifndef NET_TLS_PRIVATE_H
#define NET_TLS_PRIVATE_H

#include "net/socket.h"
#include "net/tls_identity.h"

#include <openssl/ssl.h>

struct tls_context {
    SSL_CTX *ctx;
    SSL_CTX *unchecked; /* client without verification; NULL in a server and a pinned client */
    unsigned refs;
    bool client;
    bool pinned;
    char *pins; /* n_pins times TLS_PRINT digits, lower case */
    size_t n_pins;
};

/* Words for an alert of the peer about our certificate. */
#define TLS_NOT_TAKEN "the other side does not take our certificate: not enrolled there"

struct socket;
const BIO_METHOD *tls_bio_method(void);
/* Prepares s->ssl as a client with the demands of s->client. */
void tls_demand(struct socket *s);
/* tls.c: what net/tls_identity.h loads, with ciphers and version of the options. */
enum rc tls_own(SSL_CTX *ctx, const struct tls_server_options *o, struct err *e);
struct tls_context *tls_context_new(bool client);
/* tls_pin.c: makes a context take the peers of the options and no other. */
enum rc tls_pin(struct tls_context *t, const struct tls_server_options *o, struct err *e);

#endif
