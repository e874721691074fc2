/*
 * Verbs over queued recipients: show, delete, bounce, redirect, delivernow (cli.md 7.2).
 *
 * Called through verbs.c. Walks look at a portion of the messages a turn, so that mail goes on while an operator lists five
 * million; a list comes in pages (verb_take_at). Recipients that are with deliver or being bounced are left alone; those
 * still to be scanned can be deleted and redirected, not bounced. A host that nothing is queued for counts as one without
 * recipients, internal destinations too.
 */
#include "queue/internal.h"
#include "queue/verbs.h"

#include "base/must.h"
#include "event/render.h"
#include "mail/address.h"
#include "net/socket.h"

#include <inttypes.h>

enum { PAGE_MESSAGES = 1000, PAGE_BYTES = 1 << 20 };

struct walk {
    enum { BY_HOST, BY_SENDER, ALL } by;
    struct selector host; /* BY_HOST */
    uint32_t to;          /* redirect */
    struct str sender;
    uint32_t sender_hash;
    void (*act)(struct verb_question *v, uint32_t message);
    const char *summary;
    unsigned messages; /* of this page */
    uint64_t recipients;
};

static bool piece_is_meant(const struct queue *q, const struct walk *w, uint32_t piece)
{
    const struct piece *p = piece_at(q, piece);

    return w->by != BY_HOST || internal_meant(q, &w->host, p->destination);
}

bool verb_piece_is_idle(const struct queue *q, uint32_t piece)
{
    unsigned state = piece_at(q, piece)->state;

    return state == PIECE_READY || state == PIECE_WAITING || state == PIECE_HELD;
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
    return m->sender == w->sender_hash && verb_read_head(v, message, &head, &env) && str_eqi(env.sender, w->sender);
}

static bool act_on(struct verb_question *v, uint32_t message)
{
    struct walk *w = v->state;

    if (message_is_meant(v, w, message))
        w->act(v, message);
    return w->messages < PAGE_MESSAGES && v->text.n < PAGE_BYTES;
}

static void all_done(struct verb_question *v)
{
    struct walk *w = v->state;

    buf_addf(&v->text, w->summary, (unsigned long long)w->recipients);
    buf_addf(&v->json, "{\"recipients\":%" PRIu64 "}", w->recipients);
    verb_answer(v, RC_OK);
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
        w->host = internal_select(v->q, destination_lower(&v->arena, v->args[1]));
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

    *w = (struct walk){.act = act, .summary = summary};
    v->state = w;
    return w;
}

/* --- showrecipients --------------------------------------------------------------------------------------------------- */

static void show_message(struct verb_question *v, const struct message *m, const struct spool_head *head,
                         const struct envelope *env)
{
    struct walk *w = v->state;
    char when[24];

    render_ctime(m->entered_ms, when);
    buf_addf(&v->text, "%-10" PRIu64 " %-9" PRIu64 " ", m->mid, head->body_bytes);
    verb_text_field(&v->text, env->sender, 40);
    buf_addf(&v->text, " %.24s  ", when);
    render_plain(env->subject, &v->text);
    buf_addc(&v->text, '\n');
    buf_addf(&v->json,
             "%s{\"mid\":%" PRIu64 ",\"bytes\":%" PRIu64 ",\"entered_ms\":%" PRIu64 ",\"sender\":", w->messages ? "," : "",
             m->mid, head->body_bytes, m->entered_ms);
    verb_json_str(&v->json, env->sender);
    buf_add(&v->json, str_lit(",\"subject\":"));
    verb_json_str(&v->json, env->subject);
    buf_add(&v->json, str_lit(",\"recipients\":["));
    w->messages++;
}

static void show_recipient(struct verb_question *v, const struct piece *p, unsigned index, struct str address, bool first)
{
    char rid[16], tries[16];

    snprintf(rid, sizeof rid, "[%u]", index);
    snprintf(tries, sizeof tries, "[%u]", p->tries);
    buf_addf(&v->text, "%-10s %-9s ", rid, tries);
    render_plain(address, &v->text);
    buf_add(&v->text, p->set_aside ? str_lit("  refused\n") : str_lit("\n"));
    buf_addf(&v->json, "%s{\"rid\":%u,\"attempts\":%u,%s\"host\":", first ? "" : ",", index, p->tries,
             p->set_aside ? "\"state\":\"refused\"," : "");
    verb_json_str(&v->json, str_c(destination_at(v->q, p->destination)->name));
    buf_add(&v->json, str_lit(",\"address\":"));
    verb_json_str(&v->json, address);
    buf_addc(&v->json, '}');
}

