/*
 * An SSH connection to another appliance, with the verbs of central.md 4 run over it one at a time.
 *
 * Blocks: for threads only (line.h has one for each gateway). Everything else of the room stays on the loop; what both touch
 * is struct ssh_abort. libssh reads no configuration, no files of a user and starts no program; the socket is ours.
 */
#ifndef CENTRAL_SSH_LINE_H
#define CENTRAL_SSH_LINE_H

#include "base/buf.h"
#include "base/err.h"

#include <pthread.h>

struct ssh_line;

/* How another thread ends what is under way: the socket is shut down, whatever waits for it returns. */
struct ssh_abort {
    pthread_mutex_t lock;
    int fd; /* -1 = none now */
    bool set;
};
void ssh_abort_init(struct ssh_abort *a);
void ssh_abort_now(struct ssh_abort *a);   /* for good */
void ssh_abort_clear(struct ssh_abort *a); /* the next connection may live */

enum { SSH_LINE_CONNECT_MS = 20000, SSH_LINE_STEP_MS = 60000, SSH_LINE_REPLY_MAX = 4 << 20 };

struct ssh_dial {
    const char *address; /* an IP address, or "unix:PATH" (the socket of a link) */
    uint16_t port;
    const char *user;
    const char *key;        /* private key, PEM; NULL or empty = passphrase */
    const char *passphrase; /* password, or the answer to keyboard-interactive */
    const char
        *host_key; /* "TYPE BASE64 [COMMENT]": no other server is talked to. Empty: only the server's key is asked for */
    uint64_t connect_ms, step_ms; /* 0 = the numbers above; step: without any octet */
    struct ssh_abort *abort;      /* NULL = nobody will */
};

/*
 * Connects, checks the host key, logs in. With an empty host_key it stops after the key exchange: RC_OK, host_key_out is
 * "TYPE BASE64" and *out is NULL (no proof is shown to a server that nobody knows). Otherwise the server's key comes in
 * host_key_out also when it was refused. RC_CONNECT, RC_TIMEOUT: not reached, RC_NOT_PERMITTED: another host key, or the
 * login was refused; e says which. host_key_out may be NULL.
 */
enum rc ssh_line_open(const struct ssh_dial *dial, struct ssh_line **out, struct buf *host_key_out, struct err *e);
/* "SHA256:..." of "TYPE BASE64", as OpenSSH prints it; empty when it is no key. */
void ssh_line_fingerprint(struct str host_key, char out[64]);

/*
 * Runs one verb: `command` as exec request, `input` on its stdin, then the line "OK {json}" or "ERR code text". RC_OK:
 * `reply` is the JSON (may be empty); the octets behind that line are written to body_fd, or, with body_fd -1, follow in
 * `reply` behind a newline. An ERR becomes an rc (400 INVALID, 403 NOT_PERMITTED, 404 and 410 NOT_FOUND, 409 EXISTS, 429
 * LIMIT, 503 UNAVAILABLE, 505 NOT_IMPLEMENTED, else INTERNAL), e = "code text", and ssh_line_code() gives the number. When
 * the connection failed instead, ssh_line_code() is 0 and the line is good for nothing but ssh_line_close().
 */
enum rc ssh_line_verb(struct ssh_line *l, struct str command, struct str input, struct buf *reply, int body_fd,
                      struct err *e);
unsigned ssh_line_code(const struct ssh_line *l);
/* The next verb may be silent for so much longer. */
void ssh_line_wait(struct ssh_line *l, uint64_t ms);
uint64_t ssh_line_bytes(const struct ssh_line *l); /* octets of replies so far */
/* Whether the peer has ended it, seen without waiting. */
bool ssh_line_gone(struct ssh_line *l);
void ssh_line_close(struct ssh_line *l); /* NULL is fine */

#endif
