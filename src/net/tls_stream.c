/*
 * Octets of a TLS connection. OpenSSL reads the socket straight through a BIO of ours and writes into the connection's wire
 * buffer, which leaves in PHASE_PEER like everything else.
 *
 * Called by stream.c. Owns nothing but the BIO's method. A broken record is a broken stream (EPROTO).
 */
#include "net/socket_private.h"
#include "net/tls_private.h"

#include "base/must.h"

#include <errno.h>
#include <openssl/err.h>

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
const BIO_METHOD *tls_bio_method(void)
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

/* --- octets --- */

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
    if (error == SSL_ERROR_SSL && s->context->pinned)
        s->not_taken = tls_not_taken(ERR_peek_last_error());
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
