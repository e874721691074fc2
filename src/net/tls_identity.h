/* Our certificate and key in a context of OpenSSL's, for who drives TLS by himself (central's link, in threads). */
#ifndef NET_TLS_IDENTITY_H
#define NET_TLS_IDENTITY_H

#include "base/err.h"

#include <openssl/ssl.h>

/* The chain, first our own, and its key. RC_INVALID: one cannot be read, or they do not fit. */
enum rc tls_identity(SSL_CTX *ctx, struct str cert_pem, struct str key_pem, struct err *e);

#endif
