/*
 * A CPQ conversation of the holder: what smtp/cpq_server asks, and a message from its first octet to its answer.
 *
 * Made by the listener for each connection. Owns the message that is being received; a message that was handed to the store
 * is the store's until it answers. A conversation that ends before the answer leaves the message to the store: the peer
 * sends it again, and hears that it is a duplicate.
 */
#include "base/clock.h"
#include "base/must.h"
#include "quarantine/inside.h"
#include "smtp/cpq_server.h"

#include <openssl/evp.h>
#include <stdlib.h>
#include <unistd.h>

enum { SESSIONS_MAX = 256 };

struct session_ctx {
    struct smtp_server_ctx smtp; /* first */
    struct quarantine *q;
};

struct session {
    struct cpq_server cs; /* first */
    struct quarantine *q;
    struct session *next, *prev;
    EVP_MD_CTX *md;
    struct incoming *in;      /* being received */
    struct incoming *storing; /* with the store: its answer is awaited */
};

static struct session *session_of(struct smtp_server *s)
{
    return (struct session *)(void *)s;
}

static struct str own_serial(const struct quarantine *q)
{
    struct str serial = quarantine_conf(q)->system.serial;

    return serial.n ? serial : str_lit("unknown");
}

/* ---- XCPQ ------------------------------------------------------------------------------------------------------------- */

/* The socket file is for this machine alone: the serial must be ours. */
static enum rc on_hello(struct cpq_server *cs, const struct cpq_hello *h, struct err *e)
{
    struct session *x = session_of(&cs->s);

    if (x->q->stopping)
        return err_set(e, RC_SHUTTING_DOWN, "shutting down");
    if (!str_eqi(h->serial, own_serial(x->q)))
        return err_set(e, RC_NOT_PERMITTED, "that serial is not enrolled here");
    if (h->class != CPQ_PVO && h->class != CPQ_SPAM)
        return err_set(e, RC_NOT_PERMITTED, "releases are not taken here");
    return RC_OK;
}

static void status_number(struct cpq_server *cs, const char *key, uint64_t v)
{
    char text[24];
    struct buf b = {.p = text, .cap = sizeof text, .max = sizeof text};

    buf_add_u64(&b, v);
    cpq_status_line(cs, key, buf_str(&b));
}

static void on_status(struct cpq_server *cs)
{
    struct quarantine *q = session_of(&cs->s)->q;
    const struct conf *c = quarantine_conf(q);
    uint64_t class = cs->hello.class, stored = sql_number(&q->sql, Q_pool, 0, "i", class);
    uint64_t limit = class == CPQ_SPAM ? c->spam_quarantine.max_bytes : c->quarantine_service.max_bytes;
    sqlite3_stmt *st = sql_bind(&q->sql, Q_pool, "i", class);
    uint64_t used = sql_step(&q->sql, st) ? sql_u64(st, 1) : 0;

    sqlite3_reset(st);
    cpq_status_line(cs, "state", q->stopping ? str_lit("suspended") : used >= limit ? str_lit("full") : str_lit("ready"));
    cpq_status_line(cs, "migration", str_lit("none"));
    status_number(cs, "stored", stored);
    status_number(cs, "migrated", 0);
    status_number(cs, "free", used < limit ? limit - used : 0);
    for (size_t i = 0; class == CPQ_PVO && i < c->quarantine.n; i++)
        cpq_status_line(cs, "quarantine", c->quarantine.items[i].name);
}

static enum rc on_query(struct cpq_server *cs, struct str serial, uint64_t mid, struct str release, struct buf *text)
{
    static const char hex[] = "0123456789abcdef";
    struct quarantine *q = session_of(&cs->s)->q;
    uint64_t name = sql_number(&q->sql, Q_name_id, 0, "s", serial);
    sqlite3_stmt *st = sql_bind(&q->sql, Q_key_find, "iii", (uint64_t)cs->hello.class, name, mid);
    bool there = !release.n && sql_step(&q->sql, st);
    struct str digest = there ? sql_str(st, 1) : STR_NONE;

