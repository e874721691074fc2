/*
 * The hidden listener cpq_listener: managers give back mail that was released from their quarantines (central.md 7).
 *
 * Called by the SMTP server room and smtp/cpq_server through the handler tables. Who speaks is told by the certificate,
 * which TLS has compared with those enrolled (cpq_peer): the handshake of any other peer fails. A release becomes a message
 * of this gateway under a new number and goes on in the pipeline where its metadata says; it is taken when it is on stable
 * storage. Owns the unfinished message. A release that comes again (its manager heard no answer) is answered with the
 * message it became: queue knows the keys (serial, MID, release id) that were taken, and drops what was stored twice all the
 * same.
 */
#include "conf/product.h"
#include "mail/released.h"
#include "receive/inside.h"
#include "smtp/cpq_server.h"
#include "smtp/cpq_tls.h"

#include <openssl/evp.h>

enum { STRANGER_IDLE_MS = 60000, IDLE_MS = 300000, DIGEST = 32, ASK_MS = 10000, KEY_ID_MAX = 100 };

struct release_session {
    struct cpq_server cs; /* first */
    struct receive *receive;
    struct listener *listener;
    struct release_session *next, *previous;
    struct tables *tables;
    const struct conf_cpq_peer *peer; /* NULL before TLS */
    struct origin origin;
    struct message message;
    struct stored *stored;
    EVP_MD_CTX *md;
    uint64_t stored_mid, first_mid; /* first: the release was taken before, as that */
    uint64_t asking;                /* call at queue: was it? 0 = none */
    enum rc outcome;
};

static struct release_session *release_of(struct smtp_server *s)
{
    return (struct release_session *)(void *)s;
}

/* ---- XCPQ ------------------------------------------------------------------------------------------------------------- */

static enum rc on_hello(struct cpq_server *cs, const struct cpq_hello *h, struct err *e)
{
    struct release_session *x = release_of(&cs->s);

    if (x->receive->stopping)
        return err_set(e, RC_SHUTTING_DOWN, "shutting down");
    if (!x->peer || x->peer->role != CPQ_PEER_MANAGER || !str_eqi(x->peer->serial, h->serial))
        return err_set(e, RC_NOT_PERMITTED, "that serial is not enrolled with this certificate");
    if (h->class != CPQ_PVO_RELEASE && h->class != CPQ_SPAM_RELEASE)
        return err_set(e, RC_NOT_PERMITTED, "nothing but released mail is taken here");
    cs->s.idle_ms = IDLE_MS;
    return RC_OK;
}

static void on_status(struct cpq_server *cs)
{
    struct release_session *x = release_of(&cs->s);
    struct err e = ERR_NONE;

    if (message_allowed(x->receive, 0, &e) == RC_OK) {
        cpq_status_line(cs, "state", str_lit("ready"));
        return;
    }
    cpq_status_line(cs, "state", str_lit("suspended"));
    cpq_status_line(cs, "reason", str_c(err_text(&e)));
}

/* The manager does not hold it any more. A copy that this word does not reach goes when it is too old. */
static enum rc on_drop(struct cpq_server *cs, uint64_t mid, struct err *e)
{
    struct bus *bus = release_of(&cs->s)->receive->o.bus;
    struct bus_peer *quarantine = bus ? bus_peer(bus, ROLE_quarantine, 0) : NULL;

    if (!quarantine || !bus_send(bus, quarantine, BUS_copy_drop, &(struct bus_copy_drop){.mid = mid}))
        return err_set(e, RC_UNAVAILABLE, "the copies cannot be reached now");
    return RC_OK;
}

static const struct cpq_server_handler cpq_handler = {.hello = on_hello, .status = on_status, .drop = on_drop};

/* ---- connection --------------------------------------------------------------------------------------------------------
 */

static void enter(struct release_session *x)
{
    struct receive *r = x->receive;

    x->next = r->releases;
    if (x->next)
        x->next->previous = x;
    r->releases = x;
    r->open++;
    listener_count(x->listener, 1);
    x->listener->begun = true;
}

