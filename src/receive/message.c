/*
 * One message from MAIL to the spool, whatever protocol brought it: numbers, recipients, body, envelope, events.
 *
 * Called by the SMTP session and by QMQP. A message begins with a MID, gathers recipients in the transaction's arena and a
 * body in the spool, and ends stored or dropped. What is stored is told to queue before the peer hears of it, in the same
 * turn. A struct stored lives until the spool has answered, also when the peer has gone.
 */
#include "mail/header.h"
#include "mail/received.h"
#include "receive/inside.h"

#include <stdio.h>
#include <stdlib.h>

enum { SHOWN = 512, FIRST_RECIPIENTS = 4, ENVELOPE_FIXED = 8192, DISK_MS = 1000, UID_MAX = 48 };

_Static_assert((int)SMTP_BODY_HAS_DOT == (int)BODY_HAS_DOT && (int)SMTP_BODY_HAS_8BIT == (int)BODY_HAS_8BIT &&
                   (int)SMTP_BODY_HAS_BARE == (int)BODY_HAS_BARE && (int)SMTP_BODY_LONG_LINE == (int)BODY_LONG_LINE &&
                   (int)SMTP_BODY_HAS_8BIT_HEADER == (int)BODY_HAS_8BIT_HEADER,
               "body flags of smtp and spool agree");

struct stored {
    struct stored *next; /* in the free list */
    struct receive *receive;
    uint64_t mid, icid, bytes, recipients;
    message_done_fn *done;
    void *ctx;
    size_t sender_n;
    char sender[ADDRESS_MAX];
};

/* Told once when receiving stops for want of space and once when it goes on, whether a peer asks or not. */
static void look_at_disk(void *ctx)
{
    struct receive *r = ctx;
    bool low = spool_space(r->spool, 0) != RC_OK;
    uint64_t free_kb = spool_space_free(r->spool) / 1024;

    if (low && !r->disk_low)
        event(r->o.events, disk_low, .free_kb = free_kb);
    if (!low && r->disk_low)
        event(r->o.events, disk_ok, .free_kb = free_kb);
    r->disk_low = low;
    if (low)
        loop_timer_set(r->o.loop, &r->disk, DISK_MS, look_at_disk, r);
}

enum rc message_allowed(struct receive *r, uint64_t bytes, struct err *e)
{
    enum rc rc;

    if (r->stopping)
        return err_set(e, RC_SHUTTING_DOWN, "%s", rc_info(RC_SHUTTING_DOWN)->text);
    if (!receive_ready(r))
        return err_set(e, RC_UNAVAILABLE, "%s", rc_info(RC_UNAVAILABLE)->text);
    if (r->queue_rc != RC_OK)
        return err_set(e, r->queue_rc, "%s", rc_info(r->queue_rc)->text);
    if (r->o.events && events_full(r->o.events))
        return err_set(e, RC_QUEUE_FULL, "%s", rc_info(RC_QUEUE_FULL)->text);
    rc = spool_space(r->spool, bytes);
    if ((rc == RC_OK) == r->disk_low)
        look_at_disk(r);
    if (rc == RC_OK)
        return RC_OK;
    return err_set(e, RC_NO_SPACE, "%s", rc_info(RC_NO_SPACE)->text);
}

/* The global id: kept through splits, rewrites, quarantine and release. */
static struct str message_uid(const struct origin *o, const struct message *m, char out[UID_MAX])
{
    int n = snprintf(out, UID_MAX, "%llx-%016llx", (unsigned long long)m->mid, (unsigned long long)o->receive->random);

    return str_of(out, (size_t)n);
}

void message_begin(const struct origin *o, struct message *m)
{
    struct receive *r = o->receive;

    char uid[UID_MAX];

    *m = (struct message){.mid = board_next(r->o.board, NUMBER_MID)};
    spool_transaction_begin(r->spool, &m->token);
    event(r->o.events, message_start, .mid = m->mid, .icid = o->icid, .helo = o->hello, .uid = message_uid(o, m, uid));
}

void message_from(const struct origin *o, const struct message *m, struct str sender)
{
    event(o->receive->o.events, message_sender, .mid = m->mid, .icid = o->icid, .sender = sender);
}

size_t message_recipient_bytes(const struct recipient *to)
{
    return to->address.n + to->orcpt.n + 16;
}

bool message_has_room(const struct message *m, size_t recipients, size_t bytes)
{
    return m->n + recipients <= ENVELOPE_RECIPIENTS && m->envelope_bytes + bytes <= ENVELOPE_BYTES - ENVELOPE_FIXED;
}

enum rc message_recipient(const struct origin *o, struct message *m, struct arena *a, const struct recipient *to,
                          struct err *e)
{
    size_t bytes = message_recipient_bytes(to);

