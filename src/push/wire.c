/*
 * Connections to syslog servers. See wire.h.
 *
 * Called by the syslog sender on the loop. Owns the socket and the TLS session. A failure leaves the wire open for questions
 * (what was confirmed) until wire_close().
 */
#include "push/wire.h"

#include <errno.h>
#include <linux/sockios.h>
#include <linux/tcp.h>
#include <openssl/err.h>
#include <openssl/x509v3.h>
#include <stdio.h>
#include <sys/ioctl.h>
#include <unistd.h>

enum { USER_TIMEOUT_MS = 30000, KEEP_IDLE_S = 30, KEEP_STEP_S = 10, KEEP_TRIES = 3 };

enum rc wire_trust_new(struct str ca_file, SSL_CTX **out, struct err *e)
{
    SSL_CTX *t = SSL_CTX_new(TLS_client_method());
    char path[1100];

    snprintf(path, sizeof path, "%.*s", STR(ca_file));
    if (!t || SSL_CTX_set_min_proto_version(t, TLS1_2_VERSION) != 1 ||
        SSL_CTX_set_cipher_list(t, "HIGH:!aNULL:!eNULL:!EXPORT:!kRSA") != 1) {
        SSL_CTX_free(t);
        return err_set(e, RC_INTERNAL, "TLS cannot be set up");
    }
    ERR_clear_error();
    if ((path[0] ? SSL_CTX_load_verify_file(t, path) : SSL_CTX_set_default_verify_paths(t)) != 1) {
        SSL_CTX_free(t);
        return err_set(e, RC_INVALID, "certificate authorities cannot be read from %s", path[0] ? path : "the system");
    }
    SSL_CTX_set_verify(t, SSL_VERIFY_PEER, NULL);
    SSL_CTX_set_mode(t, SSL_MODE_ENABLE_PARTIAL_WRITE | SSL_MODE_ACCEPT_MOVING_WRITE_BUFFER);
    *out = t;
    return RC_OK;
}

static enum rc begin_tls(struct wire *w, const char *name, SSL_CTX *trust, struct err *e)
{
    bool address;

    w->ssl = SSL_new(trust);
    if (!w->ssl || SSL_set_fd(w->ssl, w->fd) != 1)
        return err_set(e, RC_NO_MEMORY, "TLS cannot be set up");
    address = X509_VERIFY_PARAM_set1_ip_asc(SSL_get0_param(w->ssl), name) == 1;
    if (!address && (SSL_set1_host(w->ssl, name) != 1 || SSL_set_tlsext_host_name(w->ssl, name) != 1))
        return err_set(e, RC_INVALID, "\"%s\" cannot be the name of a TLS server", name);
    SSL_set_hostflags(w->ssl, X509_CHECK_FLAG_NO_PARTIAL_WILDCARDS);
    SSL_set_connect_state(w->ssl);
    return RC_OK;
}

static void set_int(int fd, int level, int name, int value)
{
    setsockopt(fd, level, name, &value, sizeof value); /* a refinement: works without */
}

