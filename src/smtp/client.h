/*
 * The SMTP client conversation (RFC 5321), behind a handler: deliver sends mail with it; tests feed it scripted peers.
 *
 * One conversation is one connection. It greets, negotiates TLS and AUTH, then asks its handler for messages until there are
 * none, keeps idle, and quits. It knows nothing of routes, queues or spool files.
 *
 * Every recipient gets a result. The final dot (or last BDAT chunk) is only added behind a body whose read() said RC_OK to
 * the end (design-notes C6); otherwise the connection is cut.
 */
#ifndef SMTP_CLIENT_H
#define SMTP_CLIENT_H

#include "mail/envelope.h"
#include "net/conversation.h"
#include "smtp/results.h"

enum smtp_client_tls { SMTP_TLS_NONE, SMTP_TLS_PREFERRED, SMTP_TLS_REQUIRED };

/* What one message is; the memory is the handler's until done() or failed() gives the job back. */
struct smtp_job {
    const struct envelope *envelope;
    const uint32_t *recipients; /* indices into envelope->recipients */
    size_t n_recipients;
    uint64_t body_bytes;
    bool has_dot; /* a line begins with a dot: stuffing needed */
    bool has_8bit, has_8bit_header;
    bool has_bare;   /* bare CR or LF, or NUL: BDAT with BINARYMIME or not at all */
    struct str meta; /* CPQ: the metadata (XMETA) */
};

/* What the connection says of itself in XCPQ HELLO (central.md 7.2). */
struct smtp_client_cpq {
    struct str class_name; /* "pvo" ... */
    struct str serial, role, version;
    struct str feat; /* feat=, empty = none */
    /* Lines without their ends, joined by \n: said behind HELLO one after the other, each answer told by answered(), then
     * QUIT. Empty = this connection carries mail. */
    struct str commands;
};

/* How to talk to this next hop. Strings and the struct live as long as the conversation. */
struct smtp_client_options {
    struct str helo; /* our name */
    struct str host; /* the next hop's name, as results quote it */
    enum smtp_client_tls tls;
    bool pipelining;
    struct str auth_user, auth_password; /* empty user = no AUTH */
    bool auth_plain_text;                /* AUTH without TLS too */
    uint64_t greeting_ms, command_ms, block_ms, dot_ms, idle_ms;
    uint64_t max_messages;   /* of this connection */
    uint64_t max_recipients; /* of one transaction */
    /* Speak CPQ: XCPQ HELLO behind EHLO, XMETA behind the recipients, all recipients in one transaction or none. NULL =
     * SMTP. */
    const struct smtp_client_cpq *cpq;
};

/* Where a connection ended that cannot go on. */
enum smtp_client_stage { SMTP_AT_CONNECT, SMTP_AT_GREETING, SMTP_AT_HELLO, SMTP_AT_TLS, SMTP_AT_AUTH, SMTP_AT_MAIL };

struct smtp_client_failure {
    enum smtp_client_stage stage;
    enum rc rc;           /* RC_CONNECT, RC_TIMEOUT, RC_CLOSED, RC_TLS_FAILED, RC_TLS_REQUIRED, RC_SYNTAX ... */
    uint64_t code;        /* SMTP reply code when a reply ended it, else 0 */
    struct str text;      /* reply lines, or what happened */
    struct smtp_job *job; /* taken by next() but nothing of it reached the peer's judgement: try it elsewhere */
    bool tls_only;        /* TLS was optional and broke: a new connection without it may work */
};

struct smtp_client;

struct smtp_client_handler {
    /* The connection stands; nothing was read yet. */
    void (*connected)(void *ctx, struct smtp_client *cl);
    /* EHLO (and TLS, AUTH) done; before the first next(). */
    void (*ready)(void *ctx, struct smtp_client *cl);
    /* The next message for this connection, NULL = none now (the owner calls smtp_client_wake() when there is). */
    struct smtp_job *(*next)(void *ctx, struct smtp_client *cl);
    /* First octets of a transaction with this job are on their way. */
    void (*begin)(void *ctx, struct smtp_client *cl, struct smtp_job *job);
    /* Exactly n octets of the body from `at`. The call that reaches the end checks the whole: not RC_OK = cut. */
    enum rc (*read)(void *ctx, struct smtp_job *job, uint64_t at, char *out, size_t n);
    /* The peer offers no 8BITMIME: makes the job's content one of 7-bit octets (body_bytes, has_8bit; read() gives the new
     * one). RC_NOT_FOUND: it cannot be had, the recipients bounce; anything else: not now, they stay. */
    enum rc (*downgrade)(void *ctx, struct smtp_job *job);
    /* From here on the peer may take the message: called before the octets that end it leave. */
    void (*dot)(void *ctx, struct smtp_job *job);
    /* All recipients of the job have a result; views valid during the call. */
    void (*done)(void *ctx, struct smtp_client *cl, struct smtp_job *job, const struct delivery_result *r, size_t n);
    /* TLS came about (cl's conversation has the facts) or not (why). */
    void (*tls)(void *ctx, struct smtp_client *cl, bool ok, struct str why);
    void (*auth)(void *ctx, struct smtp_client *cl, bool ok, struct str why);
    /* CPQ with commands: the answer to the next of them, its lines joined by \n without their code. */
    void (*answered)(void *ctx, struct smtp_client *cl, unsigned code, struct str lines);
    /* The connection gives up; closed() follows. */
    void (*failed)(void *ctx, struct smtp_client *cl, const struct smtp_client_failure *f);
    /* The very end: cl is gone after this. */
    void (*closed)(void *ctx, struct smtp_client *cl);
};

/* What c->ctx of the conversation points to. */
struct smtp_client_setup {
    const struct smtp_client_handler *handler;
    const struct smtp_client_options *options;
    void *ctx;
};

/* For conversation_connect(), with a struct smtp_client_setup as context. */
extern const struct conversation_kind smtp_client_kind;

static inline struct conversation *smtp_client_conversation(struct smtp_client *cl)
{
    return (struct conversation *)(void *)cl;
}

/* Is it waiting for work? */
bool smtp_client_idle(const struct smtp_client *cl);
/* There is work: an idle connection asks next() in this turn. */
void smtp_client_wake(struct smtp_client *cl);
/* Finish the message under way, then QUIT. */
void smtp_client_finish(struct smtp_client *cl);
/* Messages it has carried. */
uint64_t smtp_client_messages(const struct smtp_client *cl);

#endif
