/*
 * A connection of the link before SSH: lines and TLS with time limits, then octets between TLS and a socket pair.
 *
 * Blocks: for threads only. What the loop's thread may do meanwhile is link_stop_now().
 */
#ifndef CENTRAL_LINK_IO_H
#define CENTRAL_LINK_IO_H

#include "base/buf.h"
#include "base/err.h"
#include "central/link_words.h"
#include "conf/conf.h"
#include "net/socket.h"

#include <openssl/ssl.h>
#include <pthread.h>

/* --- giving up from another thread ----------------------------------------------------------------------------------------
 */

enum { LINK_STOP_FDS = 3 };
struct link_stop {
    pthread_mutex_t lock;
    bool now;
    int fd[LINK_STOP_FDS]; /* shut down by link_stop_now(); -1 = none */
};
void link_stop_init(struct link_stop *s);
void link_stop_done(struct link_stop *s);
void link_stop_now(struct link_stop *s);
bool link_stopped(struct link_stop *s);
/* False: it is over already (the descriptor is shut down then). */
bool link_stop_watch(struct link_stop *s, int fd);
void link_stop_forget(struct link_stop *s, int fd);

/* --- TLS
 * --------------------------------------------------------------------------------------------------------------------- */

/* Whom a handshake takes, and whom it found. */
struct link_pins {
    const struct conf *conf;       /* cpq_peer */
    struct str serial;             /* that appliance only; empty = any with `role` */
    uint64_t role;                 /* as in cpq_peer.role */
    bool anyone;                   /* a token is open: strangers too, certificate or none */
    char found[LINK_WORD_MAX + 1]; /* serial of the row; empty = a stranger */
    char print[TLS_PRINT + 1];     /* SHA-256 of the public key that was shown */
};

struct link_io {
    int fd; /* not blocking */
    SSL *ssl;
    struct link_stop *stop;
    uint64_t until_ms; /* clock_mono_ms() */
    char in[LINK_LINE_MAX + 2];
    size_t n_in; /* octets read and not yet used */
};

/* A line without its end; a view until the next call. */
enum rc link_io_line(struct link_io *io, struct str *out, struct err *e);
enum rc link_io_say(struct link_io *io, struct str text, struct err *e);
/* Our own certificate is section cpq_identity. `alpn`: "postern-link/1" is demanded (carrier tls). */
enum rc link_io_tls(struct link_io *io, bool server, bool alpn, struct link_pins *pins, struct err *e);
/* For link_tls.c: io->ssl is set. */
enum rc link_io_handshake(struct link_io *io, struct err *e);
/* Carries octets between the connection and `inner` until one side ends; closes neither. */
void link_io_pump(struct link_io *io, int inner);
void link_io_done(struct link_io *io); /* TLS and socket */

/* A pair of sockets that do not block and have small buffers: one end is SSH's. */
enum rc link_pair(int out[2], struct err *e);
/* Nothing waits long in the kernel where it cannot be overtaken. */
void link_tune(int fd);

#endif
