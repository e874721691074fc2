/*
 * Notifications of failure, delay and relay: who is told, and what is on disk before what.
 *
 * Called by outcome.c and once a turn. Owns the list of notices. The failed recipients of a message in one turn make one
 * notice (I4). Their pieces keep their flight slots until the notice is on stable storage in queue's own segment; then one
 * journal group holds the new message and the end of the old recipients, so that a crash before it repeats the bounce from
 * flight board or retry and a crash after it loses nothing. An unjournaled notice in the segment does not count. A notice
 * that cannot be stored is tried again every 10 s. Notices of delay and relay hold nothing: losing one loses no mail.
 */
#include "base/clock.h"
#include "base/must.h"
#include "event/record.h"
#include "mail/dsn.h"
#include "mail/envelope.h"
#include "mail/header.h"
#include "queue/made.h"

#include <stdio.h>
#include <stdlib.h>

enum { AGAIN_MS = 10000, HEADERS_MAX = 64 << 10, NOTICE_OVERHEAD = 16 << 20, TOLD_MAX = PIECE_RECIPIENTS * 40 };
enum notice_state { NOTICE_COLLECTING, NOTICE_WRITING, NOTICE_WAITING };

struct told {
    uint64_t index;
    struct str status, text, mta;
    uint64_t code;
};

struct held {
    uint32_t piece;
    int deliverer, slot;
};

struct settling {
    struct settling *next;
    struct queue *q;
    uint64_t mid;
    struct made made;
    enum dsn_kind kind;
    enum notice_state state;
    struct arena arena; /* texts */
    struct told *told;
    struct held *held;
    size_t n_told, n_held;
    struct str to;
    char profile[129];
    struct loop_timer timer;
};

static void notice_free(struct settling *s)
{
    loop_timer_cancel(s->q->loop, &s->timer);
    arena_done(&s->arena);
    free(s->told);
    free(s->held);
    free(s);
}

static void notice_remove(struct queue *q, struct settling *s)
{
    struct settling **at = &q->settling;

    while (*at != s)
        at = &(*at)->next;
    *at = s->next;
    notice_free(s);
}

static void stored(void *ctx, enum rc rc, uint32_t message);

/* The notice of this message that still collects, or a new one. */
static struct settling *notice_of(struct queue *q, uint32_t piece, enum dsn_kind kind)
{
    uint64_t mid = message_at(q, piece_at(q, piece)->message)->mid;
    struct settling *s;

    for (s = q->settling; s; s = s->next)
        if (s->mid == mid && s->kind == kind && s->state == NOTICE_COLLECTING && s->n_told < TOLD_MAX)
            return s;
    s = calloc(1, sizeof *s);
    must(s);
    s->q = q;
    s->made = (struct made){.q = q, .stored = stored, .ctx = s};
    s->mid = mid;
    s->kind = kind;
    arena_init(&s->arena, 1024, 64 << 20);
    snprintf(s->profile, sizeof s->profile, "%.*s", STR(profile_of(q, piece)->name));
    s->next = q->settling;
    q->settling = s;
    return s;
}

static void tell(struct settling *s, const struct delivery_result *r)
{
    struct told *more;

    if (s->n_told % 16 == 0) {
        more = realloc(s->told, (s->n_told + 16) * sizeof *more);
        must(more);
        s->told = more;
    }
    s->told[s->n_told++] = (struct told){r->recipient, arena_str(&s->arena, r->enhanced), arena_str(&s->arena, r->text),
                                         arena_str(&s->arena, r->mta), r->code};
}

static void hold(struct settling *s, uint32_t piece, int deliverer, int slot)
{
    struct held *more = realloc(s->held, (s->n_held + 1) * sizeof *more);

    must(more);
    s->held = more;
    s->held[s->n_held++] = (struct held){piece, deliverer, slot};
    piece_at(s->q, piece)->state = PIECE_SETTLING;
}

static bool envelope_of(struct queue *q, const struct message *m, struct arena *a, struct spool_head *head_out,
                        struct envelope *env_out)
{
    struct str octets;

    return spool_read_head(q->reader, message_ref(q, m), a, head_out, &octets, NULL) == RC_OK &&
           envelope_decode(a, octets, env_out, NULL) == RC_OK;
}

static bool wants(const struct envelope *env, uint64_t index, uint64_t what)
{
    uint64_t notify = index < env->n_recipients ? env->recipients[index].notify : NOTIFY_NEVER;

    return notify == 0 ? what != NOTIFY_SUCCESS : (notify & what) != 0;
}

static void say_double(struct queue *q, const struct message *m, const struct delivery_result *r, size_t n)
{
    for (size_t i = 0; i < n; i++) {
        struct event_class class = event_class_of(r[i].enhanced, (unsigned)r[i].code);

        event(q->events, double_bounce, .mid = m->mid, .rid = r[i].recipient, .enhanced = class.enhanced,
              .class = class.text, .code = r[i].code, .lines = r[i].text);
    }
}

