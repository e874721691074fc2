/*
 * TLS of one connection: handshake, octets in and out, the facts, clear words when it fails.
 *
 * Called by stream.c and socket.c. OpenSSL reads the socket straight through a BIO of ours and writes into the connection's
 * wire buffer, which leaves in PHASE_PEER like everything else. At most HANDSHAKES_MOST handshakes are under way; a slow one
 * gives way when others wait. Owns the SSL object.
 */
#include "net/socket_private.h"
#include "net/tls_private.h"

#include "base/must.h"

#include <errno.h>
#include <openssl/err.h>
#include <openssl/x509v3.h>

/* --- the BIO ------------------------------------------------------------------------------------------------------------
 */

static int bio_read(BIO *bio, char *to, size_t n, size_t *n_out)
{
    struct socket *s = BIO_get_data(bio);
    ssize_t got = -1;

    BIO_clear_retry_flags(bio);
    errno = EAGAIN;
    if (s->readable)
        got = stream_receive(s, to, n);
    if (got > 0) {
        *n_out = (size_t)got;
        return 1;
    }
    if (got < 0 && errno == EAGAIN)
        BIO_set_retry_read(bio);
    else
        s->input_error = got < 0 ? errno : 0;
    *n_out = 0;
    return got == 0 ? 0 : -1;
}

static int bio_write(BIO *bio, const char *from, size_t n, size_t *n_out)
{
    struct socket *s = BIO_get_data(bio);

    BIO_clear_retry_flags(bio);
    buf_add(&s->out, str_of(from, n));
    *n_out = n;
    return !s->out.failed;
}

static long bio_ctrl(BIO *bio, int command, long number, void *pointer)
{
    (void)bio;
    (void)number;
    (void)pointer;
    return command == BIO_CTRL_FLUSH || command == BIO_CTRL_DUP;
}

static int bio_create(BIO *bio)
{
    BIO_set_init(bio, 1);
    return 1;
}

/* Made once in a process; OpenSSL asks for it in each BIO and never changes it. */
static const BIO_METHOD *bio_method(void)
{
    static BIO_METHOD *method;

    if (!method) {
        method = BIO_meth_new(BIO_get_new_index() | BIO_TYPE_SOURCE_SINK, "connection");
        must(method);
        BIO_meth_set_read_ex(method, bio_read);
        BIO_meth_set_write_ex(method, bio_write);
        BIO_meth_set_ctrl(method, bio_ctrl);
        BIO_meth_set_create(method, bio_create);
    }
    return method;
}

/* --- the client's demands -------------------------------------------------------------------------------------------------
 */

static const struct str *copy_names(struct arena *a, const struct tls_client *how)
{
    struct str *names = arena_array(a, struct str, how->n_names + 1);

    for (size_t i = 0; names && i < how->n_names; i++)
        names[i] = arena_str(a, how->names[i]);
    return names;
}

static const struct tls_record *copy_records(struct arena *a, const struct tls_client *how)
{
    struct tls_record *records = arena_array(a, struct tls_record, how->n_records + 1);

    for (size_t i = 0; records && i < how->n_records; i++) {
        records[i] = how->records[i];
        records[i].data = arena_str(a, how->records[i].data);
    }
    return records;
}

void conversation_tls_client(struct conversation *c, const struct tls_client *how)
{
    struct socket *s = c->runtime;
    struct tls_client *mine;

    if (!s)
        return;
    mine = arena_must_alloc(&c->arena, sizeof *mine);
    *mine = *how;
    mine->name = arena_str(&c->arena, how->name);
    mine->names = copy_names(&c->arena, how);
    mine->records = copy_records(&c->arena, how);
    if (!mine->names)
        mine->n_names = 0;
    if (!mine->records)
        mine->n_records = 0;
    s->client = mine;
}

static void require_name(SSL *ssl, const struct tls_client *how)
{
    struct address_ip ip;

    SSL_set_hostflags(ssl, X509_CHECK_FLAG_NO_PARTIAL_WILDCARDS);
    if (ip_parse(how->name, &ip))
        X509_VERIFY_PARAM_set1_ip(SSL_get0_param(ssl), ip.octets, ip.family == AF_INET ? 4 : 16);
    else if (how->name.n)
        SSL_set1_host(ssl, how->name.p);
    for (size_t i = 0; i < how->n_names; i++)
        if (how->names[i].n)
            SSL_add1_host(ssl, how->names[i].p);
}

