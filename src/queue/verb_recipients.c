/*
 * Verbs over queued recipients: show, delete, bounce, redirect, delivernow, showmessage (cli.md 7.2).
 *
 * Called through verbs.c. A walk looks at a portion of the messages a turn, so that mail goes on while an operator lists
 * five million. Recipients that are with deliver or being bounced are left alone; those still to be scanned can be deleted
 * and redirected, not bounced.
 */
#include "queue/verbs.h"

#include "base/clock.h"
#include "base/must.h"
#include "event/render.h"
#include "mail/envelope.h"

#include <inttypes.h>

enum { PORTION_READ = 500, PORTION = 20000 };

struct walk {
    enum { BY_HOST, BY_SENDER, ALL } by;
    uint32_t destination, to; /* BY_HOST; redirect */
    struct str sender;
    uint32_t sender_hash;
    void (*act)(struct verb_question *v, uint32_t message);
    bool reads; /* every message found costs a read */
    const char *summary;
    uint32_t at;
    uint64_t recipients;
    struct str host;
};

static bool piece_is_meant(const struct queue *q, const struct walk *w, uint32_t piece)
{
    const struct piece *p = piece_at(q, piece);

    return w->by != BY_HOST || p->destination == w->destination;
}

static bool piece_is_idle(const struct queue *q, uint32_t piece)
{
    unsigned state = piece_at(q, piece)->state;

    return state == PIECE_READY || state == PIECE_WAITING || state == PIECE_HELD;
}

static bool head_of(struct verb_question *v, const struct message *m, struct spool_head *head, struct envelope *env)
{
    struct str octets;

    arena_reset(&v->q->scratch);
    return spool_read_head(v->q->reader, message_ref(v->q, m), &v->q->scratch, head, &octets, NULL) == RC_OK &&
           envelope_decode(&v->q->scratch, octets, env, NULL) == RC_OK;
}

static bool message_is_meant(struct verb_question *v, const struct walk *w, uint32_t message)
{
    struct message *m = message_at(v->q, message);
    struct spool_head head;
    struct envelope env;

    if (!m->mid)
        return false;
    if (w->by != BY_SENDER)
        return true;
    return m->sender == w->sender_hash && head_of(v, m, &head, &env) && str_eqi(env.sender, w->sender);
}

static void walk_end(struct verb_question *v)
{
    struct walk *w = v->state;

    buf_addf(&v->text, w->summary, (unsigned long long)w->recipients);
    buf_addf(&v->json, "%s\"recipients\":%" PRIu64 "}", v->json.n ? "]," : "{", w->recipients);
    verb_answer(v, RC_OK);
}

static void walk_on(void *ctx)
{
    struct verb_question *v = ctx;
    struct walk *w = v->state;
    uint32_t left = PORTION, reads = PORTION_READ;

    for (; w->at < v->q->messages.end && left && reads; w->at++, left--)
        if (message_is_meant(v, w, w->at)) {
            w->act(v, w->at);
            reads -= w->reads;
        }
    if (w->at < v->q->messages.end)
        loop_timer_set(v->q->loop, &v->timer, 0, walk_on, v);
    else
        walk_end(v);
}

/* "host NAME", "from ADDRESS", "all": how many arguments that takes; 0 = none of them. */
static size_t select_by(struct verb_question *v, struct walk *w)
{
    if (verb_arg_is(v, 0, "all")) {
        w->by = ALL;
        return 1;
    }
    if (v->n_args < 2)
        return 0;
    if (verb_arg_is(v, 0, "host")) {
        w->by = BY_HOST;
        w->destination = destination_find(v->q, destination_lower(&v->arena, v->args[1]));
        return 2;
    }
    if (!verb_arg_is(v, 0, "from"))
        return 0;
    w->by = BY_SENDER;
    w->sender = str_trim(v->args[1]);
    if (w->sender.n > 1 && w->sender.p[0] == '<' && w->sender.p[w->sender.n - 1] == '>')
        w->sender = str_of(w->sender.p + 1, w->sender.n - 2);
    w->sender_hash = (uint32_t)str_hashi(w->sender);
    return 2;
}

static struct walk *walk_new(struct verb_question *v, void (*act)(struct verb_question *, uint32_t), const char *summary)
{
    struct walk *w = arena_must_alloc(&v->arena, sizeof *w);

    *w = (struct walk){.act = act, .summary = summary, .at = 1};
    v->state = w;
    return w;
}

/* --- showrecipients ------------------------------------------------------------------------------------------------------
 */

