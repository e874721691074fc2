/* What the files of this room share; nobody else includes this. */
#ifndef RECEIVE_INSIDE_H
#define RECEIVE_INSIDE_H

#include "base/clock.h"
#include "base/must.h"
#include "bus/ask.h"
#include "mail/dns.h"
#include "mail/envelope.h"
#include "mail/ldap.h"
#include "policy/alias.h"
#include "policy/hat.h"
#include "policy/ip_table.h"
#include "policy/rat.h"
#include "receive/receive.h"
#include "receive/tls.h"
#include "smtp/server.h"
#include "spool/spool.h"

struct session;
struct stored;

/* ---- tables.c: a snapshot, compiled --------------------------------------------------------------------------------- */

/* One listener as one snapshot describes it. */
struct terms {
    const struct conf_listener *conf;
    struct hat *hat;
    struct rat *rat;
    struct aliases *aliases;
    struct ip_table xclient, proxy;
    struct tls_context *tls; /* NULL: no certificate, STARTTLS is not offered */
    struct str host_name;
    struct str interface; /* name in logs */
};

struct tables {
    unsigned refs;
    const struct conf *conf; /* counted */
    struct arena arena;
    struct terms *terms;
    size_t n;
    struct tls_context *cpq_tls; /* of the hidden listener; NULL: off, or no certificate */
};

enum rc tables_new(struct receive *r, const struct conf *conf, struct tables **out, struct err *e);
struct tables *tables_ref(struct tables *t);
void tables_unref(struct tables *t);
const struct terms *tables_find(const struct tables *t, struct str listener);

/* ---- listeners.c ---------------------------------------------------------------------------------------------------- */

/* A listener while its sockets are open; conversations point to it. */
struct listener {
    struct smtp_server_ctx ctx; /* first: what the SMTP conversation finds in c->ctx */
    struct receive *receive;
    struct listener *next;
    struct str name;
    char *socket_name;
    struct listener_socket *socket;
    bool begun;    /* via_link: the conversation has begun, it counts in `open` */
    bool via_link; /* a connection through the link: socket_name is the far address */
    bool hidden;   /* cpq_listener: no item of the settings, spoken to by managers */
    unsigned open; /* conversations of this process */
    uint64_t rate_key;
    bool suspended;
    uint64_t suspended_ms; /* since when */
};

/* A conversation begins (1) or ends (-1). */
void listener_count(struct listener *l, int by);
void listeners_link(void *ctx, const struct bus_in *in); /* BUS_link_release */
void listeners_set(struct receive *r, const struct receive_socket *sockets, size_t n);
void listeners_close(struct receive *r);
void listeners_suspend(struct receive *r, struct str name, bool suspend); /* "all" or empty = every one */
void listeners_conf(struct receive *r, const struct conf *conf);

/* ---- names.c: DNS questions of a conversation --------------------------------------------------------------------------
 */

enum { NAMES_QUESTIONS = 16 };
/* One step's questions and their answers. */
struct asking {
    struct dns_asker *asker;
    struct conversation *conversation; /* resumed when the answers came; answers are copied to its arena */
    uint64_t ask;                      /* 0 = not under way */
    bool waiting;
    struct dns_question questions[NAMES_QUESTIONS];
    struct dns_answer answers[NAMES_QUESTIONS];
    size_t n;
};
void names_question(struct asking *a, uint64_t type, struct str name);
/* True when every answer is there at once (a->answers), false when the conversation will be resumed. */
bool names_ask(struct asking *a, uint64_t timeout_ms);
void names_cancel(struct asking *a);

/* ---- rates.c: counts per peer, shared by all receive processes (D5) --------------------------------------------------- */

uint64_t rate_key(const struct address_ip *ip, uint64_t bits);
uint64_t rate_key_of(struct str text);
uint64_t rate_key_listener(struct str name); /* never that of a sender */
uint64_t rate_connections(struct receive *r, uint64_t key);
uint64_t rate_recipients(struct receive *r, uint64_t key);
uint64_t rate_bad(struct receive *r, uint64_t key);
void rate_connected(struct receive *r, uint64_t key, int by);
void rate_recipient(struct receive *r, uint64_t key);
void rate_bad_recipient(struct receive *r, uint64_t key);

/* ---- announce.c: what queue must know (D3) --------------------------------------------------------------------------- */

