/*
 * SSH on a link, the gateway's side: login as `link`, then channels in turn until the connection ends. See link_near.h.
 *
 * Called in the thread of link_near.c. Owns the session and its channels. libssh reads no configuration and no files of a
 * user; the socket is ours. The server must show the pinned host key before anything is said to it. Only the fixed channels
 * are opened or taken. Each turn moves one piece of each channel, beginning with another one, so bulk never holds up the
 * rest.
 */
#include "central/link_bridge.h"
#include "central/link_near.h"

#include "base/clock.h"
#include "base/must.h"

#include <libssh/callbacks.h>
#include <libssh/server.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/eventfd.h>
#include <sys/socket.h>
#include <unistd.h>

struct near {
    struct link_job *job;
    ssh_session session;
    ssh_event event;
    int tcp; /* of the carrier: for its round trip */
    struct ssh_counter_struct counter;
    uint64_t heard, heard_ms, asked_ms;
    struct link_bridge *bridge[LINK_BRIDGES];
    size_t n, turn;
    uint64_t octets; /* of channels that are gone */
    const char *why;
};

/* --- who the server is
 * -------------------------------------------------------------------------------------------------------- */

static bool same_print(ssh_key key, struct str wanted)
{
    unsigned char *hash = NULL;
    size_t n = 0;
    char *print = NULL;
    bool same = false;

    if (ssh_get_publickey_hash(key, SSH_PUBLICKEY_HASH_SHA256, &hash, &n) == SSH_OK &&
        (print = ssh_get_fingerprint_hash(SSH_PUBLICKEY_HASH_SHA256, hash, n)))
        same = str_eq(wanted, str_c(print));
    ssh_string_free_char(print);
    ssh_clean_pubkey_hash(&hash);
    return same;
}

static bool same_key(ssh_key key, struct str wanted)
{
    struct str rest = wanted, type = STR_NONE, blob = STR_NONE;
    char *base64 = NULL;
    bool same;

    if (str_starts(wanted, str_lit("SHA256:")))
        return same_print(key, wanted);
    if (!str_word(&rest, &type) || !str_word(&rest, &blob) || ssh_pki_export_pubkey_base64(key, &base64) != SSH_OK)
        return false;
    same = str_eq(blob, str_c(base64));
    ssh_string_free_char(base64);
    return same;
}

static enum rc check_server(struct near *n, struct err *e)
{
    ssh_key key = NULL;
    unsigned char *hash = NULL;
    size_t size = 0;
    char *print = NULL;

    if (ssh_get_server_publickey(n->session, &key) != SSH_OK)
        return err_set(e, RC_CONNECT, "the server shows no host key");
    if (same_key(key, n->job->host_key)) {
        ssh_key_free(key);
        return RC_OK;
    }
    if (ssh_get_publickey_hash(key, SSH_PUBLICKEY_HASH_SHA256, &hash, &size) == SSH_OK)
        print = ssh_get_fingerprint_hash(SSH_PUBLICKEY_HASH_SHA256, hash, size);
    err_set(e, RC_NOT_PERMITTED, "the host key %s is not the one known", print ? print : "");
    ssh_string_free_char(print);
    ssh_clean_pubkey_hash(&hash);
    ssh_key_free(key);
    return RC_NOT_PERMITTED;
}

/* --- login
 * ------------------------------------------------------------------------------------------------------------------------
 */

static enum rc log_in(struct near *n, struct err *e)
{
    const struct link_job *j = n->job;
    struct str pem = j->token_key.n ? j->token_key : j->conf->ssh_identity.key;
    char *text = strndup(pem.p ? pem.p : "", pem.n);
    ssh_key key = NULL;
    int result = text ? ssh_pki_import_privkey_base64(text, NULL, NULL, NULL, &key) : SSH_ERROR;

    if (text)
        explicit_bzero(text, pem.n);
    free(text);
    if (result != SSH_OK)
        return err_set(e, RC_INVALID, "no SSH key of our own (ssh_identity.key)");
    result = ssh_userauth_publickey(n->session, NULL, key);
    ssh_key_free(key);
    if (result == SSH_AUTH_SUCCESS)
        return RC_OK;
    return err_set(e, result == SSH_AUTH_ERROR ? RC_CONNECT : RC_NOT_PERMITTED, "%s",
                   result == SSH_AUTH_ERROR ? ssh_get_error(n->session)
                                            : "the manager does not accept our key for the link");
}

/* The type of the pinned key first: a server has several. */
static void host_key_types(struct str pinned, char out[200])
{
    struct str type = STR_NONE;

    if (str_starts(pinned, str_lit("SHA256:")) || !str_word(&pinned, &type))
        type = str_lit("ssh-ed25519");
    if (str_eq(type, str_lit("ssh-rsa")))
        type = str_lit("rsa-sha2-512,rsa-sha2-256");
    snprintf(out, 200, "%.*s", STR(str_first(type, 199)));
}

