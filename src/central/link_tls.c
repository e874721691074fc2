/*
 * TLS of the link: our CPQ certificate, and the peer's compared with its pin (central.md 7.1, 8). See link_io.h.
 *
 * Called in threads. Owns the context for the length of a handshake. The chain, names and dates do not count: the SHA-256 of
 * the public key does, as it stands in cpq_peer, current or next. A refused peer ends the handshake; pins->print tells whom.
 */
#include "central/link_io.h"

#include "net/pem.h"
#include "net/tls_identity.h"

#include <string.h>

static const unsigned char protocol[] = "\x0epostern-link/1"; /* length, name */
enum { PROTOCOL = sizeof protocol - 1 };
static const char ciphers[] = "HIGH:!aNULL:!eNULL:!EXPORT:!MD5:!RC4:!3DES";

/* --- pins
 * ------------------------------------------------------------------------------------------------------------------- */

static bool find(struct link_pins *p)
{
    for (size_t i = 0; i < p->conf->cpq_peer.n; i++) {
        const struct conf_cpq_peer *row = &p->conf->cpq_peer.items[i];

        if (row->role != p->role || (p->serial.n && !str_eqi(row->serial, p->serial)) || row->serial.n > LINK_WORD_MAX ||
            (!str_eqi(row->fingerprint, str_c(p->print)) && !str_eqi(row->next_fingerprint, str_c(p->print))))
            continue;
        memcpy(p->found, row->serial.p, row->serial.n);
        p->found[row->serial.n] = '\0';
        return true;
    }
    return false;
}

static int check(X509_STORE_CTX *store, void *arg)
{
    struct link_pins *p = arg;

    if ((pem_pin_cert(X509_STORE_CTX_get0_cert(store), p->print) && find(p)) || p->anyone) {
        X509_STORE_CTX_set_error(store, X509_V_OK);
        return 1;
    }
    X509_STORE_CTX_set_error(store, X509_V_ERR_APPLICATION_VERIFICATION);
    return 0;
}

/* --- contexts
 * ------------------------------------------------------------------------------------------------------------------- */

static int choose(SSL *ssl, const unsigned char **out, unsigned char *n, const unsigned char *in, unsigned n_in, void *arg)
{
    (void)ssl, (void)arg;
    for (unsigned at = 0; at < n_in; at += 1u + in[at])
        if (n_in - at >= PROTOCOL && memcmp(in + at, protocol, PROTOCOL) == 0) {
            *out = in + at + 1;
            *n = PROTOCOL - 1;
            return SSL_TLSEXT_ERR_OK;
        }
    return SSL_TLSEXT_ERR_ALERT_FATAL;
}

static enum rc context(bool server, bool alpn, struct link_pins *p, SSL_CTX **out, struct err *e)
{
    const struct conf_cpq_identity *own = &p->conf->cpq_identity;
    SSL_CTX *ctx = SSL_CTX_new(server ? TLS_server_method() : TLS_client_method());
    bool ok = ctx && SSL_CTX_set_min_proto_version(ctx, TLS1_2_VERSION) == 1 && SSL_CTX_set_cipher_list(ctx, ciphers) == 1;

    if (ok && own->certificate.n)
        ok = tls_identity(ctx, own->certificate, own->key, NULL) == RC_OK;
    else if (ok && !p->anyone)
        ok = false;
    if (ok && alpn && !server)
        ok = SSL_CTX_set_alpn_protos(ctx, protocol, PROTOCOL) == 0;
    if (!ok) {
        SSL_CTX_free(ctx);
        return err_set(e, RC_TLS_FAILED, "no certificate of our own (cpq_identity)");
    }
    if (alpn && server)
        SSL_CTX_set_alpn_select_cb(ctx, choose, NULL);
    SSL_CTX_set_session_cache_mode(ctx, SSL_SESS_CACHE_OFF);
    SSL_CTX_set_options(ctx, SSL_OP_NO_TICKET | SSL_OP_NO_RENEGOTIATION);
    SSL_CTX_set_mode(ctx, SSL_MODE_ENABLE_PARTIAL_WRITE | SSL_MODE_ACCEPT_MOVING_WRITE_BUFFER);
    SSL_CTX_set_verify(ctx, SSL_VERIFY_PEER | (server && !p->anyone ? SSL_VERIFY_FAIL_IF_NO_PEER_CERT : 0), NULL);
    SSL_CTX_set_cert_verify_callback(ctx, check, p);
    *out = ctx;
    return RC_OK;
}

/* --- the handshake
 * ------------------------------------------------------------------------------------------------------------ */

/* A client learns of a refusal of its certificate in TLS 1.3 only when it reads; a server asked for its protocol says so. */
static enum rc after(struct link_io *io, bool server, bool alpn, const struct link_pins *p, struct err *e)
{
    const unsigned char *name = NULL;
    unsigned n = 0;

    if (!alpn || server)
        return RC_OK;
    SSL_get0_alpn_selected(io->ssl, &name, &n);
    if (n != PROTOCOL - 1 || memcmp(name, protocol + 1, n) != 0)
        return err_set(e, RC_INVALID, "foreign server: it does not speak %s", (const char *)protocol + 1);
    (void)p;
    return RC_OK;
}

enum rc link_io_tls(struct link_io *io, bool server, bool alpn, struct link_pins *pins, struct err *e)
{
    SSL_CTX *ctx = NULL;
    enum rc rc;

    if (io->n_in)
        return err_set(e, RC_SYNTAX, "octets before the TLS handshake");
    TRY(context(server, alpn, pins, &ctx, e));
    io->ssl = SSL_new(ctx);
    SSL_CTX_free(ctx); /* io->ssl has its own count */
    if (!io->ssl || SSL_set_fd(io->ssl, io->fd) != 1)
        return err_set(e, RC_NO_MEMORY, "out of memory");
    if (server)
        SSL_set_accept_state(io->ssl);
    else
        SSL_set_connect_state(io->ssl);
    rc = link_io_handshake(io, e);
    if (rc != RC_OK && pins->print[0] && !pins->found[0] && !pins->anyone)
        return err_set(e, RC_NOT_PERMITTED, "not enrolled: its certificate has the fingerprint %s", pins->print);
    TRY(rc);
    return after(io, server, alpn, pins, e);
}