/* Puts those to be told on a notice; NULL = nobody. */
static struct settling *collect(struct queue *q, uint32_t piece, const struct delivery_result *r, size_t n)
{
    struct message *m = message_at(q, piece_at(q, piece)->message);
    struct spool_head head;
    struct envelope env;
    struct settling *s = NULL;

    if (m->flags & MESSAGE_BOUNCE) {
        say_double(q, m, r, n);
        return NULL;
    }
    if (!profile_of(q, piece)->failure_dsn || !envelope_of(q, m, &q->scratch, &head, &env))
        return NULL;
    for (size_t i = 0; i < n; i++)
        if (wants(&env, r[i].recipient, NOTIFY_FAILURE))
            tell(s = s ? s : notice_of(q, piece, DSN_FAILURE), &r[i]);
    return s;
}

bool bounce_add(struct queue *q, uint32_t piece, const struct delivery_result *r, size_t n, int deliverer, int slot)
{
    uint16_t indices[PIECE_RECIPIENTS];
    struct settling *s = collect(q, piece, r, n);

    if (s) {
        hold(s, piece, deliverer, slot);
        loop_again(q->loop);
        return true;
    }
    for (size_t i = 0; i < n; i++)
        indices[i] = (uint16_t)r[i].recipient;
    outcome_final(q, piece, indices, n);
    return false;
}

void bounce_delayed(struct queue *q, uint32_t piece, const struct delivery_result *r, size_t n)
{
    struct message *m = message_at(q, piece_at(q, piece)->message);
    const struct conf_bounce_profile *p = profile_of(q, piece);
    struct delivery_result why = {.class = RESULT_DELAYED,
                                  .text = str_c(destination_at(q, piece_at(q, piece)->destination)->reason)};
    struct spool_head head;
    struct envelope env;
    size_t told = 0;

    if (m->flags & MESSAGE_BOUNCE || !p->delay_dsn || m->delay_dsns >= p->delay_dsn_max || m->delay_dsns == UINT8_MAX ||
        clock_wall_ms() < m->entered_ms + p->delay_dsn_after_ms * (m->delay_dsns + 1u))
        return;
    m->delay_dsns++;
    if (!envelope_of(q, m, &q->scratch, &head, &env))
        return;
    for (uint32_t i = piece_at(q, piece)->recipients; i; i = recipient_at(q, i)->next) {
        const struct delivery_result *said = &why;

        for (size_t k = 0; k < n; k++)
            if (r[k].recipient == recipient_at(q, i)->index && r[k].class == RESULT_DELAYED)
                said = &r[k];
        why.recipient = recipient_at(q, i)->index;
        if (wants(&env, why.recipient, NOTIFY_DELAY)) {
            tell(notice_of(q, piece, DSN_DELAY), said);
            told++;
        }
    }
    if (told)
        loop_again(q->loop);
}

void bounce_relayed(struct queue *q, uint32_t piece, const struct delivery_result *r)
{
    if (message_at(q, piece_at(q, piece)->message)->flags & MESSAGE_BOUNCE)
        return;
    tell(notice_of(q, piece, DSN_RELAYED), r);
    loop_again(q->loop);
}

/* --- the notice itself ----------------------------------------------------------------------------------------------------
 */

/* The original, or its header section: an arena's octets. */
static struct str original_of(struct queue *q, const struct spool_head *head, bool full)
{
    size_t n = full || head->body_bytes < HEADERS_MAX ? head->body_bytes : HEADERS_MAX;
    char *p = arena_alloc(&q->scratch, n + 1);
    uint32_t crc = 0;
    struct str all = {p, n};

    if (!p || spool_read_body(q->reader, head, 0, p, n, &crc, NULL) != RC_OK)
        return STR_NONE;
    return full ? all : str_first(all, header_length(all));
}

static struct str boundary_of(struct queue *q)
{
    return arena_printf(&q->scratch, "b%016llx%016llx", (unsigned long long)random_u64(), (unsigned long long)random_u64());
}

static struct str subject_of(const struct conf_bounce_profile *p, enum dsn_kind kind)
{
    return kind == DSN_FAILURE ? p->failure_subject : kind == DSN_DELAY ? p->delay_subject : p->success_subject;
}

static void list_recipients(struct queue *q, const struct settling *s, const struct envelope *env, struct dsn *d)
{
    struct dsn_recipient *list = arena_must_alloc(&q->scratch, (s->n_told + 1) * sizeof *list);

    d->recipients = list;
    for (size_t i = 0; i < s->n_told; i++)
        if (s->told[i].index < env->n_recipients)
            list[d->n_recipients++] = (struct dsn_recipient){.address = env->recipients[s->told[i].index].address,
                                                             .orcpt = env->recipients[s->told[i].index].orcpt,
                                                             .status = s->told[i].status,
                                                             .code = s->told[i].code,
                                                             .text = s->told[i].text,
                                                             .mta = s->told[i].mta};
}

static enum rc store(struct settling *s, const struct dsn *d, struct str text)
{
    struct recipient to = {.address = s->to};
    struct envelope env = {.received_ms = d->now_ms,
                           .parent_mid = s->mid,
                           .smtputf8 = dsn_needs_utf8(d),
                           .subject = d->subject,
                           .recipients = &to,
                           .n_recipients = 1};