static void on_begin(struct smtp_server *s)
{
    struct release_session *x = release_of(s);
    const struct conf *c;

    x->listener = s->c.ctx;
    x->receive = x->listener->receive;
    x->tables = tables_ref(x->receive->tables);
    enter(x);
    x->md = EVP_MD_CTX_new();
    must(x->md);
    c = x->tables->conf;
    s->host_name = c->system.hostname;
    x->origin = (struct origin){.receive = x->receive, .tables = x->tables, .ip = s->peer.ip};
    cpq_server_begin(&x->cs,
                     &(struct cpq_server_options){.handler = &cpq_handler,
                                                  .serial = c->system.serial.n ? c->system.serial : str_lit("unknown"),
                                                  .role = str_lit("gateway"),
                                                  .version = str_lit(PRODUCT_RELEASE),
                                                  .max_meta = CPQ_META_MAX,
                                                  .max_bytes = c->spool.max_message_bytes});
    s->idle_ms = STRANGER_IDLE_MS;
    if (!x->tables->cpq_tls)
        s->offers &= ~(unsigned)SMTP_OFFER_TLS;
}

static enum smtp_next on_connect(struct smtp_server *s)
{
    struct release_session *x = release_of(s);
    const struct conf *c = x->tables->conf;
    const struct listener *l = x->listener;
    struct str interface = c->cpq_listener.interface;
    char local[46], peer[46];

    if (!interface.n && c->interface.n)
        interface = c->interface.items[0].name;
    x->origin.icid = board_next(x->receive->o.board, NUMBER_ICID);
    event(x->receive->o.events, cpq_incoming, .icid = x->origin.icid, .interface = interface,
          .local_ip = l->via_link ? str_lit("link") : ip_text(&s->peer.local, local),
          .peer_ip = l->via_link ? str_c(l->socket_name) : ip_text(&s->peer.ip, peer), .via_link = l->via_link);
    smtp_greet(s, str_lit(PRODUCT_NAME " CPQ ready"));
    return SMTP_DONE;
}

static void on_tls(struct smtp_server *s, bool ok)
{
    struct release_session *x = release_of(s);
    const struct conf *c = x->tables->conf;
    struct events *ev = x->receive->o.events;
    char peer[46];

    if (!ok) {
        event(ev, cpq_tls_failed, .icid = x->origin.icid, .why = s->c.why, .peer_ip = ip_text(&s->peer.ip, peer));
        return;
    }
    x->peer = cpq_peer_by_print(c, s->c.tls->peer_print);
    x->origin.tls = s->c.tls;
    event(ev, cpq_tls, .icid = x->origin.icid, .protocol = s->c.tls->version, .cipher = s->c.tls->cipher);
}

static void on_end(struct smtp_server *s, enum smtp_end how)
{
    struct release_session *x = release_of(s);
    struct receive *r = x->receive;

    (void)how;
    if (x->asking)
        bus_cancel(r->o.bus, x->asking);
    if (x->stored)
        message_forget(x->stored);
    message_drop(&x->origin, &x->message, true);
    if (x->origin.icid)
        event(r->o.events, cpq_closed, .icid = x->origin.icid);
    EVP_MD_CTX_free(x->md);
    cpq_server_done(&x->cs);
    tables_unref(x->tables);
    if (x->previous)
        x->previous->next = x->next;
    else
        r->releases = x->next;
    if (x->next)
        x->next->previous = x->previous;
    listener_count(x->listener, -1);
    r->open--;
    receive_check_stopped(r);
}

void releases_expel(struct receive *r, struct str last, bool suspended_only)
{
    for (struct release_session *x = r->releases, *next; x; x = next) {
        next = x->next;
        if (x->stored || (suspended_only && !x->listener->suspended))
            continue;
        x->cs.s.how = SMTP_END_CLOSED;
        conversation_abort(&x->cs.s.c, last);
    }
}

/* ---- a message ---------------------------------------------------------------------------------------------------------
 */

