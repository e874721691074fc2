/*
 * TLS contexts: one per listener and one for outgoing connections, built once and shared by all handshakes. See socket.h.
 *
 * Called by receive and deliver when settings change. Owns the SSL_CTX behind a count. What is wrong with certificate, key
 * or cipher list is told in the error with OpenSSL's words.
 */
#include "net/tls_private.h"

#include "base/must.h"
#include "net/pem.h"

#include <openssl/err.h>
#include <openssl/pem.h>
#include <stdlib.h>

/* HD-11: whatever a list says, these are never offered. `!` cannot be undone by what precedes it. */
#define NEVER ":!aNULL:!eNULL:!EXPORT:!LOW:!RC4:!MD5:!PSK:!SRP"
#define GROUPS "X25519:P-256:P-384"
/* TLS 1.3: the 128-bit suite first, its SHA-256 makes the handshake cheaper than SHA-384. */
#define SUITES "TLS_AES_128_GCM_SHA256:TLS_AES_256_GCM_SHA384:TLS_CHACHA20_POLY1305_SHA256"

enum { TICKET_KEY_OCTETS = 80, LIST_MOST = 2000 };

static enum rc ssl_failed(struct err *e, const char *what)
{
    char text[160];
    unsigned long code = ERR_peek_last_error();

    ERR_error_string_n(code, text, sizeof text);
    ERR_clear_error();
    return err_set(e, RC_INVALID, "%s: %s", what, code ? text : "refused by OpenSSL");
}

static enum rc set_ciphers(SSL_CTX *ctx, struct str list, struct err *e)
{
    char text[LIST_MOST + sizeof NEVER];

    list = str_trim(list);
    if (list.n > LIST_MOST || (list.n && memchr(list.p, 0, list.n)))
        return err_set(e, RC_INVALID, "cipher list is too long or holds a NUL");
    if (list.n == 0)
        list = str_lit("DEFAULT:@SECLEVEL=1");
    memcpy(text, list.p, list.n);
    memcpy(text + list.n, NEVER, sizeof NEVER);
    if (SSL_CTX_set_cipher_list(ctx, text) != 1)
        return ssl_failed(e, "cipher list");
    return RC_OK;
}

static enum rc set_common(SSL_CTX *ctx, struct str ciphers, uint64_t min_version, struct err *e)
{
    int least = min_version == TLS1_3_VERSION ? TLS1_3_VERSION : TLS1_2_VERSION;

    SSL_CTX_set_min_proto_version(ctx, least);
    SSL_CTX_set_options(ctx, SSL_OP_NO_RENEGOTIATION | SSL_OP_NO_COMPRESSION | SSL_OP_IGNORE_UNEXPECTED_EOF |
                                 SSL_OP_CIPHER_SERVER_PREFERENCE);
    SSL_CTX_set_mode(ctx, SSL_MODE_RELEASE_BUFFERS | SSL_MODE_ENABLE_PARTIAL_WRITE | SSL_MODE_ACCEPT_MOVING_WRITE_BUFFER);
    SSL_CTX_set_session_cache_mode(ctx, SSL_SESS_CACHE_OFF);
    SSL_CTX_set_read_ahead(ctx, 1);
    if (SSL_CTX_set1_groups_list(ctx, GROUPS) != 1 || SSL_CTX_set_ciphersuites(ctx, SUITES) != 1)
        return ssl_failed(e, "groups and suites");
    return set_ciphers(ctx, ciphers, e);
}

static enum rc load_key(SSL_CTX *ctx, struct str pem, struct err *e)
{
    EVP_PKEY *key = pem_key(pem);
    enum rc rc = RC_OK;

    if (!key)
        rc = ssl_failed(e, "private key");
    else if (SSL_CTX_use_PrivateKey(ctx, key) != 1 || SSL_CTX_check_private_key(ctx) != 1)
        rc = ssl_failed(e, "private key and certificate");
    EVP_PKEY_free(key);
    return rc;
}

static enum rc load_chain(SSL_CTX *ctx, struct str pem, struct err *e)
{
    BIO *bio = pem_reader(pem);
    X509 *cert = bio ? PEM_read_bio_X509_AUX(bio, NULL, NULL, (void *)"") : NULL;
    enum rc rc = RC_OK;

    if (!cert || SSL_CTX_use_certificate(ctx, cert) != 1)
        rc = ssl_failed(e, "certificate");
    X509_free(cert);
    while (rc == RC_OK && (cert = pem_next(bio)))
        if (SSL_CTX_add0_chain_cert(ctx, cert) != 1) {
            X509_free(cert);
            rc = ssl_failed(e, "certificate chain");
        }
    ERR_clear_error(); /* the end of the file counts as an error */
    BIO_free(bio);
    return rc;
}

static enum rc load_ca_pem(SSL_CTX *ctx, struct str pem, struct err *e)
{
    BIO *bio = pem_reader(pem);
    X509_STORE *store = SSL_CTX_get_cert_store(ctx);
    X509 *cert;
    size_t n = 0;

