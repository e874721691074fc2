/*
 * QMQP: bulk injection from trusted hosts (port 628, off by default; FW-41).
 *
 * One netstring holds message, sender and recipients, each a netstring; the answer is a netstring that begins with K
 * (taken), Z (try again) or D (refused). Only peers whose sender group has a RELAY policy may inject. Lines may end in LF:
 * they are made CRLF like all bare line ends. Run by the runtime; holds a message and the arena of its envelope.
 */
#include "receive/inside.h"

enum { QMQP_MS = 300000, QMQP_TOTAL_MS = 900000, ARENA = 1024, ARENA_MAX = 4 << 20, DIGITS = 11 };

struct qmqp {
    struct conversation c; /* first */
    struct receive *receive;
    struct listener *listener;
    struct tables *tables;
    struct origin origin;
    struct message message;
    struct stored *stored;
    struct arena arena;
    struct smtp_body scanner;
    struct str sender;
    uint64_t total; /* octets of the outer netstring not read yet */
    uint64_t left;  /* of the message */
    uint64_t max_bytes;
    enum rc outcome;
    struct err err;
};

static struct qmqp *qmqp_of(struct conversation *c)
{
    return (struct qmqp *)c;
}

static step_fn read_total, read_message_length, read_message, read_sender, read_recipients;

static struct step answer(struct qmqp *q, char kind, const char *text)
{
    size_t n = strlen(text) + 1;

    buf_addf(&q->c.out, "%zu:%c%s,", n, kind, text);
    return step_end();
}

static struct step refuse(struct qmqp *q, enum rc rc, const struct err *e)
{
    return answer(q, rc_info(rc)->retryable ? 'Z' : 'D', e && e->text[0] ? e->text : rc_info(rc)->text);
}

static struct step malformed(struct qmqp *q)
{
    event(q->receive->o.events, receiving_failed, .icid = q->origin.icid, .reason = str_lit("Protocol error in QMQP"));
    return answer(q, 'D', "malformed request");
}

/* "123:" at the start of the input. RC_UNAVAILABLE: more is needed. */
static enum rc take_length(struct conversation *c, uint64_t *out)
{
    struct str in = conversation_input(c);
    size_t colon = str_find(in, ':');

    if (colon == in.n)
        return in.n >= DIGITS || c->eof ? RC_SYNTAX : RC_UNAVAILABLE;
    if (colon >= DIGITS || !str_u64(str_first(in, colon), out))
        return RC_SYNTAX;
    conversation_take(c, colon + 1);
    return RC_OK;
}

/* A whole small netstring, inside the outer one. */
static enum rc take_string(struct qmqp *q, size_t max, struct str *out)
{
    struct str in = conversation_input(&q->c);
    size_t colon = str_find(in, ':');
    uint64_t n;

    if (colon == in.n)
        return in.n >= DIGITS || q->c.eof ? RC_SYNTAX : RC_UNAVAILABLE;
    if (colon >= DIGITS || !str_u64(str_first(in, colon), &n) || n > max || colon + n + 2 > q->total)
        return RC_SYNTAX;
    if (in.n < colon + n + 2)
        return q->c.eof ? RC_SYNTAX : RC_UNAVAILABLE;
    if (in.p[colon + 1 + n] != ',')
        return RC_SYNTAX;
    *out = arena_str(&q->arena, str_of(in.p + colon + 1, (size_t)n));
    q->total -= colon + n + 2;
    conversation_take(&q->c, colon + (size_t)n + 2);
    return out->p ? RC_OK : RC_NO_MEMORY;
}

/* ---- who may -------------------------------------------------------------------------------------------------------------
 */

static void connection_events(struct qmqp *q, const struct hat_match *m, const struct address_ip *local)
{
    struct events *ev = q->receive->o.events;
    char here[46], there[46];
    struct str peer = ip_text(&q->origin.ip, there);

    q->origin.icid = board_next(q->receive->o.board, NUMBER_ICID);
    event(ev, connection_incoming, .icid = q->origin.icid, .interface = q->origin.terms->interface,
          .local_ip = ip_text(local, here), .peer_ip = peer, .listener = q->origin.terms->conf->name);
    event(ev, connection_verdict, .icid = q->origin.icid, .action = m->policy->behavior, .group = m->group, .match = m->what,
          .peer_ip = peer);
}

