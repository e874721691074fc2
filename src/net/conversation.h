/*
 * Conversations: a protocol as a table of steps (design section 7).
 *
 * A conversation is a struct that begins with struct conversation, an arena, and named steps. A step looks at the octets
 * in c->in, acts (adds to c->out), and returns what it waits for. It never blocks and does no I/O. Time-outs, TLS, flushing,
 * closing and counting are the runtime's. A conversation has no idea of sockets: tests and fuzzers drive it with
 * conversation_feed() and read c->out.
 */
#ifndef NET_CONVERSATION_H
#define NET_CONVERSATION_H

#include "base/arena.h"
#include "base/buf.h"
#include "base/err.h"

struct conversation;
struct step;
typedef struct step step_fn(struct conversation *c);

enum step_what {
    STEP_READ,  /* call `next` when octets are in c->in that no step has seen or a step left behind after taking some, and
                   at end of input (c->eof); never again with the same input. A step that reads on at the end of input
                   without having taken anything ends in `broken` (RC_CLOSED) */
    STEP_IDLE,  /* like READ, but conversation_resume() ends it too: a kept connection that waits for work or for the peer */
    STEP_GOTO,  /* call `next` at once */
    STEP_CALL,  /* parked until conversation_resume(), then call `next`; input is kept. When the stream breaks meanwhile
                   `next` is still called with the result and `broken` follows at its next wait; a time-out of the
                   call itself goes to `broken` at once */
    STEP_SLEEP, /* call `next` after ms */
    STEP_FLUSH, /* call `next` when all of c->out has left (back-pressure for large bodies) */
    STEP_TLS,   /* flush, drop c->in (octets before the handshake are the caller's to judge: see `early`), handshake,
                   then `next` with c->tls set, or c->rc != RC_OK and c->why filled when it failed */
    STEP_END    /* `done` runs at once; what is in c->out still leaves, then the connection is closed */
};

struct step {
    enum step_what what;
    step_fn *next;
    uint64_t ms; /* READ, FLUSH, CALL: time-out (0 = kind's default); SLEEP: how long */
};

#define step_read(fn, timeout_ms) ((struct step){STEP_READ, (fn), (timeout_ms)})
#define step_idle(fn, timeout_ms) ((struct step){STEP_IDLE, (fn), (timeout_ms)})
#define step_goto(fn) ((struct step){STEP_GOTO, (fn), 0})
#define step_call(fn, timeout_ms) ((struct step){STEP_CALL, (fn), (timeout_ms)})
#define step_sleep(fn, how_long_ms) ((struct step){STEP_SLEEP, (fn), (how_long_ms)})
#define step_flush(fn, timeout_ms) ((struct step){STEP_FLUSH, (fn), (timeout_ms)})
#define step_tls(fn, timeout_ms) ((struct step){STEP_TLS, (fn), (timeout_ms)})
#define step_end() ((struct step){STEP_END, NULL, 0})

/* What a finished handshake says; strings live in the conversation's arena. */
struct tls_facts {
    struct str version;    /* "TLSv1.3" */
    struct str cipher;     /* "TLS_AES_256_GCM_SHA384" */
    struct str peer_print; /* SHA-256 of the peer's public key in hexadecimal, of a pinned context only */
    struct str peer_name;  /* subject CN of the peer's certificate, empty when none */
    bool verified;         /* chain and name (or DANE) fitted */
    bool dane;
};

struct conversation_kind {
    const char *name;
    step_fn *first; /* READ would be wrong for a server: it speaks first */
    /* Called once when a wait ran out, the peer closed or an error ended the stream: c->rc is RC_TIMEOUT, RC_CLOSED,
     * RC_CONNECT or (more input than max_in, or output than 4 MiB, without a way on) RC_LIMIT, c->why says more. May still
     * add to c->out (421) and returns step_end() normally; a step_call() is allowed, a second break ends it. */
    step_fn *broken;
    /* The end, exactly once: give back what the conversation holds outside its arena. The runtime frees arena and struct. */
    void (*done)(struct conversation *c);
    size_t size;         /* sizeof the outer struct */
    uint64_t timeout_ms; /* default wait */
    uint64_t total_ms;   /* longest life, 0 = none (central.md 16: 15 min) */
    size_t max_in;       /* input the runtime buffers before it stops reading */
};

