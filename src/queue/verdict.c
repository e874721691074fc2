/*
 * What scan decided about a message, done.
 *
 * Called by work.c. Owns verdicts that wait for the messages they make (copies, splits, notifications): those are stored
 * first, in queue's own segment; when all are on stable storage, one journal group makes them known together with the
 * message's own verdict (E4). A crash before that forgets them all, and the message is judged again. If one cannot be
 * stored, none counts: the message goes back to the work queue, which waits. A verdict that makes no sense counts like the
 * death of its worker.
 */
#include "policy/verdict.h"

#include "base/must.h"
#include "mail/carried.h"
#include "mail/envelope.h"
#include "mail/header.h"
#include "queue/made.h"

#include <stdlib.h>

enum { ARENA_MAX = 256 << 20, SUBJECT_MAX = 512 };

struct child {
    struct made made;
    struct judged *judged;
    const struct verdict_copy *copy;
    struct envelope env;
    uint32_t message;
};

struct judged {
    struct judged *next;
    struct queue *q;
    uint64_t mid;
    struct arena arena;
    struct bus_scan_verdict verdict; /* strings in the arena */
    struct child *children;
    size_t n, left;
    enum rc rc;
};

static void judged_free(struct judged *j)
{
    struct judged **at = &j->q->judged;

    while (*at != j)
        at = &(*at)->next;
    *at = j->next;
    arena_done(&j->arena);
    free(j);
}

/* --- waiting for an engine or for room ------------------------------------------------------------------------------- */

/* It goes behind all others: the next try is another message's, since this one may be the only one that cannot be judged. */
static void wait_for(struct queue *q, uint32_t message, struct str why)
{
    if (!q->away)
        event(q->events, work_queue_paused, .reason = why, .messages = q->n_work + 1);
    free(q->away);
    q->away = strndup(why.n ? why.p : "", why.n);
    work_try_later(q);
    work_add(q, message, false);
}

static void no_more_waiting(struct queue *q)
{
    if (!q->away)
        return;
    event(q->events, work_queue_resumed, .messages = q->n_work);
    free(q->away);
    q->away = NULL;
    loop_again(q->loop);
}

/* --- the message itself ------------------------------------------------------------------------------------------------ */

void verdict_send_to(struct queue *q, uint32_t message, struct str destination)
{
    uint32_t to = destination_for(q, destination), piece = 0;

    for (uint32_t p = message_at(q, message)->pieces, next; p; p = next) {
        next = piece_at(q, p)->sibling;
        while (piece_at(q, p)->recipients && p != piece) {
            uint16_t index = recipient_at(q, piece_at(q, p)->recipients)->index;

            if (!piece || piece_at(q, piece)->n == PIECE_RECIPIENTS) {
                if (piece)
                    entry_redirect(q, piece);
                piece = piece_make(q, message, to);
                piece_at(q, piece)->redirected = true;
            }
            piece_remove(q, p, index);
            piece_add(q, piece, index);
        }
        if (!piece_at(q, p)->n)
            piece_end(q, p);
    }
    if (piece)
        entry_redirect(q, piece);
}

/* These recipients are with another message now; the message ends when none is left. */
static void give_away(struct queue *q, uint32_t message, struct str indices)
{
    uint64_t index;

    while (get_varint(&indices, &index)) {
        uint32_t piece = message_piece_with(q, message, index);
        uint16_t one = (uint16_t)index;

        if (!piece)
            continue;
        outcome_final(q, piece, &one, 1);
        if (!piece_at(q, piece)->n)
            piece_end(q, piece);
    }
}

static void end_all(struct queue *q, uint32_t message)
{
    while (message_at(q, message)->pieces) {
        uint32_t piece = message_at(q, message)->pieces;

        piece_unlink(q, piece);
        piece_end(q, piece);
    }
    message_end_if_done(q, message);
}

/* "5.7.1 text". The message stays one that scan has until the notification is stored: a crash before that judges it again.
 */
static void bounce_all(struct queue *q, uint32_t message, struct str text)
{
    struct delivery_result answer = {.class = RESULT_BOUNCED, .reason = REASON_FILTER, .code = 554, .text = text};
    struct str rest = text, word;
    uint64_t mid = message_at(q, message)->mid;

    if (text.n > 5 && ascii_digit(text.p[0]) && text.p[1] == '.' && str_word(&rest, &word)) {
        answer.enhanced = word;
        answer.text = str_trim(rest);
    }
    for (uint32_t p = message_at(q, message)->pieces, next; p; p = next) {
        next = piece_at(q, p)->sibling;
        arena_reset(&q->scratch);
        outcome_bounce(q, p, &answer);
        if (!message_find(q, mid)) /* that was the last one */
            return;
    }
}