static void show(struct verb_question *v, uint32_t message)
{
    struct queue *q = v->q;
    struct walk *w = v->state;
    struct message *m = message_at(q, message);
    struct spool_head head;
    struct envelope env;
    bool first = true;

    for (uint32_t p = m->pieces; p; p = piece_at(q, p)->sibling) {
        if (!piece_is_meant(q, w, p))
            continue;
        if (first && !head_of(v, m, &head, &env))
            return;
        if (first) {
            char when[24];

            render_ctime(m->entered_ms, when);
            buf_addf(&v->text, "%-10" PRIu64 " %-9" PRIu64 " %-40.*s %.24s  ", m->mid, head.body_bytes, STR(env.sender),
                     when);
            render_plain(env.subject, &v->text);
            buf_addc(&v->text, '\n');
        }
        first = false;
        for (uint32_t r = piece_at(q, p)->recipients; r; r = recipient_at(q, r)->next) {
            unsigned index = recipient_at(q, r)->index;
            char rid[16], tries[16];

            snprintf(rid, sizeof rid, "[%u]", index);
            snprintf(tries, sizeof tries, "[%u]", piece_at(q, p)->tries);
            buf_addf(&v->text, "%-10s %-9s %.*s\n", rid, tries, STR(env.recipients[index].address));
            w->recipients++;
        }
    }
    if (!first)
        buf_addc(&v->text, '\n');
}

void verb_showrecipients(struct verb_question *v)
{
    struct walk *w = walk_new(v, show, "Total: %llu recipients.\n");

    w->reads = true;
    if (select_by(v, w) != v->n_args || !v->n_args) {
        verb_say(v, RC_INVALID, "showrecipients host NAME | from ADDRESS | all");
        return;
    }
    buf_add(&v->text,
            str_lit("MID/       Bytes/    Sender/                                  Entered                   Subject\n"
                    "[RID]      [Atmps]   Recipient\n"
                    "---------- --------- ---------------------------------------- ------------------------  -------\n"));
    walk_on(v);
}

/* --- deleterecipients, bouncerecipients, redirectrecipients
 * ------------------------------------------------------------------ */

static size_t indices_of(const struct queue *q, uint32_t piece, uint16_t out[PIECE_RECIPIENTS])
{
    size_t n = 0;

    for (uint32_t r = piece_at(q, piece)->recipients; r && n < PIECE_RECIPIENTS; r = recipient_at(q, r)->next)
        out[n++] = recipient_at(q, r)->index;
    return n;
}

static void delete_piece(struct verb_question *v, uint32_t piece)
{
    struct queue *q = v->q;
    struct walk *w = v->state;
    struct destination *d = destination_at(q, piece_at(q, piece)->destination);
    uint16_t indices[PIECE_RECIPIENTS];
    size_t n = indices_of(q, piece, indices);

    buf_clear(&q->list);
    for (size_t i = 0; i < n; i++)
        buf_put_varint(&q->list, indices[i]);
    event(q->events, recipients_deleted, .mid = message_at(q, piece_at(q, piece)->message)->mid, .rids = buf_str(&q->list),
          .user = v->user);
    d->deleted += n;
    w->recipients += n;
    piece_unlink(q, piece);
    outcome_final(q, piece, indices, n);
    piece_end(q, piece);
}

static void delete_from(struct verb_question *v, uint32_t message)
{
    struct queue *q = v->q;
    struct message *m = message_at(q, message);

    if (m->state == MESSAGE_SCANNING)
        return;
    for (uint32_t p = m->pieces, next; p; p = next) {
        next = piece_at(q, p)->sibling;
        if (piece_is_meant(q, v->state, p) && piece_is_idle(q, p))
            delete_piece(v, p);
    }
    message_end_if_done(q, message);
}

static void bounce_from(struct verb_question *v, uint32_t message)
{
    static const struct delivery_result bounced = {
        .class = RESULT_BOUNCED, .reason = REASON_OTHER, .enhanced = {"5.3.0", 5}, .text = {"Bounced by administrator", 24}};
    struct queue *q = v->q;
    struct walk *w = v->state;
    uint64_t mid = message_at(q, message)->mid;

    if (message_at(q, message)->state != MESSAGE_DELIVERY)
        return;
    for (uint32_t p = message_at(q, message)->pieces, next; p; p = next) {
        next = piece_at(q, p)->sibling;
        if (!piece_is_meant(q, w, p) || !piece_is_idle(q, p))
            continue;
        w->recipients += piece_at(q, p)->n;
        arena_reset(&q->scratch);
        outcome_bounce(q, p, &bounced);
        if (message_at(q, message)->mid != mid)
            return; /* that was its last one */
    }
}

