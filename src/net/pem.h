/*
 * Certificates, keys and requests between PEM text and libcrypto, and the pin of a public key. Nobody is ever asked for a
 * passphrase: an encrypted key is refused. What is returned is the caller's to free; NULL: it is none, or no memory, and
 * OpenSSL's error queue says why (the caller's to empty).
 */
#ifndef NET_PEM_H
#define NET_PEM_H

#include "base/buf.h"

#include <openssl/x509.h>

enum { PEM_PIN = 64, PEM_MAX = 1 << 24 };

/* The first one in the text. */
X509 *pem_cert(struct str pem);
EVP_PKEY *pem_key(struct str pem);
X509_REQ *pem_request(struct str pem);
/* A reader of several; free with BIO_free(). pem_next() is NULL behind the last certificate (which counts as an error). */
BIO *pem_reader(struct str pem);
X509 *pem_next(BIO *reader);

/* Appended; false: not all of it could be. */
bool pem_put_cert(X509 *x, struct buf *out);
bool pem_put_key(EVP_PKEY *k, struct buf *out);
bool pem_put_request(X509_REQ *r, struct buf *out);
/* What a memory BIO holds. */
bool pem_drain(BIO *b, struct buf *out);

/* SHA-256 of the public key (SubjectPublicKeyInfo, central.md 3), lower-case hexadecimal; of NULL: false and "". */
bool pem_pin_cert(const X509 *x, char out[PEM_PIN + 1]);
bool pem_pin_key(const EVP_PKEY *k, char out[PEM_PIN + 1]);

#endif
