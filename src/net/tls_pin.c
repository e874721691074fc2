/*
 * Pinned peers: a server, or a client, that takes the peers it was told of and no other (central.md 7.1).
 *
 * Called by tls.c when such a context is made and by OpenSSL in each of its handshakes. The chain, names and dates do not
 * count: the SHA-256 of the peer's public key (SubjectPublicKeyInfo) does, so a certificate that is renewed for the same key
 * stays known. What the peer showed is kept in its socket, for the facts or for the words
 * about the failure. Owns the list of pins in the context.
 */
#include "net/pem.h"
#include "net/socket_private.h"
#include "net/tls_private.h"

#include <openssl/err.h>
#include <stdlib.h>

_Static_assert((int)TLS_PRINT == (int)PEM_PIN, "one form of pins");

static bool is_pinned(const struct tls_context *t, const char *print)
{
    for (size_t i = 0; i < t->n_pins; i++)
        if (memcmp(t->pins + i * TLS_PRINT, print, TLS_PRINT) == 0)
            return true;
    return false;
}

static int check(X509_STORE_CTX *store, void *arg)
{
    struct tls_context *t = arg;
    SSL *ssl = X509_STORE_CTX_get_ex_data(store, SSL_get_ex_data_X509_STORE_CTX_idx());
    struct socket *s = BIO_get_data(SSL_get_rbio(ssl));

    if (pem_pin_cert(X509_STORE_CTX_get0_cert(store), s->print) && is_pinned(t, s->print)) {
        X509_STORE_CTX_set_error(store, X509_V_OK);
        return 1;
    }
    X509_STORE_CTX_set_error(store, X509_V_ERR_CERT_REJECTED); /* the peer hears of a bad certificate */
    return 0;
}

enum rc tls_pin(struct tls_context *t, const struct tls_server_options *o, struct err *e)
{
    t->pinned = true;
    t->pins = calloc(o->n_pins + 1, TLS_PRINT);
    if (!t->pins)
        return err_set(e, RC_NO_MEMORY, "out of memory");
    for (size_t i = 0; i < o->n_pins; i++) {
        char *pin = t->pins + t->n_pins * TLS_PRINT;

        if (o->pins[i].n != TLS_PRINT)
            continue;
        for (size_t k = 0; k < TLS_PRINT; k++)
            pin[k] = o->pins[i].p[k] >= 'A' && o->pins[i].p[k] <= 'F' ? (char)(o->pins[i].p[k] + 32) : o->pins[i].p[k];
        t->n_pins++;
    }
    SSL_CTX_set_verify(t->ctx, SSL_VERIFY_PEER | SSL_VERIFY_FAIL_IF_NO_PEER_CERT, NULL);
    SSL_CTX_set_cert_verify_callback(t->ctx, check, t);
    return RC_OK;
}

enum rc tls_client_pinned(const struct tls_server_options *o, struct tls_context **out, struct err *e)
{
    struct tls_context *t;
    enum rc rc;

    ERR_clear_error();
    t = tls_context_new(true);
    rc = t->ctx ? tls_own(t->ctx, o, e) : err_set(e, RC_NO_MEMORY, "out of memory");
    if (rc == RC_OK)
        rc = tls_pin(t, o, e);
    if (rc != RC_OK) {
        tls_unref(t);
        return rc;
    }
    *out = t;
    return RC_OK;
}