static void redirect_from(struct verb_question *v, uint32_t message)
{
    struct queue *q = v->q;
    struct walk *w = v->state;

    for (uint32_t p = message_at(q, message)->pieces; p; p = piece_at(q, p)->sibling) {
        bool held = piece_at(q, p)->state == PIECE_HELD;

        if (!piece_is_meant(q, w, p) || !piece_is_idle(q, p) || piece_at(q, p)->destination == w->to)
            continue;
        w->recipients += piece_at(q, p)->n;
        piece_redirect(q, p, w->to);
        if (!held)
            piece_make_ready(q, p, false);
    }
}

static void change(struct verb_question *v, struct walk *w, const char *usage)
{
    if (select_by(v, w) != v->n_args || !v->n_args) {
        verb_say(v, RC_INVALID, usage);
        return;
    }
    v->changed = true;
    walk_on(v);
}

void verb_deleterecipients(struct verb_question *v)
{
    change(v, walk_new(v, delete_from, "%llu recipients deleted.\n"), "deleterecipients host NAME | from ADDRESS | all");
}

void verb_bouncerecipients(struct verb_question *v)
{
    change(v, walk_new(v, bounce_from, "%llu recipients bounced.\n"), "bouncerecipients host NAME | from ADDRESS | all");
}

/* "host NAME to HOST": HOST is a name (its MX or addresses are used) or an address in brackets or without. */
void verb_redirectrecipients(struct verb_question *v)
{
    struct walk *w = walk_new(v, redirect_from, "%llu recipients redirected.\n");
    struct str to = v->n_args == 4 ? v->args[3] : STR_NONE;
    bool number = to.n && (ascii_digit(to.p[to.n - 1]) || str_find(to, ':') < to.n) && to.p[0] != '[';

    if (v->n_args != 4 || !verb_arg_is(v, 0, "host") || !verb_arg_is(v, 2, "to") || !to.n || to.n > 250) {
        verb_say(v, RC_INVALID, "redirectrecipients host NAME to HOST");
        return;
    }
    v->n_args = 2;
    select_by(v, w);
    w->to = destination_for(v->q, destination_lower(&v->arena, number ? arena_printf(&v->arena, "[%.*s]", STR(to)) : to));
    v->changed = true;
    walk_on(v);
}

/* --- delivernow
 * -------------------------------------------------------------------------------------------------------------- */

void verb_delivernow(struct verb_question *v)
{
    struct queue *q = v->q;
    bool all = v->n_args == 0 || verb_arg_is(v, 0, "all");
    uint32_t only = 0;
    uint64_t n = 0;

    if (!all && (v->n_args != 2 || !verb_arg_is(v, 0, "host"))) {
        verb_say(v, RC_INVALID, "delivernow [host NAME|all]");
        return;
    }
    if (!all)
        only = destination_find(q, destination_lower(&v->arena, v->args[1]));
    for (uint32_t i = 1; i < q->pieces.end; i++)
        if (piece_at(q, i)->state == PIECE_WAITING && (all || piece_at(q, i)->destination == only)) {
            n += piece_at(q, i)->n;
            piece_make_ready(q, i, false);
        }
    for (uint32_t i = 1; i < q->destinations.end; i++)
        if (destination_at(q, i)->name && (all || i == only))
            destination_try_now(q, i, all);
    buf_addf(&v->text, "Delivery of %" PRIu64 " recipients rescheduled for now.\n", n);
    verb_answer(v, RC_OK);
}

/* --- showmessage
 * --------------------------------------------------------------------------------------------------------------- */

void verb_showmessage(struct verb_question *v)
{
    struct queue *q = v->q;
    uint64_t mid;
    uint32_t message = v->n_args == 1 && str_u64(v->args[0], &mid) ? message_find(q, mid) : 0;
    struct spool_head head;
    struct envelope env;
    uint32_t crc = 0;
    char *p;

    if (!message) {
        verb_say(v, RC_NOT_FOUND, "There is no such message in the queue.");
        return;
    }
    if (!head_of(v, message_at(q, message), &head, &env) || head.body_bytes > VERB_TEXT_MAX / 2 ||
        !(p = buf_reserve(&v->text, head.body_bytes + 1)) ||
        spool_read_body(q->reader, &head, 0, p, head.body_bytes, &crc, NULL) != RC_OK || crc != head.body_crc) {
        verb_say(v, RC_IO, "The message cannot be read.");
        return;
    }
    v->text.n += head.body_bytes;
    verb_answer(v, RC_OK);
}
