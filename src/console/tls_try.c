/*
 * A TLS handshake of a network tool. See tls_try.h.
 *
 * Called by tlsverify. Owns its SSL objects through the command's arena, so that Ctrl-C frees them. The handshake goes
 * through with any certificate; the verdict on it is told apart.
 */
#include "console/tls_try.h"

#include <openssl/err.h>
#include <openssl/ssl.h>
#include <openssl/x509v3.h>

static void free_context(void *ctx)
{
    SSL_CTX_free(ctx);
}

static void free_ssl(void *ctx)
{
    SSL_free(ctx);
}

static enum rc library(struct err *e, const char *what)
{
    unsigned long code = ERR_peek_last_error();
    const char *why = code ? ERR_reason_error_string(code) : NULL;

    ERR_clear_error();
    return err_set(e, RC_TLS_FAILED, "%s: %s", what, why ? why : "TLS failed");
}

/* A C string of a view, in the arena. */
static const char *c_string(struct session *s, struct str text)
{
    return arena_printf(&s->arena, "%.*s", STR(text)).p;
}

static enum rc prepare(struct session *s, const struct tls_try *t, SSL **out, struct err *e)
{
    SSL_CTX *context = SSL_CTX_new(TLS_client_method());
    struct str ciphers = arena_printf(&s->arena, "%.*s:-aNULL:-eNULL:-EXPORT", STR(t->ciphers));
    SSL *ssl;

    if (!context || !arena_defer(&s->arena, free_context, context))
        return err_set(e, RC_NO_MEMORY, "no memory");
    SSL_CTX_set_min_proto_version(context, t->oldest ? TLS1_3_VERSION : TLS1_2_VERSION);
    if (SSL_CTX_set_cipher_list(context, ciphers.p) != 1)
        return library(e, "cipher list");
    if (t->ca_file.n ? SSL_CTX_load_verify_file(context, c_string(s, t->ca_file)) != 1
                     : SSL_CTX_set_default_verify_paths(context) != 1)
        return library(e, "certificate authorities");
    ssl = SSL_new(context);
    if (!ssl || !arena_defer(&s->arena, free_ssl, ssl))
        return err_set(e, RC_NO_MEMORY, "no memory");
    SSL_set_verify(ssl, SSL_VERIFY_NONE, NULL);
    SSL_set_hostflags(ssl, X509_CHECK_FLAG_NO_PARTIAL_WILDCARDS);
    for (size_t i = 0; i < t->names.n; i++)
        SSL_add1_host(ssl, c_string(s, t->names.items[i]));
    SSL_set_tlsext_host_name(ssl, c_string(s, t->server));
    *out = ssl;
    return RC_OK;
}

static struct str name_of(struct session *s, const X509_NAME *name)
{
    char text[300] = "";

    X509_NAME_oneline(name, text, sizeof text);
    return arena_str(&s->arena, str_c(text));
}

static void describe(struct session *s, SSL *ssl, struct tls_try *t)
{
    X509 *cert = SSL_get1_peer_certificate(ssl);
    long verdict = SSL_get_verify_result(ssl);
    const char *peer = SSL_get0_peername(ssl);
    struct tm tm;
    char when[40] = "";

    t->protocol = SSL_get_version(ssl);
    t->cipher = SSL_get_cipher_name(ssl);
    t->verified = cert && verdict == X509_V_OK;
    t->why = cert ? X509_verify_cert_error_string(verdict) : "the host has no certificate";
    t->matched = peer && t->verified ? arena_str(&s->arena, str_c(peer)) : STR_NONE;
    if (!cert)
        return;
    t->subject = name_of(s, X509_get_subject_name(cert));
    t->issuer = name_of(s, X509_get_issuer_name(cert));
    if (ASN1_TIME_to_tm(X509_get0_notAfter(cert), &tm) == 1)
        strftime(when, sizeof when, "%a %b %d %H:%M:%S %Y GMT", &tm);
    t->until = arena_str(&s->arena, str_c(when));
    X509_free(cert);
}

enum rc tls_try(struct session *s, struct net_socket *k, struct tls_try *t, uint64_t until_ms, struct err *e)
{
    SSL *ssl = NULL;
    int rc;

    ERR_clear_error();
    TRY(prepare(s, t, &ssl, e));
    if (SSL_set_fd(ssl, k->fd) != 1)
        return library(e, "handshake");
    while ((rc = SSL_connect(ssl)) != 1) {
        int what = SSL_get_error(ssl, rc);

        if (what == SSL_ERROR_SYSCALL || what == SSL_ERROR_ZERO_RETURN)
            return err_set(e, RC_CLOSED, "the host closed the connection during the handshake");
        if (what != SSL_ERROR_WANT_READ && what != SSL_ERROR_WANT_WRITE)
            return library(e, "handshake");
        if (!net_wait(s, k, what == SSL_ERROR_WANT_WRITE, until_ms))
            return err_set(e, RC_TIMEOUT, "the host does not answer the handshake");
    }
    describe(s, ssl, t);
    SSL_shutdown(ssl);
    return RC_OK;
}