struct announce;
struct announce *announce_new(struct receive *r);
void announce_free(struct announce *a);
void announce_stored(struct announce *a, const struct spool_ref *ref, uint64_t mid, uint64_t bytes);
void announce_closed(struct announce *a, const struct bus_segment_closed *closed);
/* Too much that queue has not confirmed (I1): take no new message. */
bool announce_full(const struct announce *a);
bool announce_empty(const struct announce *a);
/* Conversations that wait for room. */
void announce_wait(struct announce *a, struct session *s);
void announce_forget(struct announce *a, struct session *s);

/* ---- message.c: one message, whatever protocol brought it --------------------------------------------------------------
 */

/* A message between MAIL and its end. */
struct message {
    uint64_t mid;   /* 0 = none */
    uint64_t token; /* of the spool's commit window */
    struct spool_body *body;
    struct recipient *recipients; /* in the transaction's arena */
    size_t n, max;
    size_t envelope_bytes; /* estimate, capped */
    bool outgoing;         /* some recipient was taken because the peer may relay */
    size_t given, dropped; /* recipients the peer was told are taken, those of them that went to /dev/null too */
    struct str first_given;
    bool aliased; /* some alias was expanded: `once` holds the recipients */
    struct address_set once;
};

struct origin { /* what envelope and Received need to know of the peer */
    struct receive *receive;
    const struct tables *tables;
    const struct terms *terms;
    const struct conf_mail_flow_policy *flow;
    struct str group;
    uint64_t icid;
    struct address_ip ip;
    struct str ptr;        /* name of the peer, empty = unknown */
    struct str reputation; /* as logs show it */
    struct str hello, user;
    const struct tls_facts *tls;
    const char *protocol; /* SMTP, ESMTP, ESMTPS, ESMTPSA, QMQP */
};

typedef void message_done_fn(void *ctx, enum rc rc);

/* Whether a message may begin now: suspended, queue state, disk. */
enum rc message_allowed(struct receive *r, uint64_t bytes, struct err *e);
/* Gives it a number; its sender is told as soon as it is known. */
void message_begin(const struct origin *o, struct message *m);
void message_from(const struct origin *o, const struct message *m, struct str sender);
enum rc message_recipient(const struct origin *o, struct message *m, struct arena *a, const struct recipient *to,
                          struct err *e);
/* Octets it takes in the envelope, an estimate; whether so many more recipients fit. */
size_t message_recipient_bytes(const struct recipient *to);
bool message_has_room(const struct message *m, size_t recipients, size_t bytes);
/* alias.c: the recipient, or those its alias stands for. RC_TOO_MANY_RECIPIENTS: the message would have more than `most`
 * (targets of aliases only: the peer's own are the caller's to count). A failure leaves the message as it was. */
enum rc message_to(const struct origin *o, struct message *m, struct arena *a, const struct recipient *to, size_t most,
                   struct err *e);
/* Body with the Received header in it. */
enum rc message_body(const struct origin *o, struct message *m, struct err *e);
/* The whole message is there: looks at the header, refuses loops, gives it to the spool. RC_OK: done(ctx, rc) comes later
 * (unless message_forget() was called), or, when *out is NULL, nothing is to be waited for. Else nothing was stored and the
 * message is still to be dropped. env holds what the protocol knows (sender, DSN, body); `a` is the transaction's arena. */
enum rc message_store(const struct origin *o, struct message *m, struct arena *a, struct envelope *env, uint64_t flags,
                      message_done_fn *done, void *ctx, struct stored **out, struct err *e);
/* The part of it that gives a message with the coded envelope in receive->envelope to the spool. */
enum rc message_append(const struct origin *o, struct message *m, struct str sender, uint64_t flags, message_done_fn *done,
                       void *ctx, struct stored **out, struct err *e);
/* Nobody waits for the outcome any more (the peer has gone); the message goes its way. */
void message_forget(struct stored *st);
void message_stored_free(struct receive *r);
/* No message will come of it. */
void message_drop(const struct origin *o, struct message *m, bool by_sender);

/* ---- session.c: an SMTP conversation ---------------------------------------------------------------------------------- */

