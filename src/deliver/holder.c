/*
 * Delivery to quarantines: the destinations the.cpq.host and the.euq.queue, by CPQ, to this machine or to the manager.
 *
 * Called by destination.c and link.c in place of resolving, connecting and logging (where the mail goes: holder_way.c). Owns
 * nothing. Nothing bounces here: what the holder does not take stays in queue, whatever it answered (central.md 7.4); the
 * back-off of the destination decides when it is tried again. The local policy quarantines write no lines of a connection
 * (logs.md 8): the holder says what was quarantined.
 */
#include "deliver/inside.h"

#include "base/clock.h"

#include <openssl/evp.h>

enum { DIGEST_CHUNK = 64 << 10, META_ARENA_MAX = 64 << 20 };

static const struct str LOCAL = {"127.0.0.1", 9};

bool holder_is(struct str name, enum cpq_class *class_out)
{
    if (!str_eqi(name, str_lit("the.cpq.host")) && !str_eqi(name, str_lit("the.euq.queue")))
        return false;
    *class_out = str_eqi(name, str_lit("the.cpq.host")) ? CPQ_PVO : CPQ_SPAM;
    return true;
}

/* ---- metadata ------------------------------------------------------------------------------------------------------ */

static enum rc digest_octets(struct deliver *d, struct piece *p, EVP_MD_CTX *md, struct err *e)
{
    struct buf chunk = BUF(DIGEST_CHUNK);
    enum rc rc = RC_OK;
    uint64_t at = 0;

    while (rc == RC_OK && at < p->job.body_bytes) {
        uint64_t left = p->job.body_bytes - at;
        size_t n = left < DIGEST_CHUNK ? (size_t)left : DIGEST_CHUNK;
        char *to;

        buf_clear(&chunk);
        to = buf_reserve(&chunk, n);
        rc = to ? piece_read(d, p, at, to, n) : RC_NO_MEMORY;
        if (rc == RC_OK && EVP_DigestUpdate(md, to, n) != 1)
            rc = RC_INTERNAL;
        at += n;
    }
    buf_done(&chunk);
    return rc == RC_OK ? RC_OK : err_set(e, rc, "message %llu cannot be read", (unsigned long long)p->mid);
}

static enum rc digest(struct deliver *d, struct piece *p, char hex[65], struct err *e)
{
    static const char digits[] = "0123456789abcdef";
    EVP_MD_CTX *md = EVP_MD_CTX_new();
    unsigned char sum[32];
    enum rc rc = RC_INTERNAL;

    if (md && EVP_DigestInit_ex(md, EVP_sha256(), NULL) == 1)
        rc = digest_octets(d, p, md, e);
    if (rc == RC_OK && EVP_DigestFinal_ex(md, sum, NULL) != 1)
        rc = RC_INTERNAL;
    EVP_MD_CTX_free(md);
    if (rc != RC_OK)
        return rc;
    for (size_t i = 0; i < sizeof sum; i++) {
        hex[2 * i] = digits[sum[i] >> 4];
        hex[2 * i + 1] = digits[sum[i] & 15];
    }
    hex[64] = '\0';
    return RC_OK;
}

/* The envelope with those recipients that the piece is for. */
static bool own_envelope(struct piece *p, struct envelope *out)
{
    struct recipient *list = arena_array(&p->arena, struct recipient, p->n_recipients ? p->n_recipients : 1);

    if (!list)
        return false;
    *out = p->envelope;
    for (size_t i = 0; i < p->n_recipients; i++)
        list[i] = p->envelope.recipients[p->recipients[i]];
    out->recipients = list;
    out->n_recipients = p->n_recipients;
    return true;
}

static enum rc complete(struct deliver *d, struct piece *p, const char *hex, struct err *e)
{
    const struct conf *c = deliver_conf(d);
    struct envelope env;
    struct cpq_facts facts = {.class = p->to->class,
                              .serial = c->system.serial.n ? c->system.serial : str_lit("unknown"),
                              .host = c->system.hostname,
                              .mid = p->mid,
                              .now_ms = clock_wall_ms(),
                              .size = p->job.body_bytes,
                              .sha256 = str_of(hex, 64),
                              .envelope = &env};
    struct arena scratch;
    enum rc rc;

    if (!own_envelope(p, &env))
        return err_set(e, RC_NO_MEMORY, "out of memory");

    arena_init(&scratch, 4096, META_ARENA_MAX);
    buf_clear(&p->meta);
    rc = p->to->release ? releaser_origin(&scratch, p->carried.meta, &facts, e) : RC_OK;
    if (rc == RC_OK)
        rc = cpq_meta_complete(&scratch, p->carried.meta, &facts, &p->meta, e);
    if (rc == RC_SYNTAX &&
        !p->to->release) { /* what scan made is no metadata: the message goes all the same, with what we know */
        buf_clear(&p->meta);
        rc = cpq_meta_complete(&scratch, STR_NONE, &facts, &p->meta, e);
    }
    arena_done(&scratch);
    return rc;
}

enum rc holder_prepare(struct deliver *d, struct piece *p, struct err *e)
{
    char hex[65];

    TRY(digest(d, p, hex, e));
    TRY(complete(d, p, hex, e));
    p->job.meta = buf_str(&p->meta);
    return RC_OK;
}

/* ---- what is said --------------------------------------------------------------------------------------------------- */

static struct str rids_of(struct deliver *d, const struct piece *p)
{
    buf_clear(&d->rids);
    for (size_t i = 0; i < p->n_recipients; i++)
        buf_put_varint(&d->rids, p->recipients[i]);
    return buf_str(&d->rids);
}

