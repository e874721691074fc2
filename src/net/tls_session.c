/*
 * The handshake of one connection: its place among all, its course, the facts, clear words when it fails.
 *
 * Called by stream.c and socket.c. At most HANDSHAKES_MOST handshakes are under way; a slow one gives way when others wait.
 * Owns the SSL object. A failure is told to the step behind STEP_TLS.
 */
#include "net/socket_private.h"
#include "net/tls_private.h"

#include <openssl/err.h>
#include <openssl/x509v3.h>

static bool is_client(const struct socket *s)
{
    return s->context->client;
}

static bool make_ssl(struct socket *s)
{
    bool checked = !is_client(s) || s->context->pinned || (s->client && s->client->check != TLS_CHECK_NONE);
    BIO *bio;

    ERR_clear_error();
    s->ssl = SSL_new(checked ? s->context->ctx : s->context->unchecked);
    bio = s->ssl ? BIO_new(tls_bio_method()) : NULL;
    if (!bio)
        return false;
    BIO_set_data(bio, s);
    SSL_set_bio(s->ssl, bio, bio);
    if (is_client(s))
        tls_demand(s);
    else
        SSL_set_accept_state(s->ssl);
    return true;
}

/* --- places --- */

void tls_leave(struct socket *s)
{
    struct net *net = s->net;
    struct socket *next;

    if (s->queued) {
        TAILQ_REMOVE(&net->queued, s, tls_link);
        s->queued = false;
    }
    if (!s->shaking)
        return;
    s->shaking = false;
    net->n_shaking--;
    TAILQ_REMOVE(&net->shaking, s, tls_link);
    next = TAILQ_FIRST(&net->queued);
    if (next) {
        TAILQ_REMOVE(&net->queued, next, tls_link);
        next->queued = false;
        socket_make_ready(next);
    }
}

static void fail(struct socket *s, struct str why, uint64_t code)
{
    struct conversation *c = s->c;

    tls_leave(s);
    s->tls = TLS_FAILED;
    c->eof = true;
    c->rc = RC_TLS_FAILED;
    c->why = why;
    c->tls_code = code;
    c->ready = true;
    socket_make_ready(s);
}

/* Others wait: the oldest handshakes that dawdle lose their place. */
static void make_room(void *ctx)
{
    struct net *net = ctx;
    struct socket *s;
    uint64_t now = loop_now_ms(net->loop);

    while (!TAILQ_EMPTY(&net->queued) && (s = TAILQ_FIRST(&net->shaking)) && now - s->shaking_ms >= HANDSHAKE_SLOW_MS)
        fail(s, str_lit("TLS handshake was too slow while others waited"), 0);
    if (!TAILQ_EMPTY(&net->queued))
        loop_timer_set(net->loop, &net->slow, 1000, make_room, net);
}

static bool enter(struct socket *s)
{
    struct net *net = s->net;

    if (net->n_shaking >= HANDSHAKES_MOST) {
        if (!s->queued) {
            TAILQ_INSERT_TAIL(&net->queued, s, tls_link);
            s->queued = true;
        }
        if (!net->slow.slot)
            loop_timer_set(net->loop, &net->slow, 1000, make_room, net);
        return false;
    }
    if (s->queued)
        TAILQ_REMOVE(&net->queued, s, tls_link);
    s->queued = false;
    s->shaking = true;
    s->shaking_ms = loop_now_ms(net->loop);
    net->n_shaking++;
    TAILQ_INSERT_TAIL(&net->shaking, s, tls_link);
    s->tls = TLS_HANDSHAKE;
    return true;
}

/* --- handshake --- */

static struct str peer_name(struct conversation *c, X509 *cert)
{
    char name[256];
    int n = X509_NAME_get_text_by_NID(X509_get_subject_name(cert), NID_commonName, name, sizeof name);

    return n > 0 ? arena_str(&c->arena, str_of(name, strnlen(name, (size_t)n))) : STR_NONE;
}