    return made_store(&s->made, &env, text);
}

static enum rc write_notice(struct settling *s, const struct message *m)
{
    struct queue *q = s->q;
    const struct conf *c = conf_now(q->conf);
    const struct conf_bounce_profile *p = profile_named(q, str_c(s->profile));
    struct spool_head head;
    struct envelope env;
    struct buf text = BUF(NOTICE_OVERHEAD + (size_t)p->dsn_original_max_bytes);
    struct dsn d = {.kind = s->kind,
                    .host = c->system.hostname,
                    .from = c->queue.postmaster,
                    .mid = s->mid,
                    .now_ms = clock_wall_ms(),
                    .arrival_ms = m->entered_ms,
                    .retry_until_ms = m->entered_ms + p->max_age_ms};
    enum rc rc;

    arena_reset(&q->scratch);
    if (!envelope_of(q, m, &q->scratch, &head, &env))
        return RC_CORRUPT;
    d.full = s->kind == DSN_FAILURE && (env.ret == RET_FULL || (env.ret == RET_NONE && p->dsn_return == 1)) &&
             head.body_bytes <= p->dsn_original_max_bytes;
    d.original = original_of(q, &head, d.full);
    if (!d.original.p && d.full)
        d.original = original_of(q, &head, d.full = false);
    d.to = s->to = arena_str(&s->arena, p->alternate_address.n ? p->alternate_address : env.sender);
    d.subject = subject_of(p, s->kind);
    d.envid = env.envid;
    d.boundary = boundary_of(q);
    list_recipients(q, s, &env, &d);
    dsn_write(&d, &text);
    rc = text.failed ? RC_NO_MEMORY : store(s, &d, buf_str(&text));
    buf_done(&text);
    return rc;
}

/* --- after it is stored
 * ---------------------------------------------------------------------------------------------------- */

/* The recipients of a held piece are final: told of, or not to be told. */
static void let_go(struct queue *q, const struct held *h)
{
    uint16_t indices[PIECE_RECIPIENTS];
    size_t n = 0;

    for (uint32_t r = piece_at(q, h->piece)->recipients; r && n < PIECE_RECIPIENTS; r = recipient_at(q, r)->next)
        indices[n++] = recipient_at(q, r)->index;
    outcome_final(q, h->piece, indices, n);
    piece_at(q, h->piece)->state = PIECE_HELD;
    piece_end(q, h->piece);
    if (h->slot >= 0)
        dispatch_free_slot(q, (uint8_t)h->deliverer, (uint16_t)h->slot);
}

static void settle(struct settling *s)
{
    struct queue *q = s->q;
    uint32_t message = message_find(q, s->mid);

    for (size_t i = 0; i < s->n_held; i++)
        let_go(q, &s->held[i]);
    if (message && s->kind == DSN_DELAY)
        entry_dsn(q, message);
    if (message)
        message_end_if_done(q, message);
    notice_remove(q, s);
}

static void say_made(const struct settling *s)
{
    struct queue *q = s->q;
    uint64_t mid = s->made.mid;

    event(q->events, message_start, .mid = mid);
    if (s->kind == DSN_FAILURE)
        event(q->events, message_generated_bounce, .mid = mid, .parent = s->mid, .recipients = s->n_told);
    else
        event(q->events, message_generated, .mid = mid, .parent = s->mid, .by = str_lit("notify"));
    event(q->events, message_sender, .mid = mid);
    event(q->events, message_recipient, .mid = mid, .recipient = s->to);
    event(q->events, message_ready, .mid = mid, .bytes = s->made.bytes, .recipients = 1);
}

static void again(void *ctx)
{
    struct settling *s = ctx;

    s->state = NOTICE_COLLECTING;
    loop_again(s->q->loop);
}

static void put_off(struct settling *s)
{
    s->state = NOTICE_WAITING;
    loop_timer_set(s->q->loop, &s->timer, AGAIN_MS, again, s);
}

static void stored(void *ctx, enum rc rc, uint32_t message)
{
    struct settling *s = ctx;

    if (rc != RC_OK) {
        if (rc != RC_SHUTTING_DOWN)
            put_off(s);
        return;
    }
    say_made(s);
    work_verdict(s->q, message, 0, STR_NONE);
    settle(s);
}

void bounce_run(struct queue *q)
{
    for (struct settling *s = q->settling, *next; s; s = next) {
        uint32_t message = s->state == NOTICE_COLLECTING ? message_find(q, s->mid) : 0;
        enum rc rc;

        next = s->next;
        if (s->state != NOTICE_COLLECTING)
            continue;
        s->state = NOTICE_WRITING;
        rc = message ? write_notice(s, message_at(q, message)) : RC_CORRUPT;
        if (rc == RC_CORRUPT) /* the original is damaged or gone: the recipients end without a notice */
            settle(s);
        else if (rc != RC_OK)
            put_off(s);
    }
}

void bounce_done(struct queue *q)
{
    while (q->settling)
        notice_remove(q, q->settling);
}