/* RFC 7672: only DANE-TA(2) and DANE-EE(3) count; without a usable record the peer is encrypted but not checked. */
static bool require_dane(SSL *ssl, const struct tls_client *how)
{
    int usable = 0;

    if (SSL_dane_enable(ssl, how->name.p) <= 0)
        return false;
    SSL_dane_set_flags(ssl, DANE_FLAG_NO_DANE_EE_NAMECHECKS);
    for (size_t i = 0; i < how->n_records; i++) {
        const struct tls_record *r = &how->records[i];

        if (r->usage == 2 || r->usage == 3)
            usable +=
                SSL_dane_tlsa_add(ssl, r->usage, r->selector, r->matching, (const unsigned char *)r->data.p, r->data.n) > 0;
    }
    for (size_t i = 0; i < how->n_names; i++)
        if (how->names[i].n)
            SSL_add1_host(ssl, how->names[i].p);
    return usable > 0;
}

static void prepare_client(struct socket *s)
{
    const struct tls_client *how = s->client;
    struct address_ip ip;

    SSL_set_connect_state(s->ssl);
    if (!how)
        return;
    if (how->name.n && !ip_parse(how->name, &ip))
        SSL_set_tlsext_host_name(s->ssl, how->name.p);
    if (how->check == TLS_CHECK_NAME) {
        require_name(s->ssl, how);
        SSL_set_verify(s->ssl, SSL_VERIFY_PEER, NULL);
    } else if (how->check == TLS_CHECK_DANE && how->name.n) {
        SSL_set_verify(s->ssl, require_dane(s->ssl, how) ? SSL_VERIFY_PEER : SSL_VERIFY_NONE, NULL);
    }
}

static bool is_client(const struct socket *s)
{
    return s->context->unchecked != NULL;
}

static bool make_ssl(struct socket *s)
{
    bool checked = !is_client(s) || (s->client && s->client->check != TLS_CHECK_NONE);
    BIO *bio;

    ERR_clear_error();
    s->ssl = SSL_new(checked ? s->context->ctx : s->context->unchecked);
    bio = s->ssl ? BIO_new(bio_method()) : NULL;
    if (!bio)
        return false;
    BIO_set_data(bio, s);
    SSL_set_bio(s->ssl, bio, bio);
    if (is_client(s))
        prepare_client(s);
    else
        SSL_set_accept_state(s->ssl);
    return true;
}

/* --- places
 * ---------------------------------------------------------------------------------------------------------------- */

static void leave(struct socket *s)
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

    leave(s);
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

/* --- handshake
 * --------------------------------------------------------------------------------------------------------------- */

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
    f->verified = cert && asked && SSL_get_verify_result(s->ssl) == X509_V_OK;
    f->dane = f->verified && is_client(s) && SSL_get0_dane_authority(s->ssl, NULL, NULL) >= 0;
    leave(s);
    s->tls = TLS_UP;
    s->readable = true; /* the record after the handshake may be in OpenSSL already */
    c->tls = f;
    c->rc = RC_OK;
    conversation_wait_over(c);
}

static void explain(struct socket *s, int error)
{
    struct conversation *c = s->c;
    unsigned long code = ERR_peek_last_error();
    long verify = SSL_get_verify_result(s->ssl);
    char text[200];

    if (error == SSL_ERROR_SSL && code) {
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

/* --- octets
 * ------------------------------------------------------------------------------------------------------------------- */

ssize_t tls_read(struct socket *s, char *to, size_t n)
{
    size_t total = 0;
    int rc = 1, error;

    ERR_clear_error();
    while (total < n && (rc = SSL_read(s->ssl, to + total, (int)(n - total))) > 0)
        total += (size_t)rc;
    if (total == n)
        s->readable = true; /* OpenSSL may hold more */
    if (total)
        return (ssize_t)total;
    error = SSL_get_error(s->ssl, rc);
    ERR_clear_error();
    if (error == SSL_ERROR_WANT_READ || error == SSL_ERROR_WANT_WRITE) {
        errno = EAGAIN;
        return -1;
    }
    if (error == SSL_ERROR_ZERO_RETURN)
        return 0;
    errno = error == SSL_ERROR_SSL ? EPROTO : s->input_error;
    return errno ? -1 : 0;
}

void tls_write(struct socket *s, struct buf *plain)
{
    size_t done = 0;

    if (!plain->n)
        return;
    ERR_clear_error();
    while (done < plain->n && s->out.n - s->sent < CIPHER_MOST) {
        size_t left = plain->n - done;
        int rc = SSL_write(s->ssl, plain->p + done, (int)(left < CIPHER_MOST ? left : CIPHER_MOST));

        if (rc <= 0)
            break;
        done += (size_t)rc;
    }
    buf_drop(plain, done);
}

void tls_farewell(struct socket *s)
{
    if (s->farewell)
        return;
    s->farewell = true;
    ERR_clear_error();
    SSL_shutdown(s->ssl);
    ERR_clear_error();
}

void tls_free(struct socket *s)
{
    leave(s);
    SSL_free(s->ssl);
    s->ssl = NULL;
}
