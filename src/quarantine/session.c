/*
 * A CPQ conversation of the holder: what smtp/cpq_server asks, and a message from its first octet to its answer.
 *
 * Made by a door for each connection; what XCPQ asks is answered by session_xcpq.c. Owns the message that is being received;
 * a message that was handed to the store is the store's until it answers. A conversation that ends before the answer leaves
 * the message to the store: the peer sends it again, and hears that it is a duplicate.
 */
#include "quarantine/session.h"
#include "base/clock.h"
#include "base/must.h"
#include "conf/product.h"

#include <openssl/evp.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <unistd.h>

enum { SESSIONS_MAX = 1024, STRANGER_IDLE_MS = 60000, IDLE_MS = 300000 };

/* ---- connection --------------------------------------------------------------------------------------------------------
 */

static void on_begin(struct smtp_server *s)
{
    struct session *x = session_of(s);
    const struct conf *c = quarantine_conf(x->q);

    x->md = EVP_MD_CTX_new();
    must(x->md);
    s->host_name = arena_str(&s->c.arena, c->system.hostname);
    cpq_server_begin(&x->cs, &(struct cpq_server_options){.handler = &session_xcpq,
                                                          .local = x->door->local,
                                                          .serial = arena_str(&s->c.arena, session_serial(x->q)),
                                                          .role = x->door->local ? str_lit("gateway") : str_lit("manager"),
                                                          .version = str_lit(PRODUCT_RELEASE),
                                                          .max_meta = CPQ_META_MAX,
                                                          .max_bytes = c->quarantine_service.max_message_bytes});
    if (x->door->local)
        return;
    s->idle_ms = STRANGER_IDLE_MS;
    if (!x->q->tls)
        s->offers &= ~(unsigned)SMTP_OFFER_TLS;
}

static struct str interface_of(const struct door *d)
{
    const struct conf *c = quarantine_conf(d->q);
    struct str name = d->class == CPQ_SPAM ? c->euq_listener.interface : c->cpq_listener.interface;

    return name.n || !c->interface.n ? name : c->interface.items[0].name;
}

static enum smtp_next on_connect(struct smtp_server *s)
{
    struct session *x = session_of(s);
    char local[46];

    if (!x->door->local) {
        x->icid = board_next(x->q->o.board, NUMBER_ICID);
        event(x->q->o.events, cpq_incoming, .icid = x->icid, .interface = interface_of(x->door),
              .local_ip = x->door->via_link ? str_lit("link") : ip_text(&s->peer.local, local), .peer_ip = str_c(x->peer),
              .via_link = x->door->via_link);
    }
    smtp_greet(s, str_lit(PRODUCT_NAME " CPQ ready"));
    return SMTP_DONE;
}

static void on_tls(struct smtp_server *s, bool ok)
{
    struct session *x = session_of(s);
    struct events *ev = x->q->o.events;

    if (ok)
        event(ev, cpq_tls, .icid = x->icid, .protocol = s->c.tls->version, .cipher = s->c.tls->cipher);
    else
        event(ev, cpq_tls_failed, .icid = x->icid, .why = s->c.why, .peer_ip = str_c(x->peer));
}

/* ---- a message ----------------------------------------------------------------------------------------------------------
 */

static enum smtp_next on_mail(struct smtp_server *s, const struct smtp_mail *m)
{
    struct session *x = session_of(s);
    struct err e = ERR_NONE;
    enum rc rc = session_allowed(x, &e);

    (void)m;
    if (rc != RC_OK)
        smtp_refuse(s, rc, &e);
    return SMTP_DONE;
}

static enum smtp_next on_rcpt(struct smtp_server *s, const struct smtp_rcpt *r)
{
    cpq_recipient(&session_of(s)->cs, r->to.address);
    return SMTP_DONE;
}

