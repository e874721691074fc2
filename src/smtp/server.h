/*
 * The server side of SMTP as a conversation (RFC 5321 and the extensions of EHLO), shared by receive and quarantine.
 *
 * This room speaks the protocol: commands and their order (commands.def), parameters, TLS, AUTH coding, message octets,
 * replies. What is decided is the handler's: each function answers at once (one smtp_reply()/smtp_refuse(), SMTP_DONE) or
 * later: smtp_wait() with what to run when conversation_resume(&s->c) comes.
 *
 * The handler's session struct begins with struct smtp_server; its conversation kind uses the three functions at the end.
 */
#ifndef SMTP_SERVER_H
#define SMTP_SERVER_H

#include "mail/address.h"
#include "net/socket.h"
#include "smtp/body.h"

struct smtp_server;

enum smtp_next { SMTP_DONE, SMTP_WAIT, SMTP_CLOSE };

/* Replies that are no failures. */
enum smtp_reply {
#define REPLY(name, code, enhanced, text) SMTP_##name,
#include "smtp/replies.def"
#undef REPLY
    SMTP_REPLY_COUNT
};

/* What EHLO may offer. PIPELINING, ENHANCEDSTATUSCODES, 8BITMIME, DSN and SIZE are always there. */
enum { SMTP_OFFER_TLS = 1, SMTP_OFFER_AUTH = 2, SMTP_OFFER_UTF8 = 4, SMTP_OFFER_CHUNKING = 8, SMTP_OFFER_XCLIENT = 16 };

enum smtp_proxy { SMTP_PROXY_NONE, SMTP_PROXY_REQUIRED, SMTP_PROXY_OPTIONAL };

/* Who is at the other end: the socket's peer, then what PROXY or XCLIENT said. */
struct smtp_peer {
    struct address_ip ip, local;
    struct str name;     /* given by XCLIENT NAME, lower case; empty = look it up */
    struct str login;    /* XCLIENT LOGIN */
    bool name_given;     /* XCLIENT said NAME: nothing is looked up */
    bool name_temporary; /* [TEMPUNAVAIL] */
    bool told;           /* PROXY or XCLIENT changed it */
};

struct smtp_mail {
    struct path from;
    uint64_t size;    /* SIZE=, 0 = not given */
    uint64_t body;    /* BODY_7BIT, ... of mail/envelope.h */
    uint64_t ret;     /* RET_... */
    struct str envid; /* decoded */
    struct str auth;  /* AUTH= as given (RFC 4954 5), only noted */
    bool utf8;        /* SMTPUTF8 */
};

struct smtp_rcpt {
    struct path to;
    uint64_t notify;  /* NOTIFY_... bits, 0 = not given */
    struct str orcpt; /* decoded, with its type */
};

struct smtp_login {
    struct str mechanism, user, password;
};

enum smtp_end { SMTP_END_QUIT, SMTP_END_CLOSED, SMTP_END_LOST, SMTP_END_TIMEOUT };

/* Any function may be NULL: then the server answers as if it had agreed. Views in the arguments live in s->message (MAIL,
 * RCPT) or until the next command. */
struct smtp_server_handler {
    /* The socket is there, nothing read: fill host_name, offers, limits, proxy; s->peer holds the socket's addresses. */
    void (*begin)(struct smtp_server *s);
    /* The peer is known (again after XCLIENT): smtp_greet(), or a refusal and SMTP_CLOSE. */
    enum smtp_next (*connect)(struct smtp_server *s);
    /* EHLO or HELO; no reply made = the usual one follows. */
    enum smtp_next (*hello)(struct smtp_server *s, struct str name);
    enum smtp_next (*mail)(struct smtp_server *s, const struct smtp_mail *m);
    enum smtp_next (*rcpt)(struct smtp_server *s, const struct smtp_rcpt *r);
    /* DATA or the first BDAT, some recipient was taken. No reply made = go on. */
    enum smtp_next (*data_start)(struct smtp_server *s);
    /* Octets of the message; a failure is told to the peer at the end of the data, no more octets come after it. */
    enum rc (*data)(struct smtp_server *s, struct str octets, struct err *e);
    /* The message is whole: reply when it is safe. s->body says what was found. */
    enum smtp_next (*data_end)(struct smtp_server *s);
    /* The message will not come or was refused at its end (rc, e): forget the transaction. RC_OK = RSET, EHLO, end. */
    void (*reset)(struct smtp_server *s, enum rc rc, const struct err *e);
    /* smtp_reply(SMTP_AUTHENTICATED) or smtp_refuse(). */
    enum smtp_next (*auth)(struct smtp_server *s, const struct smtp_login *l);
    /* The handshake ended (s->c.tls) or failed (s->c.why). */
    void (*tls)(struct smtp_server *s, bool ok);
    enum smtp_next (*verify)(struct smtp_server *s, struct str what);
    /* A command was refused by this room: unknown, wrong order, syntax. For the log. */
    void (*refused)(struct smtp_server *s, const struct err *e, struct str line);
    /* The end of the conversation, exactly once, before its memory goes. */
    void (*end)(struct smtp_server *s, enum smtp_end how);
};