static void note_facts(struct socket *s)
{
    struct conversation *c = s->c;
    struct tls_facts *f = arena_new(&c->arena, struct tls_facts);
    X509 *cert = SSL_get0_peer_certificate(s->ssl);
    bool asked = is_client(s) ? SSL_get_verify_mode(s->ssl) & SSL_VERIFY_PEER : cert != NULL;

    if (!f) {
        fail(s, str_lit("out of memory"), 0);
        return;
    }
    f->version = str_c(SSL_get_version(s->ssl));
    f->cipher = str_c(SSL_get_cipher_name(s->ssl));
    if (cert)
        f->peer_name = peer_name(c, cert);
    if (s->print[0])
        f->peer_print = arena_str(&c->arena, str_c(s->print));
    f->verified = cert && asked && SSL_get_verify_result(s->ssl) == X509_V_OK;
    f->dane = f->verified && is_client(s) && SSL_get0_dane_authority(s->ssl, NULL, NULL) >= 0;
    tls_leave(s);
    s->tls = TLS_UP;
    s->readable = true; /* the record after the handshake may be in OpenSSL already */
    c->tls = f;
    c->rc = RC_OK;
    conversation_wait_over(c);
}

static bool refused_pin(unsigned long code)
{
    int why = ERR_GET_REASON(code);

    return why == SSL_R_CERTIFICATE_VERIFY_FAILED || why == SSL_R_PEER_DID_NOT_RETURN_A_CERTIFICATE;
}

/* With TLS 1.3 a server refuses a client behind the client's handshake: then the alert is read with the first octets. */
bool tls_not_taken(unsigned long code)
{
    int why = ERR_GET_REASON(code);

    return why == SSL_R_SSLV3_ALERT_BAD_CERTIFICATE || why == SSL_R_TLSV13_ALERT_CERTIFICATE_REQUIRED;
}

static void explain(struct socket *s, int error)
{
    struct conversation *c = s->c;
    unsigned long code = ERR_peek_last_error();
    long verify = SSL_get_verify_result(s->ssl);
    char text[200];

    if (s->context->pinned && error == SSL_ERROR_SSL && code && refused_pin(code)) {
        fail(s,
             s->print[0] ? arena_printf(&c->arena, "not enrolled, key fingerprint %s", s->print)
                         : str_lit("not enrolled, no certificate shown"),
             code);
    } else if (s->context->pinned && error == SSL_ERROR_SSL && tls_not_taken(code)) {
        fail(s, str_lit(TLS_NOT_TAKEN), code);
    } else if (error == SSL_ERROR_SSL && code) {
        ERR_error_string_n(code, text, sizeof text);
        if (ERR_GET_REASON(code) == SSL_R_CERTIFICATE_VERIFY_FAILED && verify != X509_V_OK)
            fail(s, arena_printf(&c->arena, "%s: %s", text, X509_verify_cert_error_string(verify)), code);
        else
            fail(s, arena_str(&c->arena, str_c(text)), code);
    } else if (s->input_error) {
        fail(s, arena_printf(&c->arena, "%s during TLS handshake", strerror(s->input_error)), 0);
    } else {
        fail(s, str_lit("connection closed during TLS handshake"), 0);
    }
    ERR_clear_error();
}

static void shake(struct socket *s)
{
    int rc, error;

    ERR_clear_error();
    rc = SSL_do_handshake(s->ssl);
    if (rc == 1) {
        note_facts(s);
        return;
    }
    error = SSL_get_error(s->ssl, rc);
    if (error != SSL_ERROR_WANT_READ && error != SSL_ERROR_WANT_WRITE)
        explain(s, error);
}

void tls_begin(struct socket *s)
{
    s->tls = TLS_QUEUED;
    if (is_client(s))
        tls_continue(s);
}

/* A place is taken when the first octet of the handshake is there (a client: at once). */
void tls_continue(struct socket *s)
{
    if (s->tls == TLS_QUEUED) {
        if ((!is_client(s) && !s->readable) || !enter(s))
            return;
        if (!make_ssl(s)) {
            fail(s, str_lit("out of memory"), 0);
            return;
        }
    }
    if (s->tls == TLS_HANDSHAKE)
        shake(s);
}

void tls_free(struct socket *s)
{
    tls_leave(s);
    SSL_free(s->ssl);
    s->ssl = NULL;
}