static void on_reset(struct smtp_server *s, enum rc rc, const struct err *e)
{
    struct session *x = session_of(s);

    (void)rc;
    (void)e;
    incoming_free(x->in);
    x->in = NULL;
}

static enum smtp_next on_data_start(struct smtp_server *s)
{
    struct session *x = session_of(s);

    incoming_free(x->in);
    x->in = incoming_new();
    if (EVP_DigestInit_ex(x->md, EVP_sha256(), NULL) != 1)
        smtp_refuse(s, RC_INTERNAL, NULL);
    return SMTP_DONE;
}

static enum rc on_data(struct smtp_server *s, struct str octets, struct err *e)
{
    struct session *x = session_of(s);

    if (EVP_DigestUpdate(x->md, octets.p, octets.n) != 1)
        return err_set(e, RC_INTERNAL, "digest");
    return incoming_add(x->q, x->in, octets, e);
}

static void stored(void *ctx, struct incoming *in)
{
    struct session *x = ctx;

    x->in = in;
    x->storing = NULL;
    if (x->cs.s.then)
        conversation_resume(&x->cs.s.c);
}

static enum smtp_next answer(struct smtp_server *s)
{
    struct session *x = session_of(s);
    struct incoming *in = x->in;

    x->in = NULL;
    if (in->rc == RC_OK)
        cpq_accepted(&x->cs, in->id, in->duplicate);
    else if (in->rc == RC_UNAVAILABLE)
        smtp_refuse_as(s, 450, str_lit("4.2.1"), str_c(err_text(&in->err)));
    else
        smtp_refuse(s, in->rc, in->rc == RC_NO_SPACE ? &in->err : NULL);
    incoming_free(in);
    return x->q->stopping || (!x->door->socket && !x->door->via_link) ? SMTP_CLOSE : SMTP_DONE;
}

static void hex_of(const unsigned char sum[DIGEST], char out[2 * DIGEST])
{
    static const char digits[] = "0123456789abcdef";

    for (size_t i = 0; i < DIGEST; i++) {
        out[2 * i] = digits[sum[i] >> 4];
        out[2 * i + 1] = digits[sum[i] & 15];
    }
}

/* The metadata is read again in the memory of the message, which may outlive the conversation. */
static enum rc take_meta(struct session *x, struct incoming *in, struct err *e)
{
    in->text = arena_str(&in->arena, x->cs.meta.raw);
    if (!in->text.p)
        return err_set(e, RC_NO_MEMORY, "out of memory");
    TRY(cpq_meta_read(&in->arena, in->text, &in->meta, e));
    return map_holds(x->q, &in->arena, &in->meta, e);
}

/* What moves to a manager is here: it must not be answered as taken. */
static enum rc goes_round(const struct session *x, const struct incoming *in, struct err *e)
{
    return x->door->local && in->meta.migration.run ? err_set(e, RC_INVALID, "a migration is for the manager") : RC_OK;
}

static enum smtp_next on_data_end(struct smtp_server *s)
{
    struct session *x = session_of(s);
    struct incoming *in = x->in;
    char hex[2 * DIGEST];
    struct err e = ERR_NONE;

    if (EVP_DigestFinal_ex(x->md, in->digest, NULL) != 1) {
        smtp_refuse(s, RC_INTERNAL, NULL);
        return SMTP_DONE;
    }
    hex_of(in->digest, hex);
    if (cpq_check(&x->cs, str_of(hex, sizeof hex), &e) != RC_OK || take_meta(x, in, &e) != RC_OK ||
        goes_round(x, in, &e) != RC_OK) {
        cpq_refuse_content(&x->cs, &e);
        on_reset(s, RC_OK, NULL);
        return SMTP_DONE;
    }
    x->in = NULL;
    x->storing = in;
    in->icid = x->icid;
    in->done = stored;
    in->ctx = x;
    store_add(x->q, in);
    return x->storing ? smtp_wait(s, answer) : answer(s);
}