static struct step first(struct conversation *c)
{
    struct qmqp *q = qmqp_of(c);
    static const uint8_t unlisted[256];
    struct hat_match match;
    struct hat_peer peer = {.lists = NULL};
    struct address_ip local;
    size_t n;

    q->listener = c->ctx;
    q->receive = q->listener->receive;
    q->receive->open++;
    listener_count(q->listener, 1);
    q->tables = tables_ref(q->receive->tables);
    arena_init(&q->arena, ARENA, ARENA_MAX);
    q->origin = (struct origin){.receive = q->receive, .tables = q->tables, .protocol = "QMQP"};
    q->origin.terms = tables_find(q->tables, q->listener->name);
    must(q->origin.terms != NULL);
    conversation_addresses(c, &local, &q->origin.ip);
    hat_lists(q->origin.terms->hat, &n);
    peer.ip = q->origin.ip;
    peer.lists = n <= sizeof unlisted ? unlisted : NULL;
    if (hat_match(q->origin.terms->hat, &peer, &match) != RC_OK)
        return refuse(q, RC_NOT_PERMITTED, NULL);
    connection_events(q, &match, &local);
    q->origin.flow = match.policy;
    q->origin.group = match.group;
    q->max_bytes = match.policy->max_message_bytes;
    if (match.policy->behavior != FLOW_RELAY)
        return refuse(q, RC_NOT_PERMITTED, NULL);
    return step_read(read_total, 0);
}

/* ---- the request
 * ----------------------------------------------------------------------------------------------------------- */

static struct step read_total(struct conversation *c)
{
    struct qmqp *q = qmqp_of(c);
    struct err e = ERR_NONE;
    enum rc rc = take_length(c, &q->total);

    if (rc == RC_UNAVAILABLE)
        return step_read(read_total, 0);
    if (rc != RC_OK)
        return malformed(q);
    rc = announce_full(q->receive->announce) ? RC_QUEUE_FULL : message_allowed(q->receive, q->total, &e);
    if (rc != RC_OK)
        return refuse(q, rc, &e);
    if (q->total > q->max_bytes + ENVELOPE_BYTES)
        return refuse(q, RC_TOO_LARGE, NULL);
    message_begin(&q->origin, &q->message);
    rc = message_body(&q->origin, &q->message, &e);
    if (rc != RC_OK)
        return refuse(q, rc, &e);
    smtp_body_begin(&q->scanner, SMTP_BODY_CHUNK);
    return step_goto(read_message_length);
}

static struct step read_message_length(struct conversation *c)
{
    struct qmqp *q = qmqp_of(c);
    size_t before = conversation_input(c).n;
    enum rc rc = take_length(c, &q->left);

    if (rc == RC_UNAVAILABLE)
        return step_read(read_message_length, 0);
    if (rc != RC_OK || q->left + 1 + (before - conversation_input(c).n) > q->total)
        return malformed(q);
    q->total -= q->left + 1 + (before - conversation_input(c).n);
    if (q->left > q->max_bytes)
        return refuse(q, RC_TOO_LARGE, NULL);
    return step_goto(read_message);
}

static void sink(void *ctx, struct str octets)
{
    struct qmqp *q = ctx;

    if (q->outcome == RC_OK)
        q->outcome = spool_body_add(q->message.body, octets, &q->err);
}

static struct step read_message(struct conversation *c)
{
    struct qmqp *q = qmqp_of(c);
    struct str in = conversation_input(c);

    if (in.n > q->left)
        in.n = (size_t)q->left;
    smtp_body_feed(&q->scanner, in, sink, q);
    conversation_take(c, in.n);
    q->left -= in.n;
    in = conversation_input(c);
    if (q->left || !in.n)
        return c->eof ? malformed(q) : step_read(read_message, 0);
    if (in.p[0] != ',')
        return malformed(q);
    conversation_take(c, 1);
    smtp_body_finish(&q->scanner, sink, q);
    if (q->outcome != RC_OK)
        return refuse(q, q->outcome, &q->err);
    return step_goto(read_sender);
}

/* An address in QMQP stands bare; it is read like a path in brackets. */
static enum rc read_path(struct qmqp *q, struct str text, struct path *out, struct err *e)
{
    struct str rest;

