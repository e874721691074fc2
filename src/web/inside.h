/* What the files of web/ share. Not for other rooms. */
#ifndef WEB_INSIDE_H
#define WEB_INSIDE_H

#include "web/failures.h"
#include "web/names.h"
#include "web/route.h"
#include "web/target.h"
#include "web/web.h"

#include <jansson.h>
#include <microhttpd.h>

enum {
    URI_MOST = 32768,         /* longer: 414 */
    BODY_MOST = 1 << 20,      /* longer: 413 */
    SWALLOW_MOST = 8 << 20,   /* of a body too large, so that its sender reads the answer */
    VERB_MS = 10000,          /* an answer of control */
    LOGIN_MS = 10000,         /* the same, behind other passphrases being hashed */
    LOGINS_MOST = 128,        /* asked of control at once */
    LOGINS_MOST_ADDRESS = 32, /* of them from one address */
    REPLY_MOST = 8 << 20,
};

/* --- servers: one a listening socket (server.c) ------------------------------------------------------------------------ */

struct visitor;

/* One libmicrohttpd daemon. It is replaced as a whole when the certificate changes; what is connected to the old one ends
 * its request there. */
struct server {
    struct server *next;
    struct web *web;
    char *name;
    uint64_t id; /* of the socket */
    unsigned kind;
    struct str interface; /* part of name */
    int fd;               /* listening socket; -1 when it has retired */
    struct MHD_Daemon *daemon;
    uv_poll_t poll;
    struct loop_timer timer;
    struct visitor *visitors;
    size_t n_visitors;
    struct listener_socket *refusing; /* while there is no daemon: who connects is not left waiting */
    bool polled, retired, closing;
};

/* One connection. */
struct visitor {
    struct visitor *next, *prev;
    struct server *server;
    int fd;
    struct address_ip peer, local;
    struct loop_timer deadline; /* then the connection is cut */
    bool busy;                  /* a request is under way */
};

struct server *server_new(struct web *w, const struct web_socket *s, unsigned kind, struct str interface);
/* Starts serving; on failure the socket waits. */
enum rc server_open(struct server *s, struct err *e);
/* Takes the listening socket off it; the server frees itself once its visitors are gone. */
int server_retire(struct server *s);
/* Closes the socket and cuts everyone off. */
void server_close(struct server *s);
/* It has something to do. */
void server_wake(struct server *s);
/* The visitor has so long for what comes next; 0 = no limit. */
void visitor_allow(struct visitor *v, uint64_t ms);

/* --- certificate (tls.c) ----------------------------------------------------------------------------------------------- */

struct credentials {
    struct buf cert, key; /* PEM, NUL terminated */
    char *priorities;     /* GnuTLS */
    bool trusted;         /* not signed by itself */
};
/* What the settings ask for, read anew. */
enum rc credentials_read(struct credentials *out, const struct conf *c, const char *home, struct err *e);
bool credentials_equal(const struct credentials *a, const struct credentials *b);
void credentials_done(struct credentials *c);
/* GnuTLS priorities for a least version and an OpenSSL cipher list. */
void priorities_write(uint64_t min_version_13, struct str openssl, struct buf *out);

/* --- requests (request.c, reply.c) ------------------------------------------------------------------------------------- */

struct request {
    struct request *next, *prev;
    struct web *web;
    struct server *server;
    struct visitor *visitor;
    struct MHD_Connection *connection;
    const struct conf *conf; /* reference, as at its begin */
    struct arena arena;
    struct str uri; /* as sent */
    struct str method;
    struct target target; /* empty until parsed */
    struct route_found found;
    struct address_ip client; /* behind a proxy: whom it speaks for */
    struct str host;          /* name of ours it was sent to */
    struct buf body;
    uint64_t body_octets; /* of all that came, kept or not */
    struct str user;
    uint64_t role;
    uint64_t call; /* to control, 0 = none */
    void (*verb_done)(struct request *r, json_t *figures);
    unsigned status; /* the reply; 0 = none yet */
    struct buf reply;
    const char *type;      /* Content-Type */
    const char *challenge; /* 401 */
    struct str location;   /* 308 */
    unsigned allow;        /* methods: 501 */
    unsigned retry_s;      /* 429, 503 */
    bool page;             /* of the pages: CSP with what pages need */
    bool begun, whole, suspended, logging_in, old_http, close;
};

struct web {
    struct web_options o;
    struct server *servers;
    struct request *requests;
    struct credentials credentials;
    bool tls_ready;
    size_t n_visitors, n_logins;
    struct access *access; /* IPACCESS of the newest settings; NULL lets nobody in */
    struct failures *failures;
    struct loop_timer stop_timer;
    uint64_t stop_by;
    void (*stopped)(void *ctx);
    void *stopped_ctx;
    bool stopping;
};

/* libmicrohttpd's callbacks; cls = struct server. */
void *request_uri(void *cls, const char *uri, struct MHD_Connection *c);
enum MHD_Result request_access(void *cls, struct MHD_Connection *c, const char *url, const char *method, const char *version,
                               const char *data, size_t *n, void **ctx);
void request_completed(void *cls, struct MHD_Connection *c, void **ctx, enum MHD_RequestTerminationCode how);
/* First value of that name; the last one, which the nearest proxy wrote. */
struct str request_header(const struct request *r, const char *name);
struct str request_header_last(const struct request *r, const char *name);
/* Segment that {word} stood for; empty when the route has none. */
static inline struct str request_word(const struct request *r)
{
    return r->found.word;
}

/* Ends the request: the reply goes when the handler returns, or now when it waited. `reply` holds the content. */
void reply_send(struct request *r, unsigned status, const char *type);
/* The error object (spec/api.md 4). */
void reply_error(struct request *r, unsigned status, const char *fmt, ...) __attribute__((format(printf, 3, 4)));
enum MHD_Result reply_queue(struct request *r);
void reply_resume(struct request *r);

/* --- before the handler: gate.c judges the head, login.c the user --------------------------------------------------------
 */

/* False when it has replied: the request goes no further. */
bool gate_pass(struct request *r, const char *version);
/* Calls the handler at once or later, or replies. */
void login_begin(struct request *r);
/* A call to control is dropped: its asker has gone. */
void login_forget(struct request *r);

/* --- handlers ------------------------------------------------------------------------------------------------------------
 */

/* Runs a verb for `user` (empty: for ourselves) and goes on with its JSON (borrowed); failures are replied to. Words end
 * with an empty one. */
void verb_ask_figures(struct request *r, struct str user, const struct str *words,
                      void (*done)(struct request *r, json_t *figures));

#define ROUTE(base, method, path, listeners, right, parameters, handler) void web_##handler(struct request *r);
#include "web/route.def"
#undef ROUTE

/* Text as XML content or attribute: markup escaped, pure ASCII, what XML cannot hold becomes '?'. */
void xml_text(struct buf *out, struct str s);
void json_text(struct buf *out, struct str s); /* with quotes, pure ASCII */
/* <?xml ...> and what follows, from the JSON of `status`; times are local. */
void status_xml(json_t *figures, struct str hostname, struct buf *out);
void health_json(json_t *figures, struct str parameter, struct str v1_uri, struct buf *out);

#endif