static void on_end(struct smtp_server *s, enum smtp_end how)
{
    struct session *x = session_of(s);
    struct quarantine *q = x->q;

    (void)how;
    if (x->storing)
        x->storing->done = NULL; /* goes on without us */
    incoming_free(x->in);
    if (x->icid)
        event(q->o.events, cpq_closed, .icid = x->icid);
    EVP_MD_CTX_free(x->md);
    cpq_server_done(&x->cs);
    x->door->open--;
    if (x->prev)
        x->prev->next = x->next;
    else
        q->sessions = x->next;
    if (x->next)
        x->next->prev = x->prev;
    q->n_sessions--;
}

/* The socket file is for processes of this machine. */
static bool peer_is_ours(const struct door *d, int fd)
{
    return !d->local || socket_peer_uid(fd) == getuid();
}

static const struct smtp_server_handler handler = {.begin = on_begin,
                                                   .connect = on_connect,
                                                   .mail = on_mail,
                                                   .tls = on_tls,
                                                   .rcpt = on_rcpt,
                                                   .data_start = on_data_start,
                                                   .data = on_data,
                                                   .data_end = on_data_end,
                                                   .reset = on_reset,
                                                   .end = on_end};

static struct step first(struct conversation *c)
{
    struct session *x = (struct session *)(void *)c;

    x->door = c->ctx;
    x->q = x->door->q;
    x->next = x->q->sessions;
    if (x->next)
        x->next->prev = x;
    x->q->sessions = x;
    return smtp_server_first(c);
}

static const struct conversation_kind kind = {.name = "cpq",
                                              .first = first,
                                              .broken = smtp_server_broken,
                                              .done = smtp_server_done,
                                              .size = sizeof(struct session),
                                              .timeout_ms = IDLE_MS,
                                              .max_in = SMTP_MAX_IN};

void session_prepare(struct door *d)
{
    d->smtp.handler = &handler;
}

void session_accept(struct door *d, int fd, struct str peer)
{
    static const char full[] = "421 4.7.0 too many connections\r\n";
    struct quarantine *q = d->q;
    struct conversation *c;

    if ((!peer_is_ours(d, fd)) || q->n_sessions >= SESSIONS_MAX || q->stopping) {
        if (!d->local)
            (void)!send(fd, full, sizeof full - 1, MSG_NOSIGNAL | MSG_DONTWAIT); /* else he sees the end alone */
        close(fd);
        return;
    }
    c = conversation_accept(q->o.loop, fd, &kind, d->local ? NULL : q->tls, d);
    if (!c)
        return;
    snprintf(((struct session *)(void *)c)->peer, sizeof((struct session *)(void *)c)->peer, "%.*s", STR(peer));
    q->n_sessions++;
    d->open++;
}

static void expel(struct session *x, struct str last)
{
    if (x->storing)
        return; /* its answer closes it */
    x->cs.s.how = SMTP_END_CLOSED;
    conversation_abort(&x->cs.s.c, last);
}

void session_expel(struct door *d)
{
    event(d->q->o.events, cpq_suspended, .listener = door_listener(d), .open = d->open);
    for (struct session *x = d->q->sessions, *next; x; x = next) {
        next = x->next;
        if (x->door == d)
            expel(x, str_lit("421 4.3.2 service temporarily suspended\r\n"));
    }
}

void sessions_check(struct quarantine *q)
{
    for (struct session *x = q->sessions, *next; x; x = next) {
        next = x->next;
        if (!x->door->local && x->cs.s.c.tls && !session_peer(x))
            expel(x, str_lit("421 4.7.0 not enrolled any more\r\n"));
    }
}

void sessions_end(struct quarantine *q)
{
    while (q->sessions) {
        struct session *x = q->sessions;

        conversation_abort(&x->cs.s.c, str_lit("421 4.3.2 shutting down\r\n"));
        if (q->sessions == x)
            break; /* it ends when its own step returns */
    }
}