    while ((cert = pem_next(bio))) {
        n += X509_STORE_add_cert(store, cert) == 1;
        SSL_CTX_add_client_CA(ctx, cert);
        X509_free(cert);
    }
    BIO_free(bio);
    if (n == 0)
        return ssl_failed(e, "certificate authorities");
    ERR_clear_error();
    return RC_OK;
}

/* Any certificate is taken; whether it was good is in the facts. */
static int note_only(int ok, X509_STORE_CTX *store)
{
    (void)ok;
    (void)store;
    return 1;
}

enum rc tls_identity(SSL_CTX *ctx, struct str cert_pem, struct str key_pem, struct err *e)
{
    TRY(load_chain(ctx, cert_pem, e));
    return load_key(ctx, key_pem, e);
}

enum rc tls_own(SSL_CTX *ctx, const struct tls_server_options *o, struct err *e)
{
    TRY(set_common(ctx, o->ciphers, o->min_version, e));
    return tls_identity(ctx, o->cert_pem, o->key_pem, e);
}

static enum rc server_setup(SSL_CTX *ctx, const struct tls_server_options *o, struct err *e)
{
    unsigned char key[TICKET_KEY_OCTETS];

    TRY(tls_own(ctx, o, e));
    SSL_CTX_set_session_id_context(ctx, (const unsigned char *)"postern", 7);
    if (o->ticket_key) {
        memcpy(key, o->ticket_key, sizeof key);
        if (SSL_CTX_set_tlsext_ticket_keys(ctx, key, sizeof key) != 1)
            return ssl_failed(e, "ticket key");
        OPENSSL_cleanse(key, sizeof key);
        SSL_CTX_set_num_tickets(ctx, 1);
    } else {
        SSL_CTX_set_options(ctx, SSL_OP_NO_TICKET);
        SSL_CTX_set_num_tickets(ctx, 0);
    }
    if (o->ca_pem.n)
        TRY(load_ca_pem(ctx, o->ca_pem, e));
    if (o->request_client_cert)
        SSL_CTX_set_verify(ctx, SSL_VERIFY_PEER, note_only);
    return RC_OK;
}

struct tls_context *tls_context_new(bool client)
{
    struct tls_context *t = calloc(1, sizeof *t);

    must(t);
    t->refs = 1;
    t->client = client;
    t->ctx = SSL_CTX_new(client ? TLS_client_method() : TLS_server_method());
    return t;
}

enum rc tls_server_new(const struct tls_server_options *o, struct tls_context **out, struct err *e)
{
    struct tls_context *t;
    enum rc rc;

    ERR_clear_error();
    t = tls_context_new(false);
    rc = t->ctx ? server_setup(t->ctx, o, e) : ssl_failed(e, "TLS");
    if (rc == RC_OK && o->pinned)
        rc = tls_pin(t, o, e);
    if (rc != RC_OK) {
        tls_unref(t);
        return rc;
    }
    *out = t;
    return RC_OK;
}

/* Nobody asks what the peer's chain is worth: it is not built, which saves most of a client's time. */
static int unchecked(X509_STORE_CTX *store, void *arg)
{
    (void)store;
    (void)arg;
    return 1;
}

static enum rc client_setup(struct tls_context *t, struct str ciphers, uint64_t min_version, struct str ca_file,
                            struct err *e)
{
    char path[4096];

    TRY(set_common(t->ctx, ciphers, min_version, e));
    TRY(set_common(t->unchecked, ciphers, min_version, e));
    SSL_CTX_set_cert_verify_callback(t->unchecked, unchecked, NULL);
    if (SSL_CTX_dane_enable(t->ctx) != 1)
        return ssl_failed(e, "DANE");
    if (ca_file.n == 0) {
        SSL_CTX_set_default_verify_paths(t->ctx);
        return RC_OK;
    }
    if (ca_file.n >= sizeof path)
        return err_set(e, RC_INVALID, "name of the file of certificate authorities is too long");
    memcpy(path, ca_file.p, ca_file.n);
    path[ca_file.n] = '\0';
    if (SSL_CTX_load_verify_locations(t->ctx, path, NULL) != 1)
        return ssl_failed(e, path);
    return RC_OK;
}

enum rc tls_client_new(struct str ciphers, uint64_t min_version, struct str ca_file, struct tls_context **out, struct err *e)
{
    struct tls_context *t;
    enum rc rc;

    ERR_clear_error();
    t = tls_context_new(true);
    t->unchecked = SSL_CTX_new(TLS_client_method());
    rc = t->ctx && t->unchecked ? client_setup(t, ciphers, min_version, ca_file, e) : ssl_failed(e, "TLS");
    if (rc != RC_OK) {
        tls_unref(t);
        return rc;
    }
    *out = t;
    return RC_OK;
}

struct tls_context *tls_ref(struct tls_context *t)
{
    t->refs++;
    return t;
}

void tls_unref(struct tls_context *t)
{
    if (!t || --t->refs)
        return;
    SSL_CTX_free(t->ctx);
    SSL_CTX_free(t->unchecked);
    free(t->pins);
    free(t);
}
