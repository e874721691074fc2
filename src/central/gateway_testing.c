/*
 * An SSH server for tests. See gateway_testing.h.
 *
 * Called by unit tests and bench/fleet.c, never by the product. Owns its threads and sockets; a failure ends the program.
 */
#include "central/gateway_testing.h"

#include "base/must.h"
#include "net/ip.h"
#include "net/socket.h"

#include <libssh/server.h>
#include <poll.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <unistd.h>

enum { CONNECTIONS_MAX = 400, STACK = 256 << 10 };

struct peer {
    struct gateway_testing *owner;
    pthread_t thread;
    int fd; /* a duplicate: shut down to end it */
    ssh_session session;
};

struct gateway_testing {
    struct gateway_testing_options o;
    int fd;
    uint16_t port;
    ssh_key key;
    char host_key[400];
    pthread_t thread;
    pthread_mutex_t lock;
    atomic_bool stop;
    struct peer *peers[CONNECTIONS_MAX];
    atomic_uint n;
};

static void public_text(ssh_key key, char *out, size_t size)
{
    char *base64 = NULL;

    must(ssh_pki_export_pubkey_base64(key, &base64) == SSH_OK);
    snprintf(out, size, "ssh-ed25519 %s", base64);
    ssh_string_free_char(base64);
}

void gateway_testing_key(char **pem, char **public_key)
{
    ssh_key key = NULL;
    char *text = NULL;

    must(ssh_pki_generate(SSH_KEYTYPE_ED25519, 0, &key) == SSH_OK);
    must(ssh_pki_export_privkey_base64(key, NULL, NULL, NULL, &text) == SSH_OK);
    must((*pem = strdup(text)) && (*public_key = malloc(400)));
    public_text(key, *public_key, 400);
    ssh_string_free_char(text);
    ssh_key_free(key);
}

/* --- login ----------------------------------------------------------------------------------------------------------------
 */

#pragma GCC diagnostic push
#pragma GCC diagnostic ignored "-Wdeprecated-declarations"

static bool right_key(const struct gateway_testing *g, ssh_message m)
{
    char text[400];
    ssh_key key = ssh_message_auth_pubkey(m);

    if (!g->o.public_key || !key || ssh_key_type(key) != SSH_KEYTYPE_ED25519)
        return false;
    public_text(key, text, sizeof text);
    return strcmp(text, g->o.public_key) == 0;
}

static bool interactive(const struct gateway_testing *g, struct peer *p, ssh_message m)
{
    const char *prompt = "Password: ";
    char echo = 0;

    if (!ssh_message_auth_kbdint_is_response(m)) {
        ssh_message_auth_interactive_request(m, "", "", 1, &prompt, &echo);
        return false;
    }
    if (g->o.passphrase && strcmp(ssh_userauth_kbdint_getanswer(p->session, 0), g->o.passphrase) == 0)
        return true;
    ssh_message_reply_default(m);
    return false;
}

/* True once it is logged in. */
static bool auth(const struct gateway_testing *g, struct peer *p, ssh_message m)
{
    bool user = ssh_message_auth_user(m) && strcmp(ssh_message_auth_user(m), g->o.user) == 0, yes = false;
    int by = ssh_message_subtype(m);

    ssh_message_auth_set_methods(m, g->o.interactive  ? SSH_AUTH_METHOD_INTERACTIVE
                                    : g->o.passphrase ? SSH_AUTH_METHOD_PASSWORD | SSH_AUTH_METHOD_PUBLICKEY
                                                      : SSH_AUTH_METHOD_PUBLICKEY);
    if (user && by == SSH_AUTH_METHOD_PUBLICKEY && right_key(g, m)) {
        if (ssh_message_auth_publickey_state(m) == SSH_PUBLICKEY_STATE_NONE) {
            ssh_message_auth_reply_pk_ok_simple(m);
            return false;
        }
        yes = ssh_message_auth_publickey_state(m) == SSH_PUBLICKEY_STATE_VALID;
    } else if (user && by == SSH_AUTH_METHOD_PASSWORD && g->o.passphrase && !g->o.interactive) {
        yes = strcmp(ssh_message_auth_password(m), g->o.passphrase) == 0;
    } else if (by == SSH_AUTH_METHOD_INTERACTIVE && g->o.interactive) { /* an answer names no user */
        if (!interactive(g, p, m))
            return false;
        yes = true;
    }
    if (yes)
        ssh_message_auth_reply_success(m, 0);
    else
        ssh_message_reply_default(m);
    return yes;
}

#pragma GCC diagnostic pop

/* --- verbs ----------------------------------------------------------------------------------------------------------------
 */

static bool answer(struct peer *p, ssh_channel ch, const char *command)
{
    struct buf in = BUF(16 << 20), out = BUF(256 << 20);
    char block[16384];
    size_t done = 0;
    int n, status;

    while ((n = ssh_channel_read(ch, block, sizeof block, 0)) > 0)
        buf_add(&in, str_of(block, (size_t)n));
    status = p->owner->o.verb(p->owner->o.ctx, str_c(command), buf_str(&in), &out);
    while (done < out.n) {
        size_t piece = out.n - done < sizeof block * 2 ? out.n - done : sizeof block * 2;

        if ((n = ssh_channel_write(ch, out.p + done, (uint32_t)piece)) <= 0)
            break;
        done += (size_t)n;
    }
    buf_done(&in);
    buf_done(&out);
    while (status == GATEWAY_HANG && !atomic_load(&p->owner->stop) && ssh_is_connected(p->session))
        usleep(20000);
    if (status < 0)
        return false;
    ssh_channel_request_send_exit_status(ch, status);
    ssh_channel_send_eof(ch);
    ssh_channel_close(ch);
    return true;
}