static enum rc begin(struct near *n, int fd, struct err *e)
{
    long seconds = (long)(n->job->step_ms / 1000 ? n->job->step_ms / 1000 : 1);
    int no = 0;
    char types[200];
    ssh_session s = n->session;

    host_key_types(n->job->host_key, types);
    if (ssh_options_set(s, SSH_OPTIONS_PROCESS_CONFIG, &no) != SSH_OK ||
        ssh_options_set(s, SSH_OPTIONS_HOST, "manager") != SSH_OK ||
        ssh_options_set(s, SSH_OPTIONS_USER, n->job->token.n ? "enrol" : "link") != SSH_OK ||
        ssh_options_set(s, SSH_OPTIONS_SSH_DIR, "/nonexistent") != SSH_OK ||
        ssh_options_set(s, SSH_OPTIONS_KNOWNHOSTS, "/dev/null") != SSH_OK ||
        ssh_options_set(s, SSH_OPTIONS_GLOBAL_KNOWNHOSTS, "/dev/null") != SSH_OK ||
        ssh_options_set(s, SSH_OPTIONS_HOSTKEYS, types) != SSH_OK ||
        ssh_options_set(s, SSH_OPTIONS_TIMEOUT, &seconds) != SSH_OK || ssh_options_set(s, SSH_OPTIONS_FD, &fd) != SSH_OK) {
        close(fd);
        return err_set(e, RC_INTERNAL, "settings of SSH: %s", ssh_get_error(s));
    }
    if (ssh_connect(s) != SSH_OK)
        return err_set(e, RC_CONNECT, "SSH: %s", ssh_get_error(s));
    TRY(check_server(n, e));
    return log_in(n, e);
}

/* --- channels
 * ------------------------------------------------------------------------------------------------------------------------
 */

static void wake(struct link_job *j)
{
    j->wake(j->wake_ctx);
}

/* In a callback of libssh: the manager opens a channel. 1 = refused by libssh. */
static int on_message(ssh_session session, ssh_message m, void *ctx)
{
    struct near *n = ctx;
    struct link_job *j = n->job;
    enum link_channel name = LINK_CHANNELS;
    struct err e = ERR_NONE;
    ssh_channel ssh;
    int pair[2];
    bool room;

    (void)session;
    if (ssh_message_type(m) != SSH_REQUEST_CHANNEL_OPEN || ssh_message_subtype(m) != SSH_CHANNEL_FORWARDED_TCPIP)
        return 1;
    name = link_channel_find(str_c(ssh_message_channel_request_open_destination(m)),
                             (uint64_t)ssh_message_channel_request_open_destination_port(m));
    if (name >= LINK_CHANNELS || link_name(name)->by_gateway || !(atomic_load(&j->taken) & 1u << name) ||
        n->n == LINK_BRIDGES || link_pair(pair, &e) != RC_OK) {
        pthread_mutex_lock(&j->lock);
        j->refused |= 1u << name;
        pthread_mutex_unlock(&j->lock);
        wake(j);
        return 1;
    }
    pthread_mutex_lock(&j->lock);
    room = j->from_thread.n < LINK_PARCELS;
    ssh = room ? ssh_message_channel_request_open_reply_accept(m) : NULL;
    if (ssh)
        j->from_thread.item[j->from_thread.n++] = (struct link_parcel){pair[1], name};
    pthread_mutex_unlock(&j->lock);
    if (!ssh) {
        close(pair[0]);
        close(pair[1]);
        return 1;
    }
    n->bridge[n->n++] = link_bridge_new(ssh, pair[0], name, false, false);
    wake(j);
    return 0;
}

static void take_parcels(struct near *n)
{
    struct link_job *j = n->job;
    struct link_box box;
    eventfd_t count;

    if (eventfd_read(j->event_fd, &count) != 0) {
        /* nobody has poked */
    }
    pthread_mutex_lock(&j->lock);
    box = j->to_thread;
    j->to_thread.n = 0;
    pthread_mutex_unlock(&j->lock);
    for (size_t i = 0; i < box.n; i++) {
        ssh_channel ssh = n->n < LINK_BRIDGES ? ssh_channel_new(n->session) : NULL;

        if (ssh)
            n->bridge[n->n++] = link_bridge_new(ssh, box.item[i].fd, box.item[i].channel, true, false);
        else
            close(box.item[i].fd);
    }
}

static bool blocked(const struct near *n)
{
    return ssh_get_poll_flags(n->session) & SSH_WRITE_PENDING;
}

static void sweep(struct near *n)
{
    size_t kept = 0;

    for (size_t i = 0; i < n->n; i++) {
        struct link_bridge *b = n->bridge[i];
        const char *why;

        if (link_bridge_over(b, &why)) {
            n->octets += link_bridge_octets(b);
            link_bridge_free(b);
        } else {
            n->bridge[kept++] = b;
        }
    }
    n->n = kept;
}

