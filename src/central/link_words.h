/*
 * What is said on carrier smtp before SSH begins (central.md 8), as two state machines fed with lines. Pure: no sockets.
 *
 *   S: 220 HOST ESMTP ...      C: EHLO HOST     S: 250-HOST / 250 STARTTLS     C: STARTTLS     S: 220 2.0.0 ready for TLS
 *   (handshake) C: EHLO HOST   S: 250-HOST / 250 XLINK 1   C: XLINK proto=1 serial=...   S: 220 2.0.0 link ready
 */
#ifndef CENTRAL_LINK_WORDS_H
#define CENTRAL_LINK_WORDS_H

#include "base/buf.h"
#include "base/err.h"

enum { LINK_LINE_MAX = 2048, LINK_LINES_MAX = 50, LINK_WORD_MAX = 64 };

/* What comes next: a line of the peer, a handshake, SSH, or the end. */
enum link_next { LINK_READ, LINK_HANDSHAKE, LINK_READY, LINK_END };

/* --- the manager's end ----------------------------------------------------------------------------------------------------
 */

struct link_host {
    struct str name; /* of this host */
    bool has_tls;    /* STARTTLS can be offered */
    bool tls;        /* the handshake is done */
    bool announced;  /* to this peer: XLINK 1 */
    bool greeted;    /* EHLO came, since the handshake */
    unsigned lines;
    char serial[LINK_WORD_MAX + 1], token[LINK_WORD_MAX + 1]; /* what XLINK said: one of them */
};
void link_host_greet(const struct link_host *h, struct buf *out);
/* One line without its end. */
enum link_next link_host_line(struct link_host *h, struct str line, struct buf *reply);
/* The handshake is done; `announce`: the peer is enrolled, or a token is open. */
void link_host_tls(struct link_host *h, bool announce);

/* --- the gateway's end
 * ------------------------------------------------------------------------------------------------------ */

struct link_caller {
    struct str name;          /* of this host */
    struct str serial, token; /* one of them */
    enum { CALLER_BANNER, CALLER_HELLO, CALLER_STARTTLS, CALLER_HELLO_TLS, CALLER_XLINK } state;
    bool offered; /* the extension we wait for, in this reply */
    bool more;    /* inside a reply of several lines */
    unsigned lines;
    struct err e; /* why it ended */
};
enum link_next link_caller_line(struct link_caller *c, struct str line, struct buf *out);
/* The handshake is done. */
void link_caller_tls(struct link_caller *c, struct buf *out);

/* "proto=1 serial=..." or "proto=1 enrol=...": unknown keys are passed over. RC_NOT_IMPLEMENTED: no common version. */
enum rc link_xlink_parse(struct str words, char serial[LINK_WORD_MAX + 1], char token[LINK_WORD_MAX + 1], struct err *e);

#endif