static bool is_spam(const struct link *l)
{
    return l->to->class == CPQ_SPAM || l->to->class == CPQ_SPAM_RELEASE;
}

void holder_connected(struct link *l)
{
    if (!l->central && is_spam(l))
        l->rcid = board_next(l->to->d->o.board, NUMBER_RCID);
}

void holder_begin(struct link *l, const struct piece *p)
{
    struct deliver *d = l->to->d;

    if (l->to->release)
        event(d->o.events, release_start, .dcid = l->dcid, .mid = p->mid, .rids = rids_of(d, p), .spam = is_spam(l),
              .via_link = l->via_link);
    else if (l->central)
        event(d->o.events, hold_start, .dcid = l->dcid, .mid = p->mid, .rids = rids_of(d, p), .spam = is_spam(l),
              .via_link = l->via_link);
    else if (is_spam(l))
        event(d->o.events, spam_transfer_start, .rcid = l->rcid, .mid = p->mid);
}

static void say_taken(struct link *l, struct piece *p, const struct delivery_result *r)
{
    struct deliver *d = l->to->d;

    if (!l->central) {
        if (is_spam(l))
            event(d->o.events, spam_transfer_done, .rcid = l->rcid, .mid = p->mid);
        return;
    }
    event(d->o.events, hold_done, .dcid = l->dcid, .mid = p->mid, .rids = rids_of(d, p), .spam = is_spam(l));
    event(d->o.events, delivery_response, .mid = p->mid, .rids = rids_of(d, p), .response = r->text);
}

static void say_refused(struct link *l, const struct piece *p, const struct delivery_result *r)
{
    if (!l->central && is_spam(l))
        event(l->to->d->o.events, spam_transfer_rejected, .rcid = l->rcid, .mid = p->mid);
    event(l->to->d->o.events, quarantine_refused, .mid = p->mid, .code = r->code, .why = r->text);
}

static void say_closed_door(struct link *l, uint64_t code, struct str why)
{
    char ip[46];

    event(l->to->d->o.events, central_refused, .class = str_c(cpq_class_name(l->to->class)), .host = l->options.host,
          .ip = ip_text(&l->ip, ip), .port = l->ip.port, .code = code, .why = why);
}

/* ---- replies (central.md 7.4) ---------------------------------------------------------------------------------------- */

/* 550 5.7.1 to MAIL: the service is off for us. */
static bool is_closed_door(const struct link *l, const struct delivery_result *r)
{
    return l->central && r->code == 550;
}

static bool is_set_aside(const struct delivery_result *r)
{
    return r->class == RESULT_BOUNCED || r->code / 100 == 5;
}

static void tell_all(struct link *l, struct piece *p, struct delivery_result *same)
{
    struct delivery_result own[PIECE_RECIPIENTS];

    outcome_tell(l->to->d, p, 0, own, outcome_fill(p, own, same));
}

static void set_aside(struct link *l, struct piece *p, struct delivery_result *same)
{
    event(l->to->d->o.events, hold_set_aside, .mid = p->mid, .code = same->code, .why = same->text);
    same->class = RESULT_DELAYED;
    same->reason = REASON_SET_ASIDE;
    if (same->code < 550) /* we do not understand each other: the connection is of no use */
        smtp_client_finish(l->client);
    tell_all(l, p, same);
}

static void taken(struct link *l, struct piece *p, struct delivery_result *same)
{
    say_taken(l, p, same);
    same->reason = l->central || l->to->class == CPQ_SPAM ? REASON_NONE : REASON_HELD; /* no notices for held mail */
    l->to->away_since_ms = 0;
    l->to->failed = false;
    if (!l->central || !copy_keep(l->to->d, p, same))
        tell_all(l, p, same);
}

void holder_results(struct link *l, struct piece *p, const struct delivery_result *r, size_t n)
{
    struct delivery_result same = n ? r[0] : (struct delivery_result){.class = RESULT_DELAYED, .enhanced = {"4.3.0", 5}};

    if (same.class == RESULT_DELIVERED) {
        taken(l, p, &same);
        return;
    }
    say_refused(l, p, &same);
    if (is_closed_door(l, &same)) {
        say_closed_door(l, same.code, same.text);
        l->to->refusing = true;
        l->hop_bad = true;
        l->failed_enhanced = "4.7.1";
        l->failed_text = arena_str(&l->arena, str_first(same.text, 1000));
        pieces_push_front(&l->to->pending, p); /* goes back to queue with the others when the link has closed */
        smtp_client_finish(l->client);
    } else if (same.code == 554 && !p->again) {
        p->again = true;
        pieces_push_front(&l->to->pending, p);
        smtp_client_finish(l->client);
    } else if (is_set_aside(&same)) {
        set_aside(l, p, &same);
    } else {
        same.class = RESULT_DELAYED;
        same.reason = REASON_NONE;
        tell_all(l, p, &same);
    }
}

static bool is_tls_trouble(const struct smtp_client_failure *f)
{
    return f->stage == SMTP_AT_TLS || f->rc == RC_TLS_FAILED || f->rc == RC_TLS_REQUIRED || f->code == 454 || f->code == 530;
}

void holder_failed(struct link *l, const struct piece *p, const struct smtp_client_failure *f)
{
    struct events *ev = l->to->d->o.events;

    if (l->central) {
        if (f->code == 550 || is_tls_trouble(f))
            say_closed_door(l, f->code, f->text);
        l->to->refusing = f->code == 550;
        return;
    }
    if (is_spam(l) && p)
        event(ev, spam_transfer_failed, .rcid = l->rcid, .mid = p->mid, .ip = LOCAL, .why = f->text);
    event(ev, quarantine_unreachable, .class = str_c(cpq_class_name(l->to->class)), .why = f->text);
}