static ssh_channel on_message(struct peer *p, ssh_message m, ssh_channel ch, bool *in, bool *going)
{
    int type = ssh_message_type(m);

    if (type == SSH_REQUEST_SERVICE) {
        ssh_message_service_reply_success(m);
    } else if (type == SSH_REQUEST_AUTH) {
        *in = auth(p->owner, p, m) || *in;
    } else if (*in && type == SSH_REQUEST_CHANNEL_OPEN && ssh_message_subtype(m) == SSH_CHANNEL_SESSION) {
        ch = ssh_message_channel_request_open_reply_accept(m);
    } else if (*in && ch && type == SSH_REQUEST_CHANNEL && ssh_message_subtype(m) == SSH_CHANNEL_REQUEST_EXEC) {
        char *command = strdup(ssh_message_channel_request_command(m));

        ssh_message_channel_request_reply_success(m);
        *going = answer(p, ch, command);
        free(command);
        ssh_channel_free(ch);
        ch = NULL;
    } else {
        ssh_message_reply_default(m);
    }
    return ch;
}

static void *talk(void *ctx)
{
    struct peer *p = ctx;
    bool in = false, going = ssh_handle_key_exchange(p->session) == SSH_OK;
    ssh_channel ch = NULL;
    ssh_message m;

    while (going && !atomic_load(&p->owner->stop) && (m = ssh_message_get(p->session))) {
        ch = on_message(p, m, ch, &in, &going);
        ssh_message_free(m);
    }
    ssh_disconnect(p->session);
    ssh_free(p->session);
    return NULL;
}

/* --- connections ----------------------------------------------------------------------------------------------------------
 */

static void meet(struct gateway_testing *g, int fd)
{
    ssh_bind bind = ssh_bind_new();
    struct peer *p = calloc(1, sizeof *p);
    pthread_attr_t how;
    bool no = false;

    must(p && bind && atomic_load(&g->n) < CONNECTIONS_MAX);
    p->owner = g;
    p->fd = dup(fd);
    must((p->session = ssh_new()));
    ssh_bind_options_set(bind, SSH_BIND_OPTIONS_PROCESS_CONFIG, &no);
    ssh_bind_options_set(bind, SSH_BIND_OPTIONS_IMPORT_KEY, ssh_key_dup(g->key));
    must(ssh_bind_accept_fd(bind, p->session, fd) == SSH_OK);
    ssh_bind_free(bind);
    must(pthread_attr_init(&how) == 0 && pthread_attr_setstacksize(&how, STACK) == 0);
    pthread_mutex_lock(&g->lock);
    must(pthread_create(&p->thread, &how, talk, p) == 0);
    g->peers[atomic_fetch_add(&g->n, 1)] = p;
    pthread_mutex_unlock(&g->lock);
    pthread_attr_destroy(&how);
}

static void *serve(void *ctx)
{
    struct gateway_testing *g = ctx;

    while (!atomic_load(&g->stop)) {
        struct pollfd p = {.fd = g->fd, .events = POLLIN};
        int fd;

        if (poll(&p, 1, 50) != 1 || (fd = accept4(g->fd, NULL, NULL, SOCK_CLOEXEC)) < 0)
            continue;
        if (g->o.silent)
            atomic_fetch_add(&g->n, 1); /* the descriptor ends with the test */
        else
            meet(g, fd);
    }
    return NULL;
}

struct gateway_testing *gateway_testing_new(const struct gateway_testing_options *o)
{
    struct gateway_testing *g = calloc(1, sizeof *g);
    struct address_ip at;
    struct sockaddr_storage name;
    socklen_t n = sizeof name;

    must(g && pthread_mutex_init(&g->lock, NULL) == 0);
    g->o = *o;
    must(ip_parse(str_lit("127.0.0.1"), &at));
    must((o->unix_path ? listen_unix(o->unix_path, &g->fd, NULL) : listen_tcp(&at, 64, &g->fd, NULL)) == RC_OK);
    if (!o->unix_path) {
        must(getsockname(g->fd, (struct sockaddr *)&name, &n) == 0);
        ip_from_sockaddr((struct sockaddr *)&name, &at);
        g->port = at.port;
    }
    must(ssh_pki_generate(SSH_KEYTYPE_ED25519, 0, &g->key) == SSH_OK);
    public_text(g->key, g->host_key, sizeof g->host_key);
    must(pthread_create(&g->thread, NULL, serve, g) == 0);
    return g;
}

uint16_t gateway_testing_port(const struct gateway_testing *g)
{
    return g->port;
}

const char *gateway_testing_host_key(const struct gateway_testing *g)
{
    return g->host_key;
}

unsigned gateway_testing_connections(const struct gateway_testing *g)
{
    return atomic_load(&g->n);
}

void gateway_testing_cut(struct gateway_testing *g)
{
    pthread_mutex_lock(&g->lock);
    for (unsigned i = 0; !g->o.silent && i < atomic_load(&g->n); i++)
        shutdown(g->peers[i]->fd, SHUT_RDWR);
    pthread_mutex_unlock(&g->lock);
}

void gateway_testing_free(struct gateway_testing *g)
{
    atomic_store(&g->stop, true);
    pthread_join(g->thread, NULL);
    gateway_testing_cut(g);
    for (unsigned i = 0; !g->o.silent && i < atomic_load(&g->n); i++) {
        pthread_join(g->peers[i]->thread, NULL);
        close(g->peers[i]->fd);
        free(g->peers[i]);
    }
    close(g->fd);
    ssh_key_free(g->key);
    pthread_mutex_destroy(&g->lock);
    free(g);
}
