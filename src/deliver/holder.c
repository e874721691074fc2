/*
 * Delivery to the quarantines of this machine: the destinations the.cpq.host and the.euq.queue, by CPQ over a socket file.
 *
 * Called by destination.c and link.c in place of resolving, connecting and logging. Owns nothing. Nothing bounces here: what
 * the holder does not take stays in queue, whatever it answered; the back-off of the destination decides when it is tried
 * again. Policy quarantines write no lines of a connection (logs.md 8): the holder says what was quarantined.
 */
#include "deliver/inside.h"

#include "base/clock.h"

#include <openssl/evp.h>

enum { DIGEST_CHUNK = 64 << 10, META_ARENA_MAX = 64 << 20, CONNECT_MS = 30000, COMMAND_MS = 120000, FINAL_MS = 600000 };

static const struct str LOCAL = {"127.0.0.1", 9};

bool holder_is(struct str name, enum cpq_class *class_out)
{
    if (!str_eqi(name, str_lit("the.cpq.host")) && !str_eqi(name, str_lit("the.euq.queue")))
        return false;
    *class_out = str_eqi(name, str_lit("the.cpq.host")) ? CPQ_PVO : CPQ_SPAM;
    return true;
}

void holder_hops(struct destination *to)
{
    to->conf_version = deliver_conf(to->d)->version; /* never stale */
    if (to->state == DESTINATION_READY && to->n_hops)
        return;
    to->hops = arena_new(&to->arena, struct hop);
    to->n_hops = to->hops ? 1 : 0;
    if (!to->hops)
        return;
    to->hops->host = str_lit("localhost");
    to->hops_life++;
    to->hops_until_ms = UINT64_MAX;
    to->state = DESTINATION_READY;
}

struct conversation *holder_connect(struct link *l)
{
    struct destination *to = l->to;
    const struct conf *c = deliver_conf(to->d);
    struct smtp_client_options *o = &l->options;

    l->cpq = (struct smtp_client_cpq){.class_name = str_c(cpq_class_name(to->class)),
                                      .serial = arena_str(&l->arena, c->system.serial),
                                      .role = str_lit("gateway"),
                                      .version = str_lit("1")};
    if (!l->cpq.serial.n)
        l->cpq.serial = str_lit("unknown");
    o->cpq = &l->cpq;
    o->tls = SMTP_TLS_NONE;
    o->auth_user = STR_NONE;
    o->pipelining = true;
    o->greeting_ms = CONNECT_MS;
    o->command_ms = COMMAND_MS;
    o->dot_ms = FINAL_MS;
    o->max_messages = UINT64_MAX;
    return conversation_connect_unix(to->d->o.loop, to->d->o.holder ? to->d->o.holder : "", CONNECT_MS, &smtp_client_kind,
                                     &l->setup);
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

void holder_connected(struct link *l)
{
    if (l->to->class == CPQ_SPAM)
        l->rcid = board_next(l->to->d->o.board, NUMBER_RCID);
}

void holder_begin(struct link *l, const struct piece *p)
{
    if (l->to->class == CPQ_SPAM)
        event(l->to->d->o.events, spam_transfer_start, .rcid = l->rcid, .mid = p->mid);
}

static void say_refused(struct link *l, const struct piece *p, const struct delivery_result *r)
{
    if (l->to->class == CPQ_SPAM)
        event(l->to->d->o.events, spam_transfer_rejected, .rcid = l->rcid, .mid = p->mid);
    event(l->to->d->o.events, quarantine_refused, .mid = p->mid, .code = r->code, .why = r->text);
}

void holder_results(struct link *l, struct piece *p, const struct delivery_result *r, size_t n)
{
    struct delivery_result own[PIECE_RECIPIENTS];
    struct delivery_result same = n ? r[0] : (struct delivery_result){.class = RESULT_DELAYED, .enhanced = {"4.3.0", 5}};

    if (same.class == RESULT_BOUNCED)
        same.class = RESULT_DELAYED;
    if (same.class != RESULT_DELIVERED)
        say_refused(l, p, &same);
    else if (l->to->class == CPQ_SPAM)
        event(l->to->d->o.events, spam_transfer_done, .rcid = l->rcid, .mid = p->mid);
    same.reason = REASON_NONE; /* no notice of success or relay leaves for mail that is held */
    outcome_tell(l->to->d, p, 0, own, outcome_fill(p, own, &same));
}

void holder_failed(struct link *l, const struct piece *p, struct str why)
{
    struct events *ev = l->to->d->o.events;

    if (l->to->class == CPQ_SPAM && p)
        event(ev, spam_transfer_failed, .rcid = l->rcid, .mid = p->mid, .ip = LOCAL, .why = why);
    event(ev, quarantine_unreachable, .class = str_c(cpq_class_name(l->to->class)), .why = why);
}