static void show(struct verb_question *v, uint32_t message)
{
    struct queue *q = v->q;
    struct walk *w = v->state;
    struct message *m = message_at(q, message);
    struct spool_head head;
    struct envelope env;
    unsigned n = 0;

    for (uint32_t p = m->pieces; p; p = piece_at(q, p)->sibling) {
        if (!piece_is_meant(q, w, p))
            continue;
        for (uint32_t r = piece_at(q, p)->recipients; r; r = recipient_at(q, r)->next) {
            unsigned index = recipient_at(q, r)->index;

            if (!n && !verb_read_head(v, message, &head, &env))
                return;
            if (!n)
                show_message(v, m, &head, &env);
            if (index < env.n_recipients)
                show_recipient(v, piece_at(q, p), index, env.recipients[index].address, !n++);
        }
    }
    w->recipients += n;
    buf_add(&v->text, str_c(n ? "\n" : ""));
    buf_add(&v->json, str_c(n ? "]}" : ""));
}

/* The json began without knowing whether it is the last part. */
static void shown(struct verb_question *v)
{
    struct walk *w = v->state;
    struct buf list = v->json;

    v->json = BUF(VERB_TEXT_MAX);
    if (v->place < v->slab->end)
        buf_addf(&v->json, "{\"next\":\"%" PRIu32 ".%" PRIu64 "\",\"messages\":[", v->place, w->recipients);
    else
        buf_add(&v->json, str_lit("{\"messages\":["));
    buf_add(&v->json, buf_str(&list));
    buf_addf(&v->json, "],\"recipients\":%" PRIu64 "}", w->recipients);
    buf_done(&list);
    if (v->place >= v->slab->end)
        buf_addf(&v->text, w->summary, (unsigned long long)w->recipients);
    verb_answer(v, RC_OK);
}

void verb_showrecipients(struct verb_question *v)
{
    struct walk *w = walk_new(v, show, "Total: %llu recipients.\n");
    uint64_t place;

    if (!verb_take_at(v, &place, &w->recipients) || place > UINT32_MAX || !v->n_args || select_by(v, w) != v->n_args) {
        verb_bad_arguments(v);
        return;
    }
    if (!place)
        buf_add(
            &v->text,
            str_lit("MID/       Bytes/    Sender/                                  Entered                   Subject\n"
                    "[RID]      [Atmps]   Recipient\n"
                    "---------- --------- ---------------------------------------- ------------------------  -------\n"));
    verb_walk(v, &v->q->messages, (uint32_t)place, act_on, shown);
}

/* --- deleterecipients, bouncerecipients, redirectrecipients ----------------------------------------------------------- */

static size_t indices_of(const struct queue *q, uint32_t piece, uint16_t out[PIECE_RECIPIENTS])
{
    size_t n = 0;

    for (uint32_t r = piece_at(q, piece)->recipients; r && n < PIECE_RECIPIENTS; r = recipient_at(q, r)->next)
        out[n++] = recipient_at(q, r)->index;
    return n;
}

void verb_delete_piece(struct verb_question *v, uint32_t piece)
{
    struct queue *q = v->q;
    struct destination *d = destination_at(q, piece_at(q, piece)->destination);
    uint16_t indices[PIECE_RECIPIENTS];
    size_t n = indices_of(q, piece, indices);

    buf_clear(&q->list);
    for (size_t i = 0; i < n; i++)
        buf_put_varint(&q->list, indices[i]);
    event(q->events, recipients_deleted, .mid = message_at(q, piece_at(q, piece)->message)->mid, .rids = buf_str(&q->list),
          .user = v->user);
    d->deleted += n;
    piece_unlink(q, piece);
    outcome_final(q, piece, indices, n);
    piece_end(q, piece);
}