    if (!message_has_room(m, 1, bytes))
        return err_set(e, RC_TOO_MANY_RECIPIENTS, "%s", rc_info(RC_TOO_MANY_RECIPIENTS)->text);
    if (m->n == m->max) {
        size_t max = m->max ? m->max * 2 : FIRST_RECIPIENTS;
        struct recipient *list = arena_array(a, struct recipient, max);

        if (!list)
            return err_set(e, RC_NO_MEMORY, "%s", rc_info(RC_NO_MEMORY)->text);
        if (m->n)
            memcpy(list, m->recipients, m->n * sizeof *list);
        m->recipients = list;
        m->max = max;
    }
    event(o->receive->o.events, message_recipient, .mid = m->mid, .icid = o->icid, .rid = m->n, .recipient = to->address);
    m->recipients[m->n++] = *to;
    m->envelope_bytes += bytes;
    return RC_OK;
}

/* ---- the Received header (RFC 5321 4.4) ------------------------------------------------------------------------------ */

static struct str date_now(struct receive *r)
{
    uint64_t now = clock_wall_ms();

    if (r->date_s != now / 1000) {
        struct arena a;
        struct str date;

        arena_init(&a, 256, 1024);
        date = header_date(&a, now);
        r->date_n = date.n < sizeof r->date ? date.n : sizeof r->date;
        memcpy(r->date, date.p, r->date_n);
        r->date_s = now / 1000;
        arena_done(&a);
    }
    return str_of(r->date, r->date_n);
}

static struct str received(const struct origin *o, const struct message *m, char line[RECEIVED_MAX])
{
    char ip[46], uid[UID_MAX];
    struct received r = {.hello = o->hello,
                         .name = o->ptr,
                         .ip = ip_text(&o->ip, ip),
                         .ip6 = o->ip.family == AF_INET6,
                         .by = o->terms->host_name,
                         .protocol = str_c(o->protocol),
                         .id = message_uid(o, m, uid),
                         .date = date_now(o->receive)};

    if (o->tls) {
        r.tls_version = o->tls->version;
        r.tls_cipher = o->tls->cipher;
    }
    if (m->given == 1) /* as the peer wrote it: what an alias stands for is nobody else's business */
        r.recipient = m->first_given;
    return received_write(&r, line);
}

enum rc message_body(const struct origin *o, struct message *m, struct err *e)
{
    char line[RECEIVED_MAX];

    m->body = spool_body_new(o->receive->spool);
    if (!m->body)
        return err_set(e, RC_NO_MEMORY, "%s", rc_info(RC_NO_MEMORY)->text);
    if (!o->terms->conf->received_header)
        return RC_OK;
    return spool_body_add(m->body, received(o, m, line), e);
}

/* ---- the end --------------------------------------------------------------------------------------------------------- */

struct header_facts {
    uint64_t received;
    struct str message_id, subject;
};

static void look(struct arena *a, struct str start, struct header_facts *out)
{
    struct header_field f;

    *out = (struct header_facts){0};
    while (header_next(&start, &f)) {
        if (f.name.n == 8 && str_eqi(f.name, str_lit("Received")))
            out->received++;
        else if (f.name.n == 10 && !out->message_id.p && str_eqi(f.name, str_lit("Message-ID")))
            out->message_id = header_unfold(a, f.value, SHOWN);
        else if (f.name.n == 7 && !out->subject.p && str_eqi(f.name, str_lit("Subject")))
            out->subject = header_unfold(a, f.value, SHOWN);
    }
}

static struct stored *stored_new(struct receive *r)
{
    struct stored *st = r->free_stored;

    if (!st)
        return malloc(sizeof *st);
    r->free_stored = st->next;
    return st;
}

/* The fate of the record is known. Order of effects: event, queue, peer (the loop's phases see to it). */
static void settled(void *ctx, enum rc rc, const struct spool_ref *ref)
{
    struct stored *st = ctx;
    struct receive *r = st->receive;
    message_done_fn *done = st->done;
    void *done_ctx = st->ctx;

    if (rc == RC_OK) {
        event(r->o.events, message_ready, .mid = st->mid, .bytes = st->bytes, .sender = str_of(st->sender, st->sender_n),
              .icid = st->icid, .recipients = st->recipients);
        announce_stored(r->announce, ref, st->mid, st->bytes);
    } else {
        event(r->o.events, receiving_failed, .icid = st->icid, .reason = str_lit("Queue could not store the message"));
        if (rc != RC_CLOSED) { /* else queue may find it */
            event(r->o.events, message_aborted, .mid = st->mid);
            event(r->o.events, message_finished, .mid = st->mid);
        }
    }
    st->next = r->free_stored;
    r->free_stored = st;
    if (done)
        done(done_ctx, rc);
}

