/*
 * What became of one try of a piece: recipients that are final, that wait, that bounce.
 *
 * Called by dispatch.c (answers of deliver), adopt.c, verbs. Retry times follow the destination's bounce profile: the wait
 * doubles from retry_first_ms to retry_max_ms; after max_tries tries or max_age_ms the rest bounces with 5.4.7.
 */
#include "base/clock.h"
#include "base/must.h"
#include "event/record.h"
#include "mail/envelope.h"
#include "queue/state.h"

#include <stdlib.h>

void outcome_final(struct queue *q, uint32_t piece, const uint16_t *indices, size_t n)
{
    uint32_t message = piece_at(q, piece)->message;

    for (size_t i = 0; i < n; i++)
        piece_remove(q, piece, indices[i]);
    if (n && message_at(q, message)->open)
        entry_final(q, message, indices, n);
}

static uint64_t retry_wait(const struct retry_rule *r, unsigned tries)
{
    uint64_t wait = r->first_ms;

    while (--tries && wait < r->max_ms)
        wait *= 2;
    return wait < r->max_ms ? wait : r->max_ms;
}

static void count_result(struct queue *q, struct destination *d, const struct delivery_result *r)
{
    d->delivered += r->class == RESULT_DELIVERED;
    d->deleted += r->class == RESULT_DROPPED;
    d->soft += r->class == RESULT_DELAYED;
    if (r->class != RESULT_BOUNCED)
        return;
    d->hard++;
    d->dns_hard += r->reason == REASON_DNS;
    d->expired_hard += r->reason == REASON_EXPIRED;
    d->five_hard += r->reason == REASON_5XX;
    d->other_hard += r->reason != REASON_DNS && r->reason != REASON_EXPIRED && r->reason != REASON_5XX;
    if (r->code < 500)
        return;
    free(d->last_5xx);
    d->last_5xx = strndup(r->text.p ? r->text.p : "", str_first(r->text, 300).n);
    d->last_5xx_ms = clock_wall_ms();
    (void)q;
}

enum { SET_ASIDE_MS = 3600000 };

static void wait_again(struct queue *q, uint32_t piece, bool set_aside)
{
    struct piece *p = piece_at(q, piece);
    struct retry_rule rule = profile_rule(q, piece);
    uint64_t wait = set_aside ? SET_ASIDE_MS : retry_wait(&rule, p->tries);

    piece_set_aside(q, piece, set_aside);
    piece_wait_until(q, piece, loop_now_ms(q->loop) + wait);
    entry_wait(q, piece);
    buf_clear(&q->list);
    for (uint32_t r = p->recipients; r; r = recipient_at(q, r)->next)
        buf_put_varint(&q->list, recipient_at(q, r)->index);
    event(q->events, delivery_pending, .mid = message_at(q, p->message)->mid, .rids = buf_str(&q->list),
          .until_ms = clock_wall_ms() + wait);
}

static const struct delivery_result expired = {.class = RESULT_BOUNCED,
                                               .reason = REASON_EXPIRED,
                                               .enhanced = {"5.4.7", 5},
                                               .text = {"Delivery expired (message too old)", 34}};

static bool is_old(struct queue *q, uint32_t piece)
{
    const struct piece *p = piece_at(q, piece);

    return clock_wall_ms() > message_at(q, p->message)->entered_ms + profile_rule(q, piece).max_age_ms;
}

bool outcome_expire(struct queue *q, uint32_t piece)
{
    const struct piece *p = piece_at(q, piece);

    if (!p->tries || (p->tries < profile_rule(q, piece).max_tries && !is_old(q, piece)))
        return false;
    arena_reset(&q->scratch);
    outcome_bounce(q, piece, &expired);
    return true;
}

/* What deliver says of a try, the queue says of a bounce without one. */
static void say_bounced(struct queue *q, uint32_t piece, const struct delivery_result *r, size_t n)
{
    struct message *m = message_at(q, piece_at(q, piece)->message);
    struct spool_head head;
    struct envelope env;
    struct str octets;

    if (spool_read_head(q->reader, message_ref(q, m), &q->scratch, &head, &octets, NULL) != RC_OK ||
        envelope_decode(&q->scratch, octets, &env, NULL) != RC_OK)
        return;
    for (size_t i = 0; i < n; i++) {
        struct event_class class = event_class_of(r[i].enhanced, (unsigned)r[i].code);

        if (r[i].recipient < env.n_recipients)
            event(q->events, delivery_bounced, .mid = m->mid, .rid = r[i].recipient, .enhanced = class.enhanced,
                  .class = class.text, .code = r[i].code, .lines = r[i].text, .sender = env.sender,
                  .recipient = env.recipients[r[i].recipient].address, .reason = r[i].reason);
    }
}

