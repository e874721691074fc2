/*
 * The server side of CPQ (central.md 7): SMTP with XCPQ and XMETA on top, for whoever holds mail (quarantine) and whoever
 * takes released mail (receive).
 *
 * The owner's session begins with struct cpq_server; its smtp_server_handler is an ordinary one whose begin() calls
 * cpq_server_begin(). This room keeps the order of 7.2, reads the metadata and checks its form; what is stored and answered
 * is the owner's. data_end() finds the metadata in cs->meta and answers with cpq_accepted() or a refusal.
 */
#ifndef SMTP_CPQ_SERVER_H
#define SMTP_CPQ_SERVER_H

#include "mail/cpq_meta.h"
#include "smtp/server.h"

enum { CPQ_PROTO = 1 };

struct cpq_server;

struct cpq_hello {
    uint64_t proto;
    struct str serial, role, version, feat; /* in the conversation's arena */
    enum cpq_class class;
};

/* key=value pairs of an XCPQ command, decoded. */
struct cpq_pairs {
    struct str keys[32], values[32];
    size_t n;
};
struct str cpq_pair(const struct cpq_pairs *p, const char *key); /* empty when absent */

struct cpq_server_handler {
    /* HELLO with everything in place. RC_OK, or what refuses it (RC_NOT_PERMITTED: wrong serial, RC_SUSPENDED ...). */
    enum rc (*hello)(struct cpq_server *cs, const struct cpq_hello *h, struct err *e);
    /* Adds lines with cpq_status_line(); the end is this room's. */
    void (*status)(struct cpq_server *cs);
    /* Is this key held? RC_OK fills text ("id=1 state=held sha256=..."), RC_NOT_FOUND. */
    enum rc (*query)(struct cpq_server *cs, struct str serial, uint64_t mid, struct str release, struct buf *text);
    /* RESCAN, DROP; NULL = 504. */
    enum rc (*rescan)(struct cpq_server *cs, const struct cpq_pairs *p, struct err *e);
    enum rc (*drop)(struct cpq_server *cs, uint64_t mid, struct err *e);
};

/* Set by the owner in begin(). */
struct cpq_server_options {
    const struct cpq_server_handler *handler;
    bool local;                       /* the socket's other end is ours: no TLS, state TLS from the start */
    struct str serial, role, version; /* our own, for the answer to HELLO */
    uint64_t max_meta, max_bytes;
};

struct cpq_server {
    struct smtp_server s; /* first */
    struct cpq_server_options o;
    struct cpq_hello hello; /* class and serial of the peer */
    bool said_hello, has_meta, tried_meta;
    struct {
        uint64_t left;
        bool discard; /* to be refused with rc: only consumed */
        enum rc rc;
    } coming;
    uint64_t recipients_hash; /* of those that were taken */
    struct buf meta_text;
    struct arena meta_arena;
    struct cpq_meta meta; /* valid while has_meta */
};

static inline struct cpq_server *cpq_server_of(struct smtp_server *s)
{
    return (struct cpq_server *)(void *)s;
}

/* Call in the handler's begin(): offers, limits and order of commands. */
void cpq_server_begin(struct cpq_server *cs, const struct cpq_server_options *o);
/* Call in the handler's end(). */
void cpq_server_done(struct cpq_server *cs);
void cpq_status_line(struct cpq_server *cs, const char *key, struct str value);
/* "250 ok:  Message n accepted", with " (duplicate)". */
void cpq_accepted(struct cpq_server *cs, uint64_t id, bool duplicate);
/* Call in the handler's rcpt() for each recipient that is taken. */
void cpq_recipient(struct cpq_server *cs, struct str address);
/* The same over an envelope. */
uint64_t cpq_recipients_hash(const struct envelope *env);
/* Do size, digest and envelope fit the metadata? RC_OK or RC_INVALID with what differs; then cpq_refuse_content(). */
enum rc cpq_check(const struct cpq_server *cs, struct str sha256, struct err *e);
/* 554 5.6.0. */
void cpq_refuse_content(struct cpq_server *cs, const struct err *e);
/* Printable ASCII but '+', '=' and space as they are, else +HH. */
void cpq_encode(struct str in, struct buf *out);

#endif