/* What c->ctx of such a conversation must begin with. */
struct smtp_server_ctx {
    const struct smtp_server_handler *handler;
};

typedef enum smtp_next smtp_then_fn(struct smtp_server *s);
typedef struct step smtp_finish_fn(struct smtp_server *s);

/* A protocol that adds commands to SMTP and orders when which may come (CPQ: cpq_server.h). */
struct smtp_extra_command {
    struct str name;
    struct step (*run)(struct smtp_server *s, struct str args);
};
struct smtp_extra {
    const struct smtp_extra_command *commands;
    size_t n_commands;
    const char *const *offers; /* further lines of EHLO, NULL ends */
    /* May this command come now? RC_OK, or what it is answered with. BDAT's octets are taken whatever the answer. */
    enum rc (*permits)(struct smtp_server *s, struct str name);
    void (*forget)(struct smtp_server *s); /* the transaction is over or was never there */
};

struct smtp_server {
    struct conversation c; /* first */
    const struct smtp_server_handler *handler;

    /* set by the handler in begin(), connect() or later */
    struct str host_name;
    unsigned offers;
    enum smtp_proxy proxy;
    uint64_t max_bytes; /* SIZE; 0 = none said */
    uint64_t idle_ms, max_errors;
    enum address_mode addresses;
    bool tls_required, auth_required;
    bool reject_bare; /* bare CR, LF, NUL: 554 at the end instead of cleaning */
    bool strict;      /* and the connection ends there, as it does after one in a command (500); lengths beyond ten times
                         max_bytes end it too */
    bool opaque;      /* BDAT octets are taken as they are, whatever BODY said */
    const struct smtp_extra *extra;

    /* state, the room's own; handlers read it */
    struct smtp_peer peer;
    struct str hello;    /* argument of EHLO/HELO */
    struct str user;     /* authenticated as */
    bool extended;       /* EHLO, not HELO */
    bool in_mail;        /* a sender was taken */
    uint32_t recipients; /* taken in this transaction */
    uint32_t refused_recipients;
    unsigned errors;
    unsigned code; /* of the last reply; 0 = none made for this command */
    enum smtp_end how;
    struct arena message; /* life of one transaction */
    struct smtp_body body;
    struct smtp_mail sender;
    struct arena_mark before_recipient; /* where a refused recipient's memory begins */

    smtp_then_fn *then;
    smtp_finish_fn *finish;
    struct {
        bool on;      /* message octets are coming */
        bool discard; /* a refused BDAT: its octets are dropped */
        bool last;
        uint64_t left;
        enum rc rc; /* first failure of the sink */
    } data;
    struct err data_err;
    struct smtp_login login; /* while AUTH is under way */
};

static inline struct smtp_server *smtp_server_of(struct conversation *c)
{
    return (struct smtp_server *)c;
}

/* One line from replies.def. */
void smtp_reply(struct smtp_server *s, enum smtp_reply which);
/* The same with another text: "250 2.1.0 sender <x> ok". Control characters become '?', newlines further lines. */
void smtp_reply_text(struct smtp_server *s, enum smtp_reply which, const char *fmt, ...)
    __attribute__((format(printf, 3, 4)));
/* A failure as rc.def says, with e's text when it has one. */
void smtp_refuse(struct smtp_server *s, enum rc rc, const struct err *e);
/* Code and text from settings: enhanced may be empty. */
void smtp_refuse_as(struct smtp_server *s, unsigned code, struct str enhanced, struct str text);
/* 220 host ESMTP text. */
void smtp_greet(struct smtp_server *s, struct str text);

static inline enum smtp_next smtp_wait(struct smtp_server *s, smtp_then_fn *then)
{
    s->then = then;
    return SMTP_WAIT;
}

/* For the handler's conversation kind: first, broken and done. */
struct step smtp_server_first(struct conversation *c);
struct step smtp_server_broken(struct conversation *c);
void smtp_server_done(struct conversation *c);

/* Longest command line in octets before and after EHLO, and in an AUTH exchange (RFC 4954 4). */
enum { SMTP_LINE = 998, SMTP_LINE_EXTENDED = 2048, SMTP_LINE_AUTH = 12288, SMTP_MAX_IN = 65536 };

#endif