    if (there) {
        buf_addf(text, "id=%llu state=%s sha256=", (unsigned long long)sql_u64(st, 0), sql_u64(st, 3) ? "deleted" : "held");
        for (size_t i = 0; i < digest.n; i++) {
            buf_addc(text, hex[(unsigned char)digest.p[i] >> 4]);
            buf_addc(text, hex[(unsigned char)digest.p[i] & 15]);
        }
    }
    sqlite3_reset(st);
    return there ? RC_OK : RC_NOT_FOUND;
}

static const struct cpq_server_handler cpq_handler = {.hello = on_hello, .status = on_status, .query = on_query};

/* ---- a message
 * ------------------------------------------------------------------------------------------------------------ */

static void on_begin(struct smtp_server *s)
{
    struct session *x = session_of(s);
    const struct conf *c = quarantine_conf(x->q);

    x->md = EVP_MD_CTX_new();
    must(x->md);
    s->host_name = arena_str(&s->c.arena, c->system.hostname);
    cpq_server_begin(&x->cs, &(struct cpq_server_options){.handler = &cpq_handler,
                                                          .local = true,
                                                          .serial = arena_str(&s->c.arena, own_serial(x->q)),
                                                          .role = str_lit("gateway"),
                                                          .version = str_lit("1"),
                                                          .max_meta = CPQ_META_MAX,
                                                          .max_bytes = c->quarantine_service.max_message_bytes});
}

static enum smtp_next on_connect(struct smtp_server *s)
{
    smtp_greet(s, str_lit("CPQ"));
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
    return SMTP_DONE;
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
    return cpq_meta_read(&in->arena, in->text, &in->meta, e);
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
    if (cpq_check(&x->cs, str_of(hex, sizeof hex), &e) != RC_OK || take_meta(x, in, &e) != RC_OK) {
        cpq_refuse_content(&x->cs, &e);
        on_reset(s, RC_OK, NULL);
        return SMTP_DONE;
    }
    x->in = NULL;
    x->storing = in;
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
    EVP_MD_CTX_free(x->md);
    cpq_server_done(&x->cs);
    if (x->prev)
        x->prev->next = x->next;
    else
        q->sessions = x->next;
    if (x->next)
        x->next->prev = x->prev;
    q->n_sessions--;
}

static const struct smtp_server_handler handler = {.begin = on_begin,
                                                   .connect = on_connect,
                                                   .rcpt = on_rcpt,
                                                   .data_start = on_data_start,
                                                   .data = on_data,
                                                   .data_end = on_data_end,
                                                   .reset = on_reset,
                                                   .end = on_end};

static struct step first(struct conversation *c)
{
    struct session *x = (struct session *)(void *)c;
    struct session_ctx *ctx = c->ctx;

    x->q = ctx->q;
    x->next = x->q->sessions;
    if (x->next)
        x->next->prev = x;
    x->q->sessions = x;
    x->q->n_sessions++;
    return smtp_server_first(c);
}

static const struct conversation_kind kind = {.name = "cpq",
                                              .first = first,
                                              .broken = smtp_server_broken,
                                              .done = smtp_server_done,
                                              .size = sizeof(struct session),
                                              .timeout_ms = 300000,
                                              .max_in = SMTP_MAX_IN};

void session_accept(void *ctx, int fd, const struct address_ip *peer)
{
    struct quarantine *q = ctx;

    (void)peer;
    if (socket_peer_uid(fd) != getuid() || q->n_sessions >= SESSIONS_MAX || q->stopping) {
        close(fd);
        return;
    }
    if (!q->session_ctx) {
        struct session_ctx *made = calloc(1, sizeof *made);

        must(made);
        *made = (struct session_ctx){{&handler}, q};
        q->session_ctx = made;
    }
    conversation_accept(q->o.loop, fd, &kind, NULL, q->session_ctx);
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