static void apply(struct queue *q, uint32_t message, const struct bus_scan_verdict *v)
{
    q->work_out++;
    no_more_waiting(q);
    if (v->action == VERDICT_DROP) {
        end_all(q, message);
    } else if (v->action == VERDICT_BOUNCE) {
        message_at(q, message)->flags &= (uint8_t)~MESSAGE_ALONE;
        bounce_all(q, message, v->text);
    } else {
        if (v->destination.n)
            verdict_send_to(q, message, v->destination);
        work_verdict(q, message, v->action, v->carried);
    }
}

/* --- messages it makes --------------------------------------------------------------------------------------------------
 */

void made_say(struct queue *q, const struct made *m, const struct envelope *env)
{
    event(q->events, message_sender, .mid = m->mid, .sender = env->sender);
    for (size_t i = 0; i < env->n_recipients; i++)
        event(q->events, message_recipient, .mid = m->mid, .rid = i, .recipient = env->recipients[i].address);
    if (env->message_id.n)
        event(q->events, message_id, .mid = m->mid, .message_id = env->message_id);
    if (env->subject.n)
        event(q->events, message_subject, .mid = m->mid, .subject = env->subject);
    event(q->events, message_ready, .mid = m->mid, .bytes = m->bytes, .sender = env->sender,
          .recipients = env->n_recipients);
}

static struct str listed(struct arena *a, const struct envelope *env)
{
    struct str text = STR_NONE;

    for (size_t i = 0; i < env->n_recipients; i++)
        text = arena_printf(a, "%.*s%s%.*s", STR(text), i ? ", " : "", STR(env->recipients[i].address));
    return text;
}

static void say_child(struct judged *j, const struct child *c)
{
    struct queue *q = j->q;
    const struct verdict_copy *copy = c->copy;
    uint64_t mid = c->made.mid;

    if (copy->kind == COPY_SPLIT)
        event(q->events, message_split, .mid = j->mid, .child = mid, .policy = copy->by, .outbound = c->env.outgoing);
    if (copy->kind == COPY_SPLIT_SLBL)
        event(q->events, message_split_listed, .mid = j->mid, .child = mid, .recipients = listed(&j->arena, &c->env));
    if (copy->kind == COPY_REWRITTEN)
        event(q->events, message_rewritten, .mid = j->mid, .now = mid, .agent = copy->by, .filter = copy->filter);
    event(q->events, message_start, .mid = mid, .uid = c->env.uid);
    if (copy->kind == COPY_GENERATED)
        event(q->events, message_generated, .mid = mid, .parent = j->mid, .by = copy->by, .filter = copy->filter);
    made_say(q, &c->made, &c->env);
}

/* Known from now on, and on its way. */
static void let_go(struct judged *j, struct child *c)
{
    struct queue *q = j->q;
    struct carried carried = {0};

    entry_known(q, c->message);
    say_child(j, c);
    carried_decode(c->copy->carried, &carried, NULL);
    if (carried.resume != RESUME_DELIVER) {
        work_add(q, c->message, false);
        q->work_in++;
        return;
    }
    if (c->copy->destination.n)
        verdict_send_to(q, c->message, c->copy->destination);
    work_verdict(q, c->message, VERDICT_DELIVER, c->copy->carried); /* it has the bounce profile */
}

/* None of it counts. */
static void give_up(struct judged *j, uint32_t message)
{
    struct queue *q = j->q;

    for (size_t i = 0; i < j->n; i++)
        if (j->children[i].message)
            message_leave(q, j->children[i].message);
    if (message && (j->rc == RC_CORRUPT || j->rc == RC_INVALID))
        work_again(q, message);
    else if (message && j->rc != RC_SHUTTING_DOWN)
        wait_for(q, message, str_c(rc_info(j->rc)->text));
}

static void finish(struct judged *j)
{
    struct queue *q = j->q;
    uint32_t message = message_find(q, j->mid);
    bool ended = false;

    if (j->rc != RC_OK || !message) {
        give_up(j, message);
        judged_free(j);
        return;
    }
    for (size_t i = 0; i < j->n; i++) {
        let_go(j, &j->children[i]);
        ended |= j->children[i].copy->kind == COPY_REWRITTEN;
    }
    for (size_t i = 0; i < j->n; i++)
        if (j->children[i].copy->kind <= COPY_SPLIT_SLBL)
            give_away(q, message, j->children[i].copy->indices);
    if (ended || !message_at(q, message)->open) /* rewritten, or all its recipients are with others */
        end_all(q, message);
    else
        apply(q, message, &j->verdict);
    judged_free(j);
}