static enum smtp_next on_mail(struct smtp_server *s, const struct smtp_mail *m)
{
    struct release_session *x = release_of(s);
    struct err e = ERR_NONE;
    enum rc rc = announce_full(x->receive->announce) ? RC_QUEUE_FULL : message_allowed(x->receive, m->size, &e);

    if (rc != RC_OK) {
        smtp_refuse(s, rc, &e);
        return SMTP_DONE;
    }
    x->origin.hello = s->hello;
    message_begin(&x->origin, &x->message);
    message_from(&x->origin, &x->message, m->from.address);
    return SMTP_DONE;
}

static enum smtp_next on_rcpt(struct smtp_server *s, const struct smtp_rcpt *r)
{
    struct release_session *x = release_of(s);
    struct recipient to = {.address = r->to.address, .notify = r->notify, .orcpt = r->orcpt};
    struct err e = ERR_NONE;
    enum rc rc = message_recipient(&x->origin, &x->message, &s->message, &to, &e);

    if (rc == RC_OK)
        cpq_recipient(&x->cs, r->to.address);
    else
        smtp_refuse(s, rc, &e);
    return SMTP_DONE;
}

static void on_reset(struct smtp_server *s, enum rc rc, const struct err *e)
{
    struct release_session *x = release_of(s);

    (void)e;
    message_drop(&x->origin, &x->message, rc == RC_OK || rc == RC_CLOSED);
}

static enum smtp_next on_data_start(struct smtp_server *s)
{
    struct release_session *x = release_of(s);

    x->message.body = spool_body_new(x->receive->spool);
    if (!x->message.body || EVP_DigestInit_ex(x->md, EVP_sha256(), NULL) != 1)
        smtp_refuse(s, RC_NO_MEMORY, NULL);
    return SMTP_DONE;
}

static enum rc on_data(struct smtp_server *s, struct str octets, struct err *e)
{
    struct release_session *x = release_of(s);

    if (EVP_DigestUpdate(x->md, octets.p, octets.n) != 1)
        return err_set(e, RC_INTERNAL, "digest");
    return spool_body_add(x->message.body, octets, e);
}

static enum rc check_content(struct release_session *x, struct err *e)
{
    static const char digits[] = "0123456789abcdef";
    unsigned char sum[EVP_MAX_MD_SIZE];
    char hex[2 * DIGEST];

    if (EVP_DigestFinal_ex(x->md, sum, NULL) != 1)
        return err_set(e, RC_INTERNAL, "digest");
    for (size_t i = 0; i < DIGEST; i++) {
        hex[2 * i] = digits[sum[i] >> 4];
        hex[2 * i + 1] = digits[sum[i] & 15];
    }
    return cpq_check(&x->cs, str_of(hex, sizeof hex), e);
}

static enum smtp_next answer(struct smtp_server *s)
{
    struct release_session *x = release_of(s);

    if (x->outcome == RC_CLOSED)
        return SMTP_CLOSE; /* whether it is stored cannot be told: no reply (B6) */
    if (x->outcome == RC_OK)
        cpq_accepted(&x->cs, x->first_mid ? x->first_mid : x->stored_mid, x->first_mid != 0);
    else
        smtp_refuse(s, x->outcome, NULL);
    return x->receive->stopping ? SMTP_CLOSE : SMTP_DONE;
}

static void settled(void *ctx, enum rc rc)
{
    struct release_session *x = ctx;

    x->stored = NULL;
    x->outcome = rc;
    conversation_resume(&x->cs.s.c);
}

/* The quarantine it left, as the log names it. */
static struct str quarantine_of(const struct cpq_meta *m)
{
    const struct json *from = json_get(m->release, "from");

    if (from && from->first && json_str_of(from->first).n)
        return json_str_of(from->first);
    return m->n_holds ? m->holds[0].quarantine : str_lit("Spam");
}

/* "SERIAL MID RELEASE", in the conversation's memory of the message; empty: it has no id. */
static struct str key_of(struct release_session *x)
{
    const struct cpq_meta *m = &x->cs.meta;
    const struct json *id = json_get(m->release, "id");