/* True: somebody has more to move. */
static bool move_all(struct near *n)
{
    bool eager = false;
    size_t first = n->turn++;

    for (size_t i = 0; i < n->n; i++) {
        struct link_bridge *b = n->bridge[(first + i) % n->n];

        link_bridge_move(b, blocked(n));
        eager |= link_bridge_eager(b);
    }
    sweep(n);
    return eager;
}

/* --- turns
 * ----------------------------------------------------------------------------------------------------------------------------
 */

static void tell(struct near *n)
{
    struct link_job *j = n->job;
    struct tcp_info info = {0};
    socklen_t size = sizeof info;
    uint64_t octets = n->octets;

    for (size_t i = 0; i < n->n; i++)
        octets += link_bridge_octets(n->bridge[i]);
    if (getsockopt(n->tcp, IPPROTO_TCP, TCP_INFO, &info, &size) != 0)
        info.tcpi_rtt = 0;
    pthread_mutex_lock(&j->lock);
    j->rtt_us = info.tcpi_rtt;
    j->channels = n->n;
    j->octets = octets;
    pthread_mutex_unlock(&j->lock);
}

/* False: nothing was heard for too long. */
static bool alive(struct near *n)
{
    uint64_t now = clock_mono_ms();

    if (n->counter.in_bytes != n->heard) {
        n->heard = n->counter.in_bytes;
        n->heard_ms = now;
    }
    if (now - n->heard_ms >= n->job->dead_ms)
        return false;
    if (now - n->asked_ms >= n->job->alive_ms) {
        n->asked_ms = now;
        ssh_send_keepalive(n->session);
    }
    return true;
}

static void wait_turn(struct near *n)
{
    struct pollfd fds[2 + LINK_BRIDGES] = {{.fd = ssh_get_fd(n->session)}, {.fd = n->job->event_fd, .events = POLLIN}};
    bool full = blocked(n);
    uint64_t now = clock_mono_ms(), next = n->asked_ms + n->job->alive_ms, limit = next > now ? next - now : 0;

    fds[0].events = full ? POLLOUT | POLLIN : POLLIN;
    for (size_t i = 0; i < n->n; i++)
        fds[2 + i] = (struct pollfd){.fd = link_bridge_fd(n->bridge[i]), .events = link_bridge_events(n->bridge[i], full)};
    for (size_t i = 0; i < n->n; i++)
        if (!fds[2 + i].events)
            fds[2 + i].fd = -1; /* a hang-up would wake us for ever */
    poll(fds, 2 + n->n, (int)(limit < 1000 ? limit : 1000));
}

static void turns(struct near *n)
{
    ssh_session s = n->session;

    while (!link_stopped(&n->job->stop)) {
        bool eager;

        if (ssh_event_dopoll(n->event, 0) == SSH_ERROR || !ssh_is_connected(s) ||
            (ssh_get_status(s) & (SSH_CLOSED | SSH_CLOSED_ERROR))) {
            n->why = "the connection was closed";
            return;
        }
        take_parcels(n);
        eager = move_all(n);
        tell(n);
        if (!alive(n)) {
            n->why = "nothing was heard for too long";
            return;
        }
        if (!eager)
            wait_turn(n);
    }
    n->why = "stopped";
}

static void set_up(struct near *n, size_t port)
{
    struct link_job *j = n->job;

    n->heard_ms = n->asked_ms = clock_mono_ms();
    pthread_mutex_lock(&j->lock);
    j->up = true;
    j->good = port;
    j->since_ms = clock_wall_ms();
    pthread_mutex_unlock(&j->lock);
    wake(j);
}

static void end(struct near *n)
{
    for (size_t i = 0; i < n->n; i++)
        link_bridge_free(n->bridge[i]);
    if (n->event) {
        ssh_event_remove_session(n->event, n->session);
        ssh_event_free(n->event);
    }
    if (n->session) {
        ssh_disconnect(n->session);
        ssh_free(n->session);
    }
}

enum rc link_serve(struct link_job *j, int fd, int tcp, size_t port, struct err *e)
{
    struct near *n = calloc(1, sizeof *n);
    enum rc rc;

    must(n);
    *n = (struct near){.job = j, .tcp = tcp, .session = ssh_new()};
    must(n->session);
    ssh_set_counters(n->session, &n->counter, NULL);
    ssh_set_message_callback(n->session, on_message, n);
    rc = begin(n, fd, e);
    if (rc == RC_OK && j->token.n) {
        pthread_mutex_lock(&j->lock);
        j->good = port;
        pthread_mutex_unlock(&j->lock);
        rc = link_enrol_talk(n->session, j, e);
    } else if (rc == RC_OK) {
        ssh_set_blocking(n->session, 0);
        n->event = ssh_event_new();
        must(n->event && ssh_event_add_session(n->event, n->session) == SSH_OK);
        set_up(n, port);
        turns(n);
        err_set(e, RC_CLOSED, "%s", n->why);
    }
    end(n);
    free(n);
    return rc;
}
