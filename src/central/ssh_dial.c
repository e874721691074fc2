/*
 * From an address to an SSH connection that is logged in: socket, key exchange, host key, proof. See ssh_line.h.
 *
 * Called in threads. Owns the socket until libssh has it. Every step has a limit; every failure names what was tried.
 */
#include "central/ssh_private.h"

#include "base/clock.h"
#include "base/must.h"
#include "net/ip.h"

#include <errno.h>
#include <fcntl.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

enum { TURN_MS = 1000, TYPES_MAX = 300, UNACKED_MS = 20000 };

/* --- giving up ------------------------------------------------------------------------------------------------------------
 */

void ssh_abort_init(struct ssh_abort *a)
{
    must(pthread_mutex_init(&a->lock, NULL) == 0);
    a->fd = -1;
    a->set = false;
}

void ssh_abort_now(struct ssh_abort *a)
{
    pthread_mutex_lock(&a->lock);
    a->set = true;
    if (a->fd >= 0)
        shutdown(a->fd, SHUT_RDWR);
    pthread_mutex_unlock(&a->lock);
}

void ssh_abort_clear(struct ssh_abort *a)
{
    pthread_mutex_lock(&a->lock);
    a->set = false;
    pthread_mutex_unlock(&a->lock);
}

static bool given_up(struct ssh_abort *a, int fd)
{
    bool yes = false;

    if (!a)
        return false;
    pthread_mutex_lock(&a->lock);
    a->fd = fd;
    yes = a->set;
    pthread_mutex_unlock(&a->lock);
    return yes;
}

/* --- waiting --------------------------------------------------------------------------------------------------------------
 */

bool ssh_line_broken(const struct ssh_line *l)
{
    return (ssh_get_status(l->session) & (SSH_CLOSED | SSH_CLOSED_ERROR)) != 0;
}

enum rc ssh_line_pause(struct ssh_line *l, uint64_t until, const char *what, struct err *e)
{
    struct pollfd p = {.fd = ssh_get_fd(l->session), .events = POLLIN};
    uint64_t now = clock_mono_ms();

    if (given_up(l->abort, p.fd))
        return err_set(e, RC_UNAVAILABLE, "given up");
    if (p.fd < 0 || ssh_line_broken(l))
        return err_set(e, RC_CONNECT, "connection lost");
    if (now >= until)
        return err_set(e, RC_TIMEOUT, "%s within the time limit", what);
    if (ssh_get_poll_flags(l->session) & SSH_WRITE_PENDING)
        p.events |= POLLOUT;
    poll(&p, 1, until - now < TURN_MS ? (int)(until - now) : TURN_MS);
    return RC_OK;
}

/* --- the socket -----------------------------------------------------------------------------------------------------------
 */

static enum rc wait_connected(int fd, uint64_t until, struct ssh_abort *a, struct err *e)
{
    int error = 0;
    socklen_t n = sizeof error;

    for (;;) {
        struct pollfd p = {.fd = fd, .events = POLLOUT};
        uint64_t now = clock_mono_ms();

        if (given_up(a, fd))
            return err_set(e, RC_UNAVAILABLE, "given up");
        if (now >= until)
            return err_set(e, RC_TIMEOUT, "no answer within the time limit");
        if (poll(&p, 1, until - now < TURN_MS ? (int)(until - now) : TURN_MS) > 0)
            break;
    }
    if (getsockopt(fd, SOL_SOCKET, SO_ERROR, &error, &n) != 0)
        error = errno;
    return error ? err_set(e, RC_CONNECT, "%s", strerror(error)) : RC_OK;
}

static enum rc target(const struct ssh_dial *d, struct sockaddr_storage *to, socklen_t *n, struct err *e)
{
    struct sockaddr_un un = {.sun_family = AF_UNIX};
    struct address_ip ip;

