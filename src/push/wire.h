/*
 * One connection to a syslog server: UDP, TCP or TLS, never blocking.
 */
#ifndef PUSH_WIRE_H
#define PUSH_WIRE_H

#include "base/err.h"

#include <netinet/in.h>
#include <openssl/ssl.h>
#include <sys/socket.h>

enum wire_protocol { WIRE_UDP, WIRE_TCP, WIRE_TLS };  /* choices of log.protocol */
enum wire_state { WIRE_OK, WIRE_AGAIN, WIRE_BROKEN }; /* AGAIN: when the socket is readable or writable */

struct wire {
    enum wire_protocol protocol;
    int fd; /* -1 = none */
    SSL *ssl;
    uint64_t written; /* octets given to the kernel in this connection */
    bool reset;       /* broken otherwise than by an orderly end: the server may have left octets unread, and long ago */
};

/* Trust of TLS connections: TLS 1.2 at least, no anonymous or NULL suites, authorities from the file, or (empty) the
 * system's. */
enum rc wire_trust_new(struct str ca_file, SSL_CTX **out, struct err *e);

/* Begins a connection; wire_connected() says when it stands. `name` (name or address of the server, NUL terminated) is what
 * its certificate must be for; `trust` is needed for WIRE_TLS alone. */
enum rc wire_open(struct wire *w, enum wire_protocol protocol, const struct sockaddr *to, socklen_t to_n, const char *name,
                  SSL_CTX *trust, struct err *e);
/* Goes on with connecting and the handshake. */
enum wire_state wire_connected(struct wire *w, struct err *e);
/* Whole lines, each with its \n. TCP and TLS take what fits, UDP one line, sent without its \n. `taken_out`: octets used. */
enum wire_state wire_write(struct wire *w, struct str lines, size_t *taken_out, struct err *e);
/* Reads and drops what the server says; finds out that it is gone. */
enum wire_state wire_read(struct wire *w, struct err *e);
/* Octets that the server's kernel has confirmed (UDP: all that was sent). */
uint64_t wire_confirmed(const struct wire *w);
/* The most that the server's kernel may hold unread. */
uint64_t wire_unread_most(const struct wire *w);
void wire_close(struct wire *w);

#endif