static void child_stored(void *ctx, enum rc rc, uint32_t message)
{
    struct child *c = ctx;
    struct judged *j = c->judged;

    c->message = message;
    if (rc != RC_OK)
        j->rc = rc;
    if (--j->left == 0)
        finish(j);
}

/* Recipients by index, and further ones. Nobody: RC_INVALID, as beyond what an envelope holds. */
static enum rc list_recipients(struct judged *j, const struct envelope *from, struct child *c)
{
    struct str indices = c->copy->indices, more = c->copy->recipients, one;
    size_t most = indices.n + more.n, n = 0;
    struct recipient *list;
    uint64_t index;

    if (most > ENVELOPE_BYTES)
        return RC_INVALID;
    list = arena_array(&j->arena, struct recipient, most + 1);
    if (!list)
        return RC_NO_MEMORY;
    while (n < most && get_varint(&indices, &index))
        if (index < from->n_recipients)
            list[n++] = from->recipients[index];
    while (n < most && get_str(&more, &one))
        list[n++] = (struct recipient){.address = one};
    c->env.recipients = list;
    c->env.n_recipients = n;
    return n && n <= ENVELOPE_RECIPIENTS ? RC_OK : RC_INVALID;
}

static enum rc store_child(struct judged *j, const struct spool_head *head, const struct envelope *from, struct child *c)
{
    struct header_field subject;

    c->made = (struct made){.q = j->q, .stored = child_stored, .ctx = c, .later = true};
    c->judged = j;
    c->env = *from;
    c->env.parent_mid = j->mid;
    c->env.icid = 0;
    c->env.carried = c->copy->carried;
    TRY(list_recipients(j, from, c));
    if (!c->copy->same_sender) {
        c->env.sender = c->copy->sender;
        c->env.envid = STR_NONE;
        c->env.ret = RET_NONE;
    }
    if (!c->copy->body.n)
        return made_copy(&c->made, &c->env, head);
    c->env.message_id = STR_NONE;
    c->env.subject = STR_NONE;
    if (header_find(c->copy->body, str_lit("Subject"), &subject))
        c->env.subject = header_unfold(&j->arena, subject.value, SUBJECT_MAX);
    return made_store(&c->made, &c->env, c->copy->body);
}

static struct judged *judged_new(struct queue *q, uint32_t message, const struct bus_scan_verdict *v)
{
    struct judged *j = calloc(1, sizeof *j);

    must(j);
    j->q = q;
    j->mid = message_at(q, message)->mid;
    arena_init(&j->arena, 4096, ARENA_MAX);
    j->verdict = *v;
    j->verdict.carried = arena_str(&j->arena, v->carried);
    j->verdict.destination = arena_str(&j->arena, v->destination);
    j->verdict.text = arena_str(&j->arena, v->text);
    j->verdict.copies = arena_str(&j->arena, v->copies);
    j->next = q->judged;
    q->judged = j;
    return j;
}

/* Begins to store them all; the message waits in state SCANNING, with nobody. */
static void store_copies(struct queue *q, uint32_t message, const struct bus_scan_verdict *v)
{
    struct judged *j = judged_new(q, message, v);
    const struct verdict_copy *copies;
    struct spool_head head;
    struct envelope env;
    struct str octets;

    if (verdict_copies_decode(&j->arena, j->verdict.copies, &copies, &j->n, NULL) != RC_OK ||
        spool_read_head(q->reader, message_ref(q, message_at(q, message)), &j->arena, &head, &octets, NULL) != RC_OK ||
        envelope_decode(&j->arena, octets, &env, NULL) != RC_OK)
        j->n = 0;
    j->rc = j->n ? RC_OK : RC_CORRUPT;
    j->children = arena_must_alloc(&j->arena, (j->n + 1) * sizeof *j->children);
    j->left = j->n + 1;
    for (size_t i = 0; i < j->n; i++) {
        enum rc rc;

        j->children[i].copy = &copies[i];
        rc = store_child(j, &head, &env, &j->children[i]);
        if (rc == RC_OK)
            continue;
        j->rc = rc;
        j->left--;
    }
    if (--j->left == 0)
        finish(j);
}

void verdict_take(struct queue *q, uint32_t message, const struct bus_scan_verdict *v)
{
    if (v->action == VERDICT_LATER)
        wait_for(q, message, v->text);
    else if (v->copies.n)
        store_copies(q, message, v);
    else
        apply(q, message, v);
}

void verdicts_done(struct queue *q)
{
    while (q->judged)
        judged_free(q->judged);
    free(q->away);
    q->away = NULL;
}