    if (strncmp(d->address, "unix:", 5) == 0) {
        if ((size_t)snprintf(un.sun_path, sizeof un.sun_path, "%s", d->address + 5) >= sizeof un.sun_path)
            return err_set(e, RC_INVALID, "the path of the link is too long");
        memcpy(to, &un, sizeof un);
        *n = sizeof un;
        return RC_OK;
    }
    if (!ip_parse(str_c(d->address), &ip))
        return err_set(e, RC_INVALID, "%s is no address", d->address);
    ip.port = d->port;
    *n = ip_to_sockaddr(&ip, to);
    return RC_OK;
}

static enum rc connect_socket(const struct ssh_dial *d, uint64_t until, int *out, struct err *e)
{
    struct sockaddr_storage to = {0};
    socklen_t n = 0;
    int fd, on = 1, unacked = UNACKED_MS; /* a dead network is told from a slow peer */
    enum rc rc = RC_OK;

    TRY(target(d, &to, &n, e));
    fd = socket(to.ss_family, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
    if (fd < 0)
        return err_errno(e, errno, "socket");
    if (to.ss_family != AF_UNIX) {
        setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof on);
        setsockopt(fd, SOL_SOCKET, SO_KEEPALIVE, &on, sizeof on);
        setsockopt(fd, IPPROTO_TCP, TCP_USER_TIMEOUT, &unacked, sizeof unacked);
    }
    if (connect(fd, (struct sockaddr *)&to, n) != 0)
        rc = errno == EINPROGRESS ? wait_connected(fd, until, d->abort, e) : err_set(e, RC_CONNECT, "%s", strerror(errno));
    if (rc != RC_OK) {
        given_up(d->abort, -1);
        close(fd);
        return rc;
    }
    *out = fd;
    return RC_OK;
}

/* --- who the server is ----------------------------------------------------------------------------------------------------
 */

/* TYPE and BASE64 of a line; false when it has not both. */
static bool key_words(struct str line, struct str *type, struct str *base64)
{
    return str_word(&line, type) && str_word(&line, base64);
}

static bool host_key_text(ssh_session session, struct buf *out)
{
    ssh_key key = NULL;
    char *base64 = NULL;
    const char *type;

    if (ssh_get_server_publickey(session, &key) != SSH_OK)
        return false;
    type = ssh_key_type_to_char(ssh_key_type(key));
    if (ssh_key_type(key) >= SSH_KEYTYPE_ECDSA_P256 && ssh_key_type(key) <= SSH_KEYTYPE_ECDSA_P521)
        type = ssh_pki_key_ecdsa_name(key);
    if (ssh_pki_export_pubkey_base64(key, &base64) == SSH_OK)
        buf_addf(out, "%s %s", type, base64);
    ssh_string_free_char(base64);
    ssh_key_free(key);
    return out->n > 0 && !out->failed;
}

void ssh_line_fingerprint(struct str host_key, char out[64])
{
    struct str type, base64;
    char name[64], text[16384];
    unsigned char *hash = NULL;
    char *print = NULL;
    ssh_key key = NULL;
    size_t n = 0;

    *out = '\0';
    if (!key_words(host_key, &type, &base64) || type.n >= sizeof name || base64.n >= sizeof text)
        return;
    snprintf(name, sizeof name, "%.*s", STR(type));
    snprintf(text, sizeof text, "%.*s", STR(base64));
    if (ssh_pki_import_pubkey_base64(text, ssh_key_type_from_name(name), &key) != SSH_OK)
        return;
    if (ssh_get_publickey_hash(key, SSH_PUBLICKEY_HASH_SHA256, &hash, &n) == SSH_OK)
        print = ssh_get_fingerprint_hash(SSH_PUBLICKEY_HASH_SHA256, hash, n);
    snprintf(out, 64, "%s", print ? print : "");
    ssh_string_free_char(print);
    ssh_clean_pubkey_hash(&hash);
    ssh_key_free(key);
}

static enum rc check_host(const struct ssh_dial *d, struct str shown, struct err *e)
{
    struct str type, base64, shown_type, shown_base64;
    char print[64];

    if (key_words(str_c(d->host_key), &type, &base64) && key_words(shown, &shown_type, &shown_base64) &&
        str_eq(type, shown_type) && str_eq(base64, shown_base64))
        return RC_OK;
    ssh_line_fingerprint(shown, print);
    return err_set(e, RC_NOT_PERMITTED, "host key %s is not the one known of this appliance", print);
}