void message_stored_free(struct receive *r)
{
    while (r->free_stored) {
        struct stored *st = r->free_stored;

        r->free_stored = st->next;
        free(st);
    }
}

void message_forget(struct stored *st)
{
    st->done = NULL;
}

static void fill_envelope(const struct origin *o, const struct message *m, struct arena *a, const struct header_facts *f,
                          struct envelope *env)
{
    char ip[46], uid[UID_MAX];

    env->received_ms = clock_wall_ms();
    env->icid = o->icid;
    env->uid = arena_str(a, message_uid(o, m, uid));
    env->listener = o->terms->conf->name;
    env->outgoing = m->outgoing;
    env->client_ip = arena_str(a, ip_text(&o->ip, ip));
    env->client_name = o->ptr;
    env->helo = o->hello;
    env->auth_user = o->user;
    env->sender_group = o->group;
    env->reputation = o->reputation;
    env->flow_policy = o->flow->name;
    if (o->tls)
        env->tls = arena_printf(a, "%.*s %.*s", STR(o->tls->version), STR(o->tls->cipher));
    env->subject = f->subject;
    env->message_id = f->message_id;
    env->recipients = m->recipients;
    env->n_recipients = m->n;
}

static void header_events(const struct origin *o, const struct message *m, const struct header_facts *f)
{
    struct events *ev = o->receive->o.events;

    if (f->message_id.n)
        event(ev, message_id, .mid = m->mid, .message_id = f->message_id);
    if (f->subject.p)
        event(ev, message_subject, .mid = m->mid, .subject = f->subject);
}

static struct stored *hold(const struct origin *o, const struct message *m, struct str sender)
{
    struct stored *st = stored_new(o->receive);

    if (!st)
        return NULL;
    st->receive = o->receive;
    st->mid = m->mid;
    st->icid = o->icid;
    st->bytes = spool_body_bytes(m->body);
    st->recipients = m->n + m->dropped;
    st->sender_n = sender.n < sizeof st->sender ? sender.n : sizeof st->sender;
    if (st->sender_n)
        memcpy(st->sender, sender.p, st->sender_n);
    return st;
}

/* A message that is over, whatever became of it. */
static void forget(struct receive *r, struct message *m)
{
    spool_transaction_end(r->spool, m->token);
    spool_body_free(m->body);
    event(r->o.events, message_finished, .mid = m->mid);
    *m = (struct message){0};
}

/* A blackhole listener, and aliases that leave no recipient, answer 250 and keep nothing. */
static void swallow(const struct origin *o, struct message *m)
{
    event(o->receive->o.events, message_dropped, .mid = m->mid, .by = o->terms->conf->type == 2 ? 4 : 5,
          .filter = o->terms->conf->name);
    forget(o->receive, m);
}

enum rc message_store(const struct origin *o, struct message *m, struct arena *a, struct envelope *env, uint64_t flags,
                      message_done_fn *done, void *ctx, struct stored **out, struct err *e)
{
    struct receive *r = o->receive;
    struct header_facts facts;

    look(a, spool_body_start(m->body), &facts);
    if (facts.received > o->tables->conf->receiving.max_received + (o->terms->conf->received_header ? 1 : 0))
        return err_set(e, RC_LOOP, "%s", rc_info(RC_LOOP)->text);
    header_events(o, m, &facts);
    if (o->terms->conf->type == 2 || !m->n) {
        swallow(o, m);
        *out = NULL;
        return RC_OK;
    }
    fill_envelope(o, m, a, &facts, env);
    buf_clear(&r->envelope);
    envelope_encode(env, &r->envelope);
    if (env->body != BODY_BINARYMIME)
        flags &= ~(uint64_t)BODY_HAS_BARE; /* they were made CRLF: nothing bare is in the spool */
    return message_append(o, m, env->sender, flags, done, ctx, out, e);
}

enum rc message_append(const struct origin *o, struct message *m, struct str sender, uint64_t flags, message_done_fn *done,
                       void *ctx, struct stored **out, struct err *e)
{
    struct receive *r = o->receive;
    struct stored *st = r->envelope.failed ? NULL : hold(o, m, sender);

    if (!st)
        return err_set(e, RC_NO_MEMORY, "%s", rc_info(RC_NO_MEMORY)->text);
    st->done = done;
    st->ctx = ctx;
    *out = st;
    spool_append(r->spool, m->token, m->mid, flags, buf_str(&r->envelope), m->body, settled, st);
    *m = (struct message){0};
    return RC_OK;
}

void message_drop(const struct origin *o, struct message *m, bool by_sender)
{
    if (!m->mid)
        return;
    event(o->receive->o.events, message_aborted, .mid = m->mid, .by_sender = by_sender);
    forget(o->receive, m);
}