enum rc wire_open(struct wire *w, enum wire_protocol protocol, const struct sockaddr *to, socklen_t to_n, const char *name,
                  SSL_CTX *trust, struct err *e)
{
    enum rc rc = RC_OK;

    *w = (struct wire){.protocol = protocol};
    w->fd = socket(to->sa_family, (protocol == WIRE_UDP ? SOCK_DGRAM : SOCK_STREAM) | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
    if (w->fd < 0)
        return err_errno(e, errno, "socket");
    if (protocol != WIRE_UDP) {
        set_int(w->fd, SOL_SOCKET, SO_KEEPALIVE, 1);
        set_int(w->fd, IPPROTO_TCP, TCP_KEEPIDLE, KEEP_IDLE_S);
        set_int(w->fd, IPPROTO_TCP, TCP_KEEPINTVL, KEEP_STEP_S);
        set_int(w->fd, IPPROTO_TCP, TCP_KEEPCNT, KEEP_TRIES);
        set_int(w->fd, IPPROTO_TCP, TCP_USER_TIMEOUT, USER_TIMEOUT_MS);
        set_int(w->fd, IPPROTO_TCP, TCP_NODELAY, 1);
    }
    if (connect(w->fd, to, to_n) != 0 && errno != EINPROGRESS)
        rc = err_errno(e, errno, "connect");
    if (rc == RC_OK && protocol == WIRE_TLS)
        rc = begin_tls(w, name, trust, e);
    if (rc != RC_OK)
        wire_close(w);
    return rc;
}

static enum wire_state broken(struct wire *w, int number, struct err *e)
{
    w->reset = w->reset || number != 0;
    err_set(e, RC_CONNECT, "%s", number ? strerror(number) : "connection closed by the server");
    return WIRE_BROKEN;
}

static int pending_error(const struct wire *w)
{
    int number = 0;
    socklen_t n = sizeof number;

    return getsockopt(w->fd, SOL_SOCKET, SO_ERROR, &number, &n) == 0 ? number : errno;
}

/* What a call of OpenSSL that did not succeed means. */
static enum wire_state tls_outcome(struct wire *w, int result, struct err *e)
{
    int saved = errno, why = SSL_get_error(w->ssl, result);
    long verified = SSL_get_verify_result(w->ssl);
    unsigned long code;

    if (why == SSL_ERROR_WANT_READ || why == SSL_ERROR_WANT_WRITE)
        return WIRE_AGAIN;
    if (why == SSL_ERROR_ZERO_RETURN)
        return broken(w, 0, e);
    code = ERR_peek_error();
    if (verified != X509_V_OK && !SSL_is_init_finished(w->ssl))
        err_set(e, RC_CONNECT, "certificate refused: %s", X509_verify_cert_error_string(verified));
    else if (why == SSL_ERROR_SSL && ERR_GET_REASON(code) != SSL_R_UNEXPECTED_EOF_WHILE_READING)
        err_set(e, RC_CONNECT, "TLS: %s", ERR_reason_error_string(code) ? ERR_reason_error_string(code) : "error");
    else
        return broken(w, why == SSL_ERROR_SYSCALL ? saved : 0, e);
    return WIRE_BROKEN;
}

enum wire_state wire_connected(struct wire *w, struct err *e)
{
    struct sockaddr_storage peer;
    socklen_t n = sizeof peer;
    int number = pending_error(w);

    if (number)
        return broken(w, number, e);
    if (w->protocol == WIRE_UDP)
        return WIRE_OK;
    if (getpeername(w->fd, (struct sockaddr *)&peer, &n) != 0)
        return WIRE_AGAIN;
    if (!w->ssl)
        return WIRE_OK;
    ERR_clear_error();
    number = SSL_do_handshake(w->ssl);
    return number == 1 ? WIRE_OK : tls_outcome(w, number, e);
}

static enum wire_state write_datagram(struct wire *w, struct str lines, size_t *taken_out, struct err *e)
{
    size_t n = str_find(lines, '\n');
    ssize_t sent = send(w->fd, lines.p, n, 0);

    if (sent < 0 && errno == EMSGSIZE)
        sent = send(w->fd, lines.p, n < 1024 ? n : 1024, 0); /* RFC 3164 4.1: what every receiver takes */
    if (sent < 0)
        return errno == EAGAIN || errno == ENOBUFS ? WIRE_AGAIN : broken(w, errno, e);
    *taken_out = n + (n < lines.n);
    w->written += *taken_out;
    return WIRE_OK;
}

enum wire_state wire_write(struct wire *w, struct str lines, size_t *taken_out, struct err *e)
{
    *taken_out = 0;
    if (w->protocol == WIRE_UDP)
        return write_datagram(w, lines, taken_out, e);
    if (w->ssl) {
        int n;

        ERR_clear_error();
        n = SSL_write_ex(w->ssl, lines.p, lines.n, taken_out);
        w->written = BIO_number_written(SSL_get_wbio(w->ssl));
        return n == 1 ? WIRE_OK : tls_outcome(w, n, e);
    }
    for (;;) {
        ssize_t n = send(w->fd, lines.p, lines.n, MSG_NOSIGNAL);

        if (n >= 0) {
            *taken_out = (size_t)n;
            w->written += (uint64_t)n;
            return WIRE_OK;
        }
        if (errno != EINTR)
            return errno == EAGAIN ? WIRE_AGAIN : broken(w, errno, e);
    }
}

enum wire_state wire_read(struct wire *w, struct err *e)
{
    char drop[4096];

    for (;;) {
        ssize_t n;

        if (w->ssl) {
            int got;

            ERR_clear_error();
            errno = 0;
            got = SSL_read(w->ssl, drop, sizeof drop);
            if (got <= 0)
                return tls_outcome(w, got, e);
            continue;
        }
        n = recv(w->fd, drop, sizeof drop, 0);
        if (n == 0 && w->protocol != WIRE_UDP)
            return broken(w, 0, e);
        if (n < 0 && errno != EINTR)
            return errno == EAGAIN ? WIRE_AGAIN : broken(w, errno, e);
    }
}

uint64_t wire_confirmed(const struct wire *w)
{
    int left = 0;

    if (w->protocol == WIRE_UDP || w->fd < 0)
        return w->written;
    if (ioctl(w->fd, SIOCOUTQ, &left) != 0 || left < 0 || (uint64_t)left > w->written)
        return 0;
    return w->written - (uint64_t)left;
}

uint64_t wire_unread_most(const struct wire *w)
{
    struct tcp_info info = {0};
    socklen_t n = sizeof info;

    if (w->protocol == WIRE_UDP || w->fd < 0 || getsockopt(w->fd, IPPROTO_TCP, TCP_INFO, &info, &n) != 0)
        return 0;
    return info.tcpi_snd_wnd;
}

void wire_close(struct wire *w)
{
    SSL_free(w->ssl);
    if (w->fd >= 0)
        close(w->fd);
    *w = (struct wire){.fd = -1};
}