/* --- who we are -----------------------------------------------------------------------------------------------------------
 */

static enum rc log_in_key(struct ssh_line *l, const char *pem, uint64_t until, struct err *e)
{
    ssh_key key = NULL;
    int n;
    enum rc rc = RC_OK;

    if (ssh_pki_import_privkey_base64(pem, NULL, NULL, NULL, &key) != SSH_OK)
        return err_set(e, RC_INVALID, "our SSH key cannot be read");
    while (rc == RC_OK && (n = ssh_userauth_publickey(l->session, NULL, key)) == SSH_AUTH_AGAIN)
        rc = ssh_line_pause(l, until, "the login is not answered", e);
    ssh_key_free(key);
    if (rc != RC_OK || n == SSH_AUTH_SUCCESS)
        return rc;
    if (ssh_line_broken(l))
        return err_set(e, RC_CONNECT, "the connection ended during the login");
    return err_set(e, RC_NOT_PERMITTED, "the appliance does not accept our key");
}

static enum rc interactive(struct ssh_line *l, const char *passphrase, uint64_t until, int *result, struct err *e)
{
    while ((*result = ssh_userauth_kbdint(l->session, NULL, NULL)) == SSH_AUTH_INFO || *result == SSH_AUTH_AGAIN) {
        if (*result == SSH_AUTH_INFO && ssh_userauth_kbdint_getnprompts(l->session) == 1)
            ssh_userauth_kbdint_setanswer(l->session, 0, passphrase);
        if (*result == SSH_AUTH_AGAIN)
            TRY(ssh_line_pause(l, until, "the login is not answered", e));
    }
    return RC_OK;
}

static enum rc log_in_passphrase(struct ssh_line *l, const char *passphrase, uint64_t until, struct err *e)
{
    unsigned methods;
    int n;

    while ((n = ssh_userauth_none(l->session, NULL)) == SSH_AUTH_AGAIN)
        TRY(ssh_line_pause(l, until, "the login is not answered", e));
    methods = (unsigned)ssh_userauth_list(l->session, NULL);
    if (n != SSH_AUTH_SUCCESS && methods & SSH_AUTH_METHOD_PASSWORD)
        while ((n = ssh_userauth_password(l->session, NULL, passphrase)) == SSH_AUTH_AGAIN)
            TRY(ssh_line_pause(l, until, "the login is not answered", e));
    else if (n != SSH_AUTH_SUCCESS && methods & SSH_AUTH_METHOD_INTERACTIVE)
        TRY(interactive(l, passphrase, until, &n, e));
    if (n == SSH_AUTH_SUCCESS)
        return RC_OK;
    if (ssh_line_broken(l))
        return err_set(e, RC_CONNECT, "the connection ended during the login");
    return err_set(e, RC_NOT_PERMITTED, "the appliance does not accept this user and passphrase");
}

/* --- all of it ------------------------------------------------------------------------------------------------------------
 */

/* The kinds of host key to ask for: that of the known one, or all, the best first. */
static void host_key_types(const char *host_key, char out[TYPES_MAX])
{
    struct str type, base64;

    if (!key_words(str_c(host_key), &type, &base64))
        snprintf(out, TYPES_MAX, "ssh-ed25519,ecdsa-sha2-nistp256,ecdsa-sha2-nistp384,rsa-sha2-512,rsa-sha2-256");
    else if (str_eq(type, str_lit("ssh-rsa")))
        snprintf(out, TYPES_MAX, "rsa-sha2-512,rsa-sha2-256");
    else
        snprintf(out, TYPES_MAX, "%.*s", STR(type));
}

static enum rc set_session(ssh_session s, const struct ssh_dial *d, int fd, struct err *e)
{
    int no = 0;
    char types[TYPES_MAX];

