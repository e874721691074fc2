/* What the files of the SSH server share. Nothing outside src/shell/ssh_*.c includes this. */
#ifndef SHELL_SSH_INSIDE_H
#define SHELL_SSH_INSIDE_H

#include "policy/access.h"
#include "shell/ssh_server.h"

#include <libssh/callbacks.h>
#include <libssh/server.h>
#include <pthread.h>
#include <sys/ioctl.h>

enum {
    SSH_UNPROVED_MAX = 100,        /* connections that have not logged in, all addresses together */
    SSH_THREADS_MAX = 120,         /* with those that were told to leave and have not */
    SSH_UNPROVED_ADDRESS_MAX = 10, /* the same from one address */
    SSH_FTP_ADDRESS_MAX = 20,      /* FTP connections from one address: they log in elsewhere */
    SSH_TRIES_MAX = 6,             /* passphrases, and separately ... */
    SSH_KEYS_MAX = 20,             /* ... keys offered on one connection */
    SSH_USER_MAX = 255,
    SSH_PASSWORD_MAX = 1024,
    SSH_CHANNELS_MAX = 10,   /* channels of one connection */
    SSH_COMMAND_MAX = 65536, /* octets of a command */
    SSH_OPEN_MS = 10000,     /* control makes the session's connection within */
    SSH_LOGIN_MS = 60000,    /* control judges a passphrase within */
    SSH_HANGUP_MS = 2000,    /* from SIGHUP to SIGKILL */
    SSH_CHUNK = 32768,       /* octets of a child moved at a time */
    SSH_INPUT_MAX = 4 << 20  /* more than a window of libssh (1.25 MiB) */
};

/* --- ssh_watch.c: a descriptor on the loop ------------------------------------------------------------------------------
 */

struct watch;
/* Owns fd. fn(ctx, broken) runs when it may be read or written as asked, or is broken. Watches for nothing at first. */
struct watch *watch_new(struct loop *l, int fd, void (*fn)(void *ctx), void *ctx);
int watch_fd(const struct watch *w);
void watch_for(struct watch *w, bool readable, bool writable);
void watch_free(struct watch *w); /* closes; NULL is fine */

/* --- ssh_bind.c: host keys and algorithms -------------------------------------------------------------------------------
 */

struct host_keys {
    ssh_key key[3]; /* ed25519, ecdsa, rsa */
};
enum rc host_keys_open(const char *home, struct host_keys *out, struct err *e);
void host_keys_close(struct host_keys *k);
/* From settings section ssh; a list that the library refuses is named in e and its own default is used instead. */
ssh_bind ssh_bind_build(const struct conf_ssh *c, const struct host_keys *keys, struct err *e);

/* --- ssh_child.c: the session's process -------------------------------------------------------------------------------- */

struct child;
struct child_order {
    const char *what;    /* cli, exec, sftp, scp, ftp, mgmt */
    const char *command; /* NULL = none */
    const char *user, *peer;
    uint64_t role;
    bool must_change;
    const char *term, *lang; /* empty = none */
    int control_fd;          /* becomes descriptor 3 */
    int stdio_fd;            /* ftp: becomes 0 and 1; else -1 */
    bool pty;
    struct winsize size;
};
/* fd: the pty's master, or our end of the child's 0 and 1 (-1 for ftp); err_fd: what it writes to 2 (-1 with a pty). */
struct child_ends {
    int fd, err_fd;
};
/* ended(ctx, status as of waitpid) runs once, on the loop. Descriptors of the order stay the caller's. */
enum rc child_start(struct ssh_server *s, const struct child_order *order, void (*ended)(void *ctx, int status), void *ctx,
                    struct child **child_out, struct child_ends *ends_out, struct err *e);
void child_signal(const struct child *c, int number);
/* SIGHUP now, SIGKILL when it stays; nobody is told of its end any more. */
void child_hang_up(struct child *c);
void children_reap(struct ssh_server *s);

/* --- ssh_open.c: control connections for sessions ------------------------------------------------------------------------
 */

struct opening;
/* fd < 0: refused, and why. fd belongs to the function called. Runs later, never inside the call. */
typedef void opening_fn(void *ctx, int fd, struct str why);
struct opening *opening_new(struct ssh_server *s, const struct bus_session_open *m, opening_fn *fn, void *ctx);
void opening_cancel(struct opening *o); /* NULL is fine */
void openings_begin(struct ssh_server *s);

/* --- ssh_server.c
 * ----------------------------------------------------------------------------------------------------------- */

struct door; /* a listening socket */

struct ssh_server {
    struct ssh_server_options o;
    const struct conf *conf; /* counted */
    struct access *access;
    struct host_keys keys;
    ssh_bind bind;
    struct door *doors;
    struct connection *connections; /* newest first */
    struct ftp_login *ftp;
    struct child *children;
    struct opening *openings;
    uint64_t last_opening, last_link;
    size_t n_connections, n_unproved, n_ftp;
    uint64_t refused_since_ms; /* lines about refused connections in this second */
    unsigned refused_lines;
    uv_signal_t chld;
    uv_async_t logins; /* a login asks something or is over */
    bool stopping;
    void (*stopped)(void *ctx);
    void *stopped_ctx;
};

/* A connection, an FTP login or a child is gone: perhaps the last one. */
void ssh_server_less(struct ssh_server *s);
/* The line about a connection that was not let in; a flood of them is cut to a few a second. */
void ssh_server_refused(struct ssh_server *s, const char *service, const struct address_ip *peer, const char *why);

