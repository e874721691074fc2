/* What the files of the SMTP client share. Not for other rooms. */
#ifndef SMTP_CLIENT_INSIDE_H
#define SMTP_CLIENT_INSIDE_H

#include "smtp/client.h"

enum {
    CLIENT_LINE_MAX = 2048,      /* of a reply; RFC 5321 4.5.3.1.5 says 512 */
    CLIENT_REPLY_MAX = 8192,     /* text kept of one reply */
    CLIENT_REPLY_LINES = 500,    /* more is no reply */
    CLIENT_STATUS_MAX = 1 << 20, /* the same of a manager's STATUS, which has lines for each of its quarantines */
    CLIENT_STATUS_LINES = 10000,
    CLIENT_TEXTS_MAX = 1 << 20, /* reply texts of one job */
    CLIENT_CHUNK = 64 * 1024    /* body octets a turn */
};

/* Extensions offered (RFC 1870, 6152, 2920, 3207, 3030, 6531, 3461, 2034, 4954). */
enum {
    CAP_SIZE = 1,
    CAP_8BITMIME = 2,
    CAP_PIPELINING = 4,
    CAP_STARTTLS = 8,
    CAP_CHUNKING = 16,
    CAP_BINARYMIME = 32,
    CAP_SMTPUTF8 = 64,
    CAP_DSN = 128,
    CAP_AUTH_PLAIN = 256,
    CAP_AUTH_LOGIN = 512,
    CAP_XCPQ = 1024
};

struct client_reply {
    unsigned code;
    struct str text; /* lines joined by \n, without codes; valid in this step */
};

/* What a recipient got so far. code 0 and no text = not yet. */
struct client_rcpt {
    unsigned code;
    uint32_t text_at, text_n; /* into texts */
    const char *local;        /* enhanced code of a result we gave ourselves, else NULL */
    bool lost;                /* no reply came: text says what happened */
    bool open;                /* accepted by RCPT, waits for the end of data */
};

/* Reply awaited in the transaction. */
enum client_expect { EXPECT_RSET, EXPECT_MAIL, EXPECT_RCPT, EXPECT_META, EXPECT_DATA, EXPECT_EMPTY_DOT, EXPECT_DOT };

struct smtp_client {
    struct conversation c; /* first */
    const struct smtp_client_handler *h;
    const struct smtp_client_options *o;
    void *ctx;

    /* reply being read */
    struct client_reply reply;
    struct buf gather; /* lines of a multi-line reply */
    unsigned gather_lines;

    unsigned caps;
    uint64_t peer_max_size; /* SIZE, 0 = none said */
    enum smtp_client_stage stage;
    bool idle, finish, failed, tls_tried, need_rset, said_hello;
    uint64_t messages;

    /* the job */
    struct smtp_job *job;
    struct client_rcpt *rcpts; /* one per recipient of the job */
    size_t rcpts_cap;
    struct delivery_result *results;
    struct buf texts;
    bool job_touched;            /* a reply to something of this job has come */
    bool job_reused;             /* its connection carried messages before */
    size_t batch_from, batch_to; /* recipients of the present transaction */
    size_t batch_open;           /* accepted ones */
    size_t expect_rcpt;          /* whose reply comes next; batch_to = all answered */
    enum client_expect expect;
    bool piped; /* the present transaction went out as one group */
    bool bdat;
    bool mail_ok;
    bool dot_sent;
    uint64_t body_at;
    char body_last[2]; /* last octets sent of the body */

    struct str commands; /* CPQ: what is still to be said */
};

static inline struct smtp_client *client_of(struct conversation *c)
{
    return (struct smtp_client *)(void *)c;
}

/* client_reply.c: RC_OK (cl->reply filled), RC_UNAVAILABLE (more to come), RC_SYNTAX (no SMTP reply). */
enum rc client_reply_read(struct smtp_client *cl);
/* Enhanced status code at the start of a text when it fits the class of the reply code, else empty (RFC 2034). */
struct str client_enhanced(struct str text, unsigned code);

/* client.c */
struct step client_wait(struct smtp_client *cl, step_fn *fn, uint64_t ms);
/* Ends the connection with a failure; the job in hand, if any, is answered or given back. */
struct step client_fail(struct smtp_client *cl, enum rc rc, unsigned code, struct str text);
struct step client_quit(struct smtp_client *cl);
struct step client_ready(struct conversation *c);

/* client_hello.c */
step_fn client_greeting;
/* Reads a reply or says what to return: UNAVAILABLE waits on, nonsense and 421 give up. */
bool client_reply_or(struct smtp_client *cl, step_fn *fn, uint64_t ms, struct step *step_out);
struct step client_mail_ready(struct smtp_client *cl);

/* client_cpq.c */
/* EHLO (and TLS) are done: XCPQ HELLO, then as client_mail_ready(). */
struct step client_cpq_hello(struct smtp_client *cl);
void client_cpq_put_meta(struct smtp_client *cl);
/* One was refused: none is sent. */
struct step client_cpq_refused(struct smtp_client *cl);
struct step client_cpq_on_meta(struct smtp_client *cl);

/* client_send.c */
struct step client_begin(struct smtp_client *cl);
struct step client_next_batch(struct smtp_client *cl);
step_fn client_on_reply;

/* client_body.c */
struct step client_body(struct smtp_client *cl);
step_fn client_body_more;

/* client_result.c */
bool client_has_result(const struct client_rcpt *r);
bool client_job_take(struct smtp_client *cl, struct smtp_job *job);
void client_rcpt_set(struct smtp_client *cl, size_t i, unsigned code, struct str text, const char *local);
/* The same for all of the batch that have none (open_only: that RCPT accepted). */
void client_batch_set(struct smtp_client *cl, bool open_only, unsigned code, struct str text, const char *local);
void client_job_done(struct smtp_client *cl);

#endif