    host_key_types(d->host_key, types);
    if (ssh_options_set(s, SSH_OPTIONS_PROCESS_CONFIG, &no) != SSH_OK ||
        ssh_options_set(s, SSH_OPTIONS_HOST, strncmp(d->address, "unix:", 5) ? d->address : "localhost") != SSH_OK ||
        ssh_options_set(s, SSH_OPTIONS_USER, d->user) != SSH_OK || ssh_options_set(s, SSH_OPTIONS_SSH_DIR, "/") != SSH_OK ||
        ssh_options_set(s, SSH_OPTIONS_KNOWNHOSTS, "/dev/null") != SSH_OK ||
        ssh_options_set(s, SSH_OPTIONS_GLOBAL_KNOWNHOSTS, "/dev/null") != SSH_OK ||
        ssh_options_set(s, SSH_OPTIONS_HOSTKEYS, types) != SSH_OK)
        return err_set(e, RC_INVALID, "settings of SSH: %s", ssh_get_error(s));
    if (ssh_options_set(s, SSH_OPTIONS_FD, &fd) != SSH_OK)
        return err_set(e, RC_INTERNAL, "settings of SSH: %s", ssh_get_error(s));
    ssh_set_blocking(s, 0);
    return RC_OK;
}

static enum rc meet(struct ssh_line *l, const struct ssh_dial *d, uint64_t until, struct buf *host_key, struct err *e)
{
    int n;

    while ((n = ssh_connect(l->session)) == SSH_AGAIN)
        TRY(ssh_line_pause(l, until, "no SSH server answers", e));
    if (n != SSH_OK)
        return err_set(e, RC_CONNECT, "SSH: %s", ssh_get_error(l->session));
    if (!host_key_text(l->session, host_key))
        return err_set(e, RC_CONNECT, "the server shows no host key");
    if (!d->host_key || !*d->host_key)
        return RC_OK;
    TRY(check_host(d, buf_str(host_key), e));
    until = clock_mono_ms() + l->step_ms;
    return d->key && *d->key ? log_in_key(l, d->key, until, e)
                             : log_in_passphrase(l, d->passphrase ? d->passphrase : "", until, e);
}

enum rc ssh_line_open(const struct ssh_dial *d, struct ssh_line **out, struct buf *host_key_out, struct err *e)
{
    uint64_t until = clock_mono_ms() + (d->connect_ms ? d->connect_ms : SSH_LINE_CONNECT_MS);
    struct buf shown = BUF(20000);
    struct ssh_line *l;
    int fd = -1;
    enum rc rc;

    *out = NULL;
    TRY(connect_socket(d, until, &fd, e));
    l = calloc(1, sizeof *l);
    must(l);
    l->fd = fd;
    l->abort = d->abort;
    l->step_ms = d->step_ms ? d->step_ms : SSH_LINE_STEP_MS;
    must((l->session = ssh_new()));
    rc = set_session(l->session, d, fd, e);
    if (rc == RC_OK)
        rc = meet(l, d, until, &shown, e);
    if (host_key_out) {
        buf_clear(host_key_out);
        buf_add(host_key_out, buf_str(&shown));
    }
    buf_done(&shown);
    if (rc != RC_OK || !d->host_key || !*d->host_key) {
        ssh_line_close(l);
        return rc;
    }
    *out = l;
    return RC_OK;
}

bool ssh_line_gone(struct ssh_line *l)
{
    struct pollfd p = {.fd = ssh_get_fd(l->session), .events = POLLIN | POLLRDHUP};

    if (p.fd < 0 || ssh_line_broken(l))
        return true;
    return poll(&p, 1, 0) > 0 && (p.revents & (POLLHUP | POLLRDHUP | POLLERR)) != 0;
}

void ssh_line_close(struct ssh_line *l)
{
    struct stat ours, now;

    if (!l)
        return;
    given_up(l->abort, -1);
    if (fstat(l->fd, &ours) != 0)
        ours.st_ino = 0;
    ssh_disconnect(l->session);
    ssh_free(l->session);
    if (ours.st_ino && fstat(l->fd, &now) == 0 && now.st_ino == ours.st_ino && now.st_dev == ours.st_dev)
        close(l->fd); /* else it is closed, and perhaps the number is somebody else's */
    free(l);
}