/* --- ssh_connection.c
 * ------------------------------------------------------------------------------------------------------- */

/* A login under way: a thread of its own has the libssh session until it is over. What both sides touch is under `lock`. */
struct login {
    pthread_t thread;
    pthread_mutex_t lock;
    pthread_cond_t changed;
    bool running;   /* main thread only */
    bool cancelled; /* the connection is to end: leave */
    bool finished;  /* the thread touches nothing any more */
    enum { LOGIN_QUIET, LOGIN_ASKED, LOGIN_SENT, LOGIN_ANSWERED } state;
    char user[SSH_USER_MAX + 1], password[SSH_PASSWORD_MAX + 1];
    bool ok;
    uint64_t role, must_change;
    uint64_t call; /* main thread only */
};

/* What a carrier of the link has found out before SSH (central.md 8); id 0 = the connection came by a door of ours. */
struct carried {
    uint64_t id;
    char serial[65], token[65]; /* whose certificate was shown; the token that it says it has */
    char carrier[8];
    uint16_t port;
    bool mgmt; /* not a link but a connection that came through one: account `manager` alone */
};

struct connection {
    struct ssh_server *server;
    const struct conf *conf; /* counted; the one it began with */
    struct connection *next, **link;
    struct address_ip peer;
    char peer_text[46];
    ssh_session session;
    ssh_event event;
    struct watch *watch;     /* a duplicate of the session's socket: libssh closes its own when it likes */
    struct loop_timer limit; /* login grace; later: no channel for too long */
    struct ssh_server_callbacks_struct callbacks;
    bool proved, dead, turning;
    bool counted; /* among the sessions, no longer among the logins */
    struct login login;
    /* who it is (ssh_auth.c) */
    char user[SSH_USER_MAX + 1], trying[SSH_USER_MAX + 1]; /* proved; being prompted */
    uint64_t role;
    bool must_change, no_pty, banner_sent, prompted;
    bool manager; /* the management account: `user` is an item of `manager`, exec requests alone */
    const char *method;
    unsigned tries, keys_tried;
    /* channels (ssh_channel.c) */
    struct channel *channels;
    unsigned n_channels;
    /* the link (ssh_link.c) */
    struct carried carried;
    struct ssh_counter_struct counter; /* octets of the socket */
    bool is_link;                      /* logged in as `link` or `enrol`: no session, the fixed channels alone */
    bool link_tried;                   /* somebody wanted to */
    struct link_line *link_line;
};

/* `carried` NULL: by a door. */
void connection_new(struct ssh_server *s, int fd, const struct address_ip *peer, const struct carried *carried);
/* Reads, acts, writes as far as nobody has to be waited for. Not during the login, not from inside a callback of libssh. */
void connection_turn(struct connection *c);
/* Whether it has failed or was closed. */
bool connection_over(const struct connection *c);
/* Ends it now, or as soon as its login thread lets go: children are hung up. Not from inside a callback of libssh. */
void connection_end(struct connection *c);
/* The login is over, one way or the other. */
void connection_login_over(struct connection *c);
/* It has no channel, or has one again. */
void connection_idle(struct connection *c, bool idle);
/* Whether output waits for the peer to read. */
bool connection_blocked(const struct connection *c);

/* --- ssh_login.c
 * ------------------------------------------------------------------------------------------------------------- */

void logins_begin(struct ssh_server *s);
bool login_start(struct connection *c);
void login_cancel(struct connection *c);
/* In the login's thread: whether control takes this passphrase; waits for the answer. */
bool login_ask(struct connection *c, const char *user, const char *password);

/* --- ssh_auth.c: in the login's thread
 * --------------------------------------------------------------------------------------- */

void auth_begin(struct connection *c);
struct ssh_key_line;
/* Is `text` the line of that key (as in authorized_keys), and may it be used from where the peer is? */
bool auth_key_fits(const struct connection *c, struct str text, ssh_key offered, struct ssh_key_line *line);

/* --- ssh_channel.c --------------------------------------------------------------------------------------------------------
 */

ssh_channel channel_open(ssh_session session, void *connection);
void channels_pump(struct connection *c);
void channels_end(struct connection *c);

/* --- ssh_link.c: links of gateways, on a manager
 * ---------------------------------------------------------------------------- */

void links_begin(struct ssh_server *s);
/* In the login's thread: whether this key opens a link, or is that of an open token. Sets c->carried. */
bool link_key_taken(struct connection *c, const char *user, ssh_key offered);
bool link_is_account(const char *user);
/* Whether this carried connection may be that user at all. */
bool link_user_fits(const struct connection *c, const char *user);
/* The login is over and worked. False: it is not wanted any more. */
bool link_begin(struct connection *c);
/* In a callback of libssh: the gateway opens a channel; 1 = refused by libssh. */
int link_asked(struct connection *c, ssh_message m);
void link_pump(struct connection *c);
void link_end(struct connection *c);
/* The login failed: its line in the log. */
void link_not_proved(struct connection *c);
/* New settings: who may no longer is sent away. */
void links_check(struct ssh_server *s);

/* --- ssh_ftp.c
 * -------------------------------------------------------------------------------------------------------------- */

void ftp_accept(struct ssh_server *s, int fd, const struct address_ip *peer);
void ftp_stop(struct ssh_server *s);
size_t ftp_count(const struct ssh_server *s, const struct address_ip *peer);

#endif
