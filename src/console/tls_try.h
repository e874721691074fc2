/* One TLS handshake as a client on a socket of a network tool, and what can be said about the peer's certificate. */
#ifndef CONSOLE_TLS_TRY_H
#define CONSOLE_TLS_TRY_H

#include "console/net.h"

struct tls_try {
    /* in */
    struct str server;  /* for SNI */
    struct strs names;  /* any of these makes the certificate right */
    struct str ca_file; /* PEM; empty = those of the system */
    struct str ciphers; /* TLS 1.2 */
    uint64_t oldest;    /* 0 = TLS 1.2, 1 = TLS 1.3 */
    /* out; in the command's arena */
    const char *protocol, *cipher;
    struct str subject, issuer, until, matched;
    bool verified;
    const char *why; /* not verified */
};

/* RC_OK: the handshake went through, whatever the certificate. RC_TLS_FAILED, RC_TIMEOUT, RC_CLOSED. */
enum rc tls_try(struct session *s, struct net_socket *k, struct tls_try *t, uint64_t until_ms, struct err *e);

#endif
