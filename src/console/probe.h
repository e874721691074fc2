/*
 * Tries one outgoing path of this machine: resolve the name, connect, see the banner or make a TLS handshake, say the
 * protocol's hello. For connectivity (spec/cli.md 12.2).
 */
#ifndef CONSOLE_PROBE_H
#define CONSOLE_PROBE_H

#include "console/session.h"

/* What is expected after the connection. */
enum probe_kind {
    PROBE_CONNECT,  /* nothing: the connection is all */
    PROBE_SMTP,     /* 220, EHLO, 250 */
    PROBE_CPQ,      /* the same, and the EHLO reply names XCPQ */
    PROBE_FTP,      /* 220 */
    PROBE_SSH,      /* SSH-2.0 */
    PROBE_POP,      /* +OK */
    PROBE_IMAP,     /* * OK */
    PROBE_HTTP,     /* an answer to HEAD */
    PROBE_TLS,      /* a handshake with a certificate of the name */
    PROBE_LDAP,     /* an answer to an anonymous bind */
    PROBE_DNS,      /* an answer to a question for the root */
    PROBE_NTP,      /* an answer */
    PROBE_DATAGRAM, /* nobody answers: cannot be tried */
};

enum probe_result {
    RESULT_OK,
    RESULT_DNS,
    RESULT_TIMEOUT,
    RESULT_REFUSED,
    RESULT_RESET,
    RESULT_NO_BANNER,
    RESULT_WRONG_BANNER,
    RESULT_TLS,
    RESULT_AUTH,
    RESULT_PEER, /* the other side says no: its words */
    RESULT_OFF,  /* not tried: why */
};

struct probe {
    struct str host;
    uint64_t port;
    enum probe_kind kind;
    struct str ca_file; /* TLS: PEM; empty = authorities of the system */
    struct str channel; /* a socket file of the link, in place of host and port; empty = none */
    /* out; texts in the command's arena */
    enum probe_result result;
    struct str address, text;
    uint64_t ms;
};

/* Fills in what came out; a Ctrl-C leaves. `names_fail`: set when name servers do not answer, and then no name is looked up
 * any more (each would cost the same time). */
void probe_run(struct session *s, struct probe *p, bool *names_fail);
const char *probe_result_word(enum probe_result r);
/* What is usually behind a port: 25 and 587 SMTP, 22 SSH and so on; else PROBE_CONNECT. `base`: of a laboratory. */
enum probe_kind probe_usual(uint64_t port, uint64_t base);

#endif