static void delete_from(struct verb_question *v, uint32_t message)
{
    struct queue *q = v->q;
    struct walk *w = v->state;
    struct message *m = message_at(q, message);

    if (m->state == MESSAGE_SCANNING)
        return;
    for (uint32_t p = m->pieces, next; p; p = next) {
        next = piece_at(q, p)->sibling;
        if (!piece_is_meant(q, w, p) || !verb_piece_is_idle(q, p))
            continue;
        w->recipients += piece_at(q, p)->n;
        verb_delete_piece(v, p);
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
        if (!piece_is_meant(q, w, p) || !verb_piece_is_idle(q, p))
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

        if (!piece_is_meant(q, w, p) || !verb_piece_is_idle(q, p) || piece_at(q, p)->destination == w->to)
            continue;
        w->recipients += piece_at(q, p)->n;
        piece_redirect(q, p, w->to);
        if (!held)
            piece_make_ready(q, p, false);
    }
}

static void change(struct verb_question *v, void (*act)(struct verb_question *, uint32_t), const char *summary)
{
    struct walk *w = walk_new(v, act, summary);

    if (!v->n_args || select_by(v, w) != v->n_args) {
        verb_bad_arguments(v);
        return;
    }
    v->changed = true;
    verb_walk(v, &v->q->messages, 0, act_on, all_done);
}

void verb_deleterecipients(struct verb_question *v)
{
    change(v, delete_from, "%llu recipients deleted.\n");
}

void verb_bouncerecipients(struct verb_question *v)
{
    change(v, bounce_from, "%llu recipients bounced.\n");
}

/* "host NAME to HOST" (or from, all): HOST is a name (its MX or addresses are used) or an address in brackets or without. */
void verb_redirectrecipients(struct verb_question *v)
{
    struct walk *w = walk_new(v, redirect_from, "%llu recipients redirected.\n");
    struct str to = v->n_args ? v->args[v->n_args - 1] : STR_NONE;
    struct address_ip ip;

    if (v->n_args < 3 || !verb_arg_is(v, v->n_args - 2, "to")) {
        verb_bad_arguments(v);
        return;
    }
    v->n_args -= 2;
    if (to.n && to.p[0] != '[' && ip_parse(to, &ip))
        to = arena_printf(&v->arena, ip.family == AF_INET6 ? "[IPv6:%.*s]" : "[%.*s]", STR(to));
    if (select_by(v, w) != v->n_args || !(address_is_domain(to, true) || address_is_literal(to))) {
        verb_bad_arguments(v);
        return;
    }
    w->to = destination_for(v->q, destination_lower(&v->arena, to));
    v->changed = true;
    verb_walk(v, &v->q->messages, 0, act_on, all_done);
}

/* --- delivernow ------------------------------------------------------------------------------------------------------- */

struct hurry {
    bool all;
    struct selector only;
    uint64_t n;
};

static bool hurry_piece(struct verb_question *v, uint32_t piece)
{
    struct hurry *h = v->state;
    struct queue *q = v->q;

    if (piece_at(q, piece)->state == PIECE_WAITING &&
        (h->all || internal_meant(q, &h->only, piece_at(q, piece)->destination))) {
        h->n += piece_at(q, piece)->n;
        piece_make_ready(q, piece, false);
    }
    return true;
}

/* Back-offs end after the pieces are ready: else the first few would be tried and the host be down again before the rest. */
static void hurried(struct verb_question *v)
{
    struct hurry *h = v->state;
    struct queue *q = v->q;

    for (uint32_t i = 1; i < q->destinations.end; i++)
        if (destination_at(q, i)->name && (h->all || internal_meant(q, &h->only, i)))
            destination_try_now(q, i, h->all);
    buf_addf(&v->text, "Delivery of %" PRIu64 " recipients rescheduled for now.\n", h->n);
    buf_addf(&v->json, "{\"recipients\":%" PRIu64 "}", h->n);
    verb_answer(v, RC_OK);
}

void verb_delivernow(struct verb_question *v)
{
    struct hurry *h = arena_must_alloc(&v->arena, sizeof *h);

    *h = (struct hurry){.all = v->n_args == 0 || (v->n_args == 1 && verb_arg_is(v, 0, "all"))};
    v->state = h;
    if (!h->all && (v->n_args != 2 || !verb_arg_is(v, 0, "host"))) {
        verb_bad_arguments(v);
        return;
    }
    if (!h->all)
        h->only = internal_select(v->q, destination_lower(&v->arena, v->args[1]));
    verb_walk(v, &v->q->pieces, 0, hurry_piece, hurried);
}