void outcome_bounce(struct queue *q, uint32_t piece, const struct delivery_result *answer)
{
    struct delivery_result list[PIECE_RECIPIENTS];
    uint32_t message = piece_at(q, piece)->message;
    size_t n = 0;

    for (uint32_t r = piece_at(q, piece)->recipients; r && n < PIECE_RECIPIENTS; r = recipient_at(q, r)->next) {
        list[n] = *answer;
        list[n].recipient = recipient_at(q, r)->index;
        count_result(q, destination_at(q, piece_at(q, piece)->destination), &list[n]);
        n++;
    }
    piece_unlink(q, piece);
    say_bounced(q, piece, list, n);
    if (!bounce_add(q, piece, list, n, -1, -1))
        piece_end(q, piece);
    message_end_if_done(q, message);
}

static const struct delivery_result damaged = {.class = RESULT_BOUNCED,
                                               .reason = REASON_OTHER,
                                               .enhanced = {"5.3.0", 5},
                                               .text = {"Message was damaged in storage", 30}};

void outcome_damaged(struct queue *q, uint32_t piece)
{
    struct piece *p = piece_at(q, piece);
    struct message *m = message_at(q, p->message);
    struct spool_ref ref = message_ref(q, m);
    uint8_t deliverer = (uint8_t)p->deliverer;
    uint16_t slot = (uint16_t)p->slot;

    event(q->events, record_damaged, .mid = m->mid, .segment = ref.segment, .offset = ref.offset);
    segment_at(q, m->segment)->corrupt = true;
    arena_reset(&q->scratch);
    dispatch_free_slot(q, deliverer, slot);
    outcome_bounce(q, piece, &damaged);
}

void outcome_again(struct queue *q, uint32_t piece)
{
    struct piece *p = piece_at(q, piece);

    dispatch_free_slot(q, p->deliverer, p->slot);
    piece_make_ready(q, piece, true);
}

/* The destination cannot be reached: those of its pieces that are too old end, senders of old ones are told. */
void outcome_unreachable(struct queue *q, uint32_t destination)
{
    for (uint32_t p = destination_at(q, destination)->first, next; p; p = next) {
        next = piece_at(q, p)->next;
        arena_reset(&q->scratch);
        if (is_old(q, p))
            outcome_bounce(q, p, &expired);
        else if (!destination_at(q, destination)->keeps)
            bounce_delayed(q, p, NULL, 0);
    }
}

struct sorted {
    uint16_t final[PIECE_RECIPIENTS], failed[PIECE_RECIPIENTS];
    struct delivery_result failures[PIECE_RECIPIENTS];
    size_t n_final, n_failed;
    bool held; /* by a quarantine of this machine: what becomes of it is said there */
};

static void sort_results(struct queue *q, uint32_t piece, const struct delivery_result *r, size_t n, struct sorted *out)
{
    struct destination *d = destination_at(q, piece_at(q, piece)->destination);

    out->n_final = out->n_failed = 0;
    out->held = false;
    for (size_t i = 0; i < n && i < PIECE_RECIPIENTS; i++) {
        if (!piece_has(q, piece, r[i].recipient))
            continue;
        count_result(q, d, &r[i]);
        if (r[i].class == RESULT_DELIVERED && r[i].reason == REASON_RELAYED)
            bounce_relayed(q, piece, &r[i]);
        if (r[i].class == RESULT_DELIVERED || r[i].class == RESULT_DROPPED)
            out->final[out->n_final++] = (uint16_t)r[i].recipient;
        out->held |= r[i].class == RESULT_DELIVERED && r[i].reason == REASON_HELD;
        if (r[i].class != RESULT_BOUNCED)
            continue;
        out->failed[out->n_failed] = (uint16_t)r[i].recipient;
        out->failures[out->n_failed++] = r[i];
    }
}

/* Recipients that are neither final nor being bounced wait, or bounce because it was the last try. */
static void rest_of(struct queue *q, uint32_t piece, const struct delivery_result *r, size_t n)
{
    uint32_t message = piece_at(q, piece)->message;

    if (piece_at(q, piece)->n && piece_at(q, piece)->state == PIECE_HELD) {
        if (!outcome_expire(q, piece)) {
            wait_again(q, piece, n && r[0].reason == REASON_SET_ASIDE);
            if (!destination_at(q, piece_at(q, piece)->destination)->keeps)
                bounce_delayed(q, piece, r, n);
        }
        return;
    }
    if (!piece_at(q, piece)->n)
        piece_end(q, piece);
    message_end_if_done(q, message);
}

void outcome_apply(struct queue *q, uint32_t piece, const struct delivery_result *r, size_t n)
{
    int deliverer = piece_at(q, piece)->deliverer, slot = piece_at(q, piece)->slot;
    bool kept = false;
    struct sorted s;

    sort_results(q, piece, r, n, &s);
    if (s.held)
        message_at(q, piece_at(q, piece)->message)->flags |= MESSAGE_HELD;
    piece_tried(q, piece);
    outcome_final(q, piece, s.final, s.n_final);
    if (s.n_failed) {
        uint32_t failed = s.n_failed < piece_at(q, piece)->n ? piece_split(q, piece, s.failed, s.n_failed) : piece;

        kept = bounce_add(q, failed, s.failures, s.n_failed, deliverer, slot);
        if (!kept && failed != piece)
            piece_end(q, failed);
    }
    if (!kept)
        dispatch_free_slot(q, (uint8_t)deliverer, (uint16_t)slot);
    rest_of(q, piece, r, n);
}