struct conversation {
    const struct conversation_kind *kind;
    struct arena arena;          /* life of the conversation */
    struct buf in;               /* octets received and not yet taken; take with buf_drop() or conversation_take() */
    size_t taken;                /* octets of `in` already used; the runtime drops them in one move after the step */
    struct buf out;              /* octets to send */
    struct step at;              /* what it waits for now */
    const struct tls_facts *tls; /* NULL in plain text */
    bool eof;                    /* the peer sends no more */
    bool resumed;                /* conversation_resume() came before STEP_CALL was returned */
    bool early;                  /* octets followed STARTTLS in the same packet before the handshake (RFC 3207 4.1) */
    bool ended;
    enum rc rc;
    struct str why;
    uint64_t tls_code;                    /* OpenSSL's number of the error, when a handshake failed */
    void (*wake)(struct conversation *c); /* the runtime's way to run it later; NULL = at once (tests) */
    void *runtime;                        /* the socket side; NULL in tests */
    void *ctx;                            /* the room's own context, given at start */
    /* The step driver's own. */
    uint64_t steps; /* steps run so far */
    size_t held;    /* octets of `out` the runtime took and has not sent yet */
    bool running, fresh, ready, skipping, broke, finished;
    enum rc gone; /* the stream ended while parked in a call: `broken` is due */
    struct str gone_why;
};

/* What is in c->in and not yet taken. */
static inline struct str conversation_input(const struct conversation *c)
{
    return str_of(c->in.p ? c->in.p + c->taken : NULL, c->in.n - c->taken);
}

static inline void conversation_take(struct conversation *c, size_t n)
{
    c->taken += n;
}

/* Next line with its CRLF taken off and without it: RC_OK, RC_UNAVAILABLE (not there yet), or RC_LINE_TOO_LONG when no CRLF
 * came within max octets (the octets up to there are dropped and the rest of that line is skipped: RC_LINE_TOO_LONG is
 * returned once, when its end has come). Only CRLF ends a line; a bare LF stays in it. */
enum rc conversation_line(struct conversation *c, size_t max, struct str *line_out);

void conversation_printf(struct conversation *c, const char *fmt, ...) __attribute__((format(printf, 2, 3)));

/* Runs steps until the conversation waits. Used by the runtime, by tests and fuzzers. */
void conversation_run(struct conversation *c);
/* For the runtime: new octets are in c->in, or c->eof was set; runs steps. */
void conversation_input_came(struct conversation *c);
/* For the runtime: what SLEEP or TLS waited for is over; runs steps. */
void conversation_wait_over(struct conversation *c);
/* For the runtime: the wait ran out (RC_TIMEOUT) or the stream ended. `now` = even while parked in a call. */
void conversation_broke(struct conversation *c, enum rc rc, struct str why, bool now);
/* Ends it: kind->done runs (once). */
void conversation_finish(struct conversation *c);
/* Allocates and fills the struct; NULL on lack of memory. */
struct conversation *conversation_new(const struct conversation_kind *kind, void *ctx);
void conversation_free(struct conversation *c);
/* Something a parked step waited for has come (or, before it parked, has come already). Safe from any callback. */
void conversation_resume(struct conversation *c);

/* --- without sockets: tests, fuzzers; `done` runs when it ends (or is freed), the struct stays until test_free --- */
struct conversation *conversation_test_new(const struct conversation_kind *kind, void *ctx);
void conversation_feed(struct conversation *c, struct str octets); /* adds input and runs */
void conversation_feed_eof(struct conversation *c);
void conversation_expire(struct conversation *c);                                  /* the present wait runs out */
void conversation_test_tls(struct conversation *c, const struct tls_facts *facts); /* ends STEP_TLS; NULL = it failed */
void conversation_test_free(struct conversation *c);

#endif