    if (!id || !id->raw.n || id->raw.n > KEY_ID_MAX || m->serial.n > KEY_ID_MAX)
        return STR_NONE;
    return arena_printf(&x->cs.s.message, "%.*s %llu %.*s", STR(m->serial), (unsigned long long)m->mid, STR(id->raw));
}

static enum rc store(struct release_session *x, struct err *e)
{
    struct smtp_server *s = &x->cs.s;
    const struct cpq_meta *m = &x->cs.meta;
    struct receive *r = x->receive;
    struct released out = {
        .meta = m, .release = m->release, .mid = m->mid, .spam = x->cs.hello.class == CPQ_SPAM_RELEASE, .key = key_of(x)};

    out.edits = released_edits(&s->message, spool_body_start(x->message.body), json_get(m->release, "edits"));
    buf_clear(&r->envelope);
    released_envelope(&out, &r->envelope);
    event(r->o.events, cpq_released, .mid = x->message.mid, .old_mid = m->mid, .host = s->hello,
          .quarantine = quarantine_of(m), .uid = m->uid);
    x->stored_mid = x->message.mid;
    x->outcome = RC_OK;
    return message_append(&x->origin, &x->message, m->envelope.sender, s->body.flags, settled, x, &x->stored, e);
}

static enum smtp_next refuse(struct smtp_server *s, enum rc rc, struct err *e)
{
    struct release_session *x = release_of(s);

    message_drop(&x->origin, &x->message, false);
    if (rc == RC_INVALID)
        cpq_refuse_content(&x->cs, e);
    else
        smtp_refuse(s, rc, e);
    return SMTP_DONE;
}

/* Once it is known whether it was taken before. Without queue nobody knows: it is stored, and queue decides later. */
static enum smtp_next judged(struct smtp_server *s)
{
    struct release_session *x = release_of(s);
    struct err e = ERR_NONE;
    enum rc rc;

    if (x->first_mid) {
        x->outcome = RC_OK;
        message_drop(&x->origin, &x->message, true);
        return answer(s);
    }
    rc = store(x, &e);
    if (rc == RC_OK)
        return smtp_wait(s, answer);
    return refuse(s, rc, &e);
}

static void on_known(void *ctx, enum rc rc, const void *msg)
{
    struct release_session *x = ctx;

    x->asking = 0;
    x->first_mid = rc == RC_OK ? ((const struct bus_release_known *)msg)->mid : 0;
    conversation_resume(&x->cs.s.c);
}

static bool ask_queue(struct release_session *x)
{
    struct bus *bus = x->receive->o.bus;
    struct bus_peer *queue = bus ? bus_peer(bus, ROLE_queue, 0) : NULL;
    struct str key = key_of(x);

    x->first_mid = 0;
    if (!queue || !key.n)
        return false;
    x->asking = bus_call(bus, queue, BUS_release_question, &(struct bus_release_question){.key = key}, ASK_MS, on_known, x);
    return true;
}

static enum smtp_next on_data_end(struct smtp_server *s)
{
    struct release_session *x = release_of(s);
    struct err e = ERR_NONE;
    enum rc rc = check_content(x, &e);

    if (rc == RC_OK)
        return ask_queue(x) ? smtp_wait(s, judged) : judged(s);
    return refuse(s, rc, &e);
}

const struct smtp_server_handler release_handler = {
    .begin = on_begin,
    .connect = on_connect,
    .mail = on_mail,
    .rcpt = on_rcpt,
    .data_start = on_data_start,
    .data = on_data,
    .data_end = on_data_end,
    .reset = on_reset,
    .tls = on_tls,
    .end = on_end,
};

const struct conversation_kind release_kind = {
    .name = "cpq",
    .first = smtp_server_first,
    .broken = smtp_server_broken,
    .done = smtp_server_done,
    .size = sizeof(struct release_session),
    .timeout_ms = IDLE_MS,
    .max_in = SMTP_MAX_IN,
};