    text = arena_printf(&q->arena, "<%.*s>", STR(text));
    if (!text.p)
        return err_set(e, RC_NO_MEMORY, "out of memory");
    TRY(address_parse_path(&q->arena, text, ADDRESS_LOOSE, out, &rest, e));
    return rest.n ? err_set(e, RC_SYNTAX, "bad address") : RC_OK;
}

static struct step read_sender(struct conversation *c)
{
    struct qmqp *q = qmqp_of(c);
    struct str text;
    struct path from;
    struct err e = ERR_NONE;
    enum rc rc = take_string(q, ADDRESS_MAX, &text);

    if (rc == RC_UNAVAILABLE)
        return step_read(read_sender, 0);
    if (rc != RC_OK)
        return malformed(q);
    rc = read_path(q, text, &from, &e);
    if (rc != RC_OK)
        return refuse(q, rc, &e);
    q->sender = from.address;
    message_from(&q->origin, &q->message, q->sender);
    return step_goto(read_recipients);
}

static struct step stored(struct conversation *c)
{
    struct qmqp *q = qmqp_of(c);

    if (q->outcome == RC_CLOSED)
        return step_end(); /* whether it is stored cannot be told (B6) */
    if (q->outcome != RC_OK)
        return refuse(q, q->outcome, NULL);
    return answer(q, 'K', "ok");
}

static void settled(void *ctx, enum rc rc)
{
    struct qmqp *q = ctx;

    q->stored = NULL;
    q->outcome = rc;
    conversation_resume(&q->c);
}

static struct step finish(struct qmqp *q)
{
    struct envelope env = {.sender = q->sender, .body = BODY_8BITMIME};
    struct err e = ERR_NONE;
    enum rc rc;

    if (!q->message.given)
        return malformed(q);
    rc = message_store(&q->origin, &q->message, &q->arena, &env, q->scanner.flags, settled, q, &q->stored, &e);
    if (rc != RC_OK)
        return refuse(q, rc, &e);
    return q->stored ? step_call(stored, QMQP_MS) : step_goto(stored);
}

static struct step read_recipients(struct conversation *c)
{
    struct qmqp *q = qmqp_of(c);
    struct str text;
    struct path to;
    struct err e = ERR_NONE;
    enum rc rc;

    while (q->total) {
        rc = take_string(q, ADDRESS_MAX, &text);
        if (rc == RC_UNAVAILABLE)
            return step_read(read_recipients, 0);
        if (rc != RC_OK)
            return malformed(q);
        rc = read_path(q, text, &to, &e);
        if (rc == RC_OK && !to.domain.n)
            rc = err_set(&e, RC_SYNTAX, "recipient address needs a domain");
        if (rc == RC_OK)
            rc = message_to(&q->origin, &q->message, &q->arena, &(struct recipient){.address = to.address},
                            ENVELOPE_RECIPIENTS, &e);
        if (rc != RC_OK)
            return refuse(q, rc, &e);
        q->message.outgoing = true;
    }
    if (!conversation_input(c).n)
        return c->eof ? malformed(q) : step_read(read_recipients, 0);
    if (conversation_input(c).p[0] != ',')
        return malformed(q);
    conversation_take(c, 1);
    return finish(q);
}

/* ---- the end
 * -------------------------------------------------------------------------------------------------------------- */

static struct step broken(struct conversation *c)
{
    struct qmqp *q = qmqp_of(c);

    if (q->receive)
        event(q->receive->o.events, connection_lost, .icid = q->origin.icid);
    return step_end();
}

static void done(struct conversation *c)
{
    struct qmqp *q = qmqp_of(c);

    if (!q->receive)
        return;
    if (q->stored)
        message_forget(q->stored);
    message_drop(&q->origin, &q->message, true);
    if (q->origin.icid)
        event(q->receive->o.events, connection_closed, .icid = q->origin.icid);
    arena_done(&q->arena);
    tables_unref(q->tables);
    listener_count(q->listener, -1);
    q->receive->open--;
    receive_check_stopped(q->receive);
}

const struct conversation_kind qmqp_kind = {
    .name = "qmqp",
    .first = first,
    .broken = broken,
    .done = done,
    .size = sizeof(struct qmqp),
    .timeout_ms = QMQP_MS,
    .total_ms = QMQP_TOTAL_MS,
    .max_in = SMTP_MAX_IN,
};