struct session {
    struct smtp_server s; /* first */
    struct receive *receive;
    struct listener *listener;
    struct session *next, *previous; /* all sessions of the process */
    struct session *next_waiting;    /* announce.c */
    bool waiting;
    uint64_t waiting_ms; /* since when */
    struct tables *tables;
    const struct terms *terms;
    struct hat_match match;
    struct origin origin;
    struct message message;
    struct stored *stored;
    struct asking *asking; /* in the conversation's arena, made at first use */
    struct str ptr;
    bool verified, no_name;
    bool counted; /* in the rates */
    uint64_t rate_key;
    uint64_t icid;
    uint64_t messages;
    uint64_t began_ms, data_ms, idle_since_ms;
    unsigned auth_failures;
    struct reputation reputation;
    uint64_t call; /* question of AUTH or to a directory under way */
    struct {
        struct smtp_rcpt rcpt; /* the recipient that waits for it */
        struct recipient to;
        uint64_t sender_key;
        enum ldap_result result;
        struct str why;
    } directory;
    uint64_t stored_mid;
    enum rc outcome;
    uint8_t *lists; /* DNS list answers */
    bool closing;
};

extern const struct smtp_server_handler session_handler;
extern const struct conversation_kind session_kind;
extern const struct conversation_kind qmqp_kind;

/* One file per command group fills these. */
void session_begin(struct smtp_server *s);
enum smtp_next session_connect(struct smtp_server *s);
enum smtp_next session_hello(struct smtp_server *s, struct str name);
enum smtp_next session_mail(struct smtp_server *s, const struct smtp_mail *m);
enum smtp_next session_rcpt(struct smtp_server *s, const struct smtp_rcpt *r);
enum smtp_next session_data_start(struct smtp_server *s);
enum rc session_data(struct smtp_server *s, struct str octets, struct err *e);
enum smtp_next session_data_end(struct smtp_server *s);
void session_reset(struct smtp_server *s, enum rc rc, const struct err *e);
enum smtp_next session_auth(struct smtp_server *s, const struct smtp_login *l);
void session_tls(struct smtp_server *s, bool ok);
enum smtp_next session_verify(struct smtp_server *s, struct str what);
void session_refused(struct smtp_server *s, const struct err *e, struct str line);
void session_end(struct smtp_server *s, enum smtp_end how);

/* ---- release.c: a manager on the hidden listener ---------------------------------------------------------------------- */

enum { RELEASES_MOST = 256 }; /* conversations of the hidden listener in one process */
struct release_session;
extern const struct smtp_server_handler release_handler;
extern const struct conversation_kind release_kind;
/* Ends them with this last line, but those whose message is being stored; `suspended_only`: of a suspended listener. */
void releases_expel(struct receive *r, struct str last, bool suspended_only);

/* directory.c: asks lookup; `then` runs with se->directory.result and .why. */
enum smtp_next directory_ask(struct session *se, const struct ldap_question *q, smtp_then_fn *then);

const char *session_protocol(const struct smtp_server *s);
struct asking *session_asking(struct session *se);

static inline struct session *session_of(struct smtp_server *s)
{
    return (struct session *)s;
}

/* ---- receive.c ---------------------------------------------------------------------------------------------------------
 */

struct receive {
    struct receive_options o;
    struct spool_writer *spool;
    struct tables *tables;
    struct listener *listeners;
    struct session *sessions;
    struct release_session *releases;
    unsigned open;
    struct dns_asker *asker;
    struct announce *announce;
    struct loop_timer sweep; /* slow peers and total time */
    struct loop_timer ready; /* until numbers may be given */
    struct loop_timer disk;  /* until there is space again */
    bool disk_low;
    bool sweeping;
    enum rc queue_rc; /* queue takes no mail for this reason */
    bool queue_suspended;
    bool stopping;
    void (*stopped)(void *ctx);
    void *stopped_ctx;
    struct suspending *suspending; /* verbs that wait */
    struct stored *free_stored;
    struct buf envelope; /* scratch */
    unsigned char ticket_key[RECEIVE_TICKET_KEY];
    uint64_t random; /* part of the global ids of this process */
    uint64_t date_s; /* the second `date` is for */
    char date[40];
    size_t date_n;
    struct receive_socket *pending; /* sockets that wait for `ready` */
    size_t n_pending;
};

void receive_session_opened(struct receive *r, struct session *se);
void receive_session_closed(struct receive *r, struct session *se);
/* Whether the orderly end is reached. */
void receive_check_stopped(struct receive *r);
/* Numbers may be taken, mail may come. */
bool receive_ready(const struct receive *r);

/* Ends the conversations of suspended listeners, but those whose message is being stored. */
void receive_expel_suspended(struct receive *r);

void verbs_init(struct receive *r);
void verbs_done(struct receive *r);

#endif
