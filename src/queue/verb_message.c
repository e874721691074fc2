/*
 * Verbs about one message: showmessage, archivemessage, removemessage, oldmessage (cli.md 7.2).
 *
 * Called through verbs.c. A message of any length goes out in parts (verb_take_at: place in the body and its CRC so far), so
 * neither a bus frame nor this process ever holds more than a part of it. What is on disk but cannot be read is said as
 * such.
 */
#include "queue/verbs.h"

#include "base/clock.h"
#include "base/must.h"
#include "event/render.h"
#include "mail/header.h"

#include <inttypes.h>

enum { PART = 1 << 20, HEADERS_MAX = 64 << 10 };

/* The message an argument names; 0 = answered already. */
static uint32_t named(struct verb_question *v, size_t args)
{
    uint64_t mid;
    uint32_t message;

    if (v->n_args != args || !str_u64(v->args[0], &mid)) {
        verb_bad_arguments(v);
        return 0;
    }
    message = message_find(v->q, mid);
    if (!message)
        verb_sayf(v, RC_NOT_FOUND, "MID %" PRIu64 " does not exist in the queue.", mid);
    return message;
}

static void unreadable(struct verb_question *v)
{
    verb_say(v, RC_IO, "The message cannot be read.");
}

/* --- the message itself ----------------------------------------------------------------------------------------------- */

struct part {
    struct spool_head head;
    uint64_t from, at; /* where it begins and ends */
    uint32_t from_crc, crc;
    struct str octets;
};

/* The next part of the body; not RC_OK: it cannot be read, or ends and is not what was stored. */
static enum rc read_part(struct verb_question *v, struct part *p)
{
    size_t n = p->head.body_bytes - p->at < PART ? (size_t)(p->head.body_bytes - p->at) : PART;
    char *to = arena_alloc(&v->q->scratch, n + 1);

    if (!to)
        return RC_NO_MEMORY;
    TRY(spool_read_body(v->q->reader, &p->head, p->at, to, n, &p->crc, NULL));
    p->octets = str_of(to, n);
    p->at += n;
    return p->at < p->head.body_bytes || p->crc == p->head.body_crc ? RC_OK : RC_CORRUPT;
}

static void end_part(struct verb_question *v, const struct part *p)
{
    buf_addc(&v->json, '{');
    if (p->at < p->head.body_bytes)
        buf_addf(&v->json, "\"next\":\"%" PRIu64 ".%" PRIu32 "\",", p->at, p->crc);
    buf_addf(&v->json, "\"mid\":%" PRIu64 ",\"bytes\":%" PRIu64 "}", p->head.mid, p->head.body_bytes);
    verb_answer(v, RC_OK);
}

static bool begin_part(struct verb_question *v, struct part *p, struct envelope *env)
{
    uint64_t crc;
    uint32_t message;

    *p = (struct part){0};
    if (!verb_take_at(v, &p->from, &crc) || crc > UINT32_MAX) {
        verb_bad_arguments(v);
        return false;
    }
    p->at = p->from;
    p->crc = p->from_crc = (uint32_t)crc;
    message = named(v, 1);
    if (!message)
        return false;
    if (!verb_read_head(v, message, &p->head, env) || p->at > p->head.body_bytes || read_part(v, p) != RC_OK) {
        unreadable(v);
        return false;
    }
    return true;
}

void verb_showmessage(struct verb_question *v)
{
    struct envelope env;
    struct part p;

    if (!begin_part(v, &p, &env))
        return;
    buf_add(&v->text, p.octets);
    end_part(v, &p);
}

/* The line before a message in mbox form, and how its own `From ` lines are told from it (mboxrd). */
static void mbox_begin(struct verb_question *v, const struct envelope *env)
{
    char when[24];

    render_ctime(env->received_ms, when);
    buf_add(&v->text, str_lit("From "));
    render_plain(env->sender.n ? env->sender : str_lit("MAILER-DAEMON"), &v->text);
    buf_addf(&v->text, " %.24s\n", when);
}

static bool needs_quote(struct str line)
{
    while (line.n && line.p[0] == '>')
        line = str_from(line, 1);
    return str_starts(line, str_lit("From "));
}

/* Line ends become LF, as mbox readers expect. */
static void mbox_lines(struct verb_question *v, struct str octets)
{
    struct str line;

    while (octets.n && str_split(&octets, '\n', &line)) {
        if (needs_quote(line))
            buf_addc(&v->text, '>');
        if (line.n && line.p[line.n - 1] == '\r')
            line.n--;
        buf_add(&v->text, line);
        buf_addc(&v->text, '\n');
    }
}

/* Parts end with a line, so that no line is seen in two pieces; one longer than a part is cut where the part ends. */
static bool keep_whole_lines(struct verb_question *v, struct part *p)
{
    size_t n = p->octets.n ? str_find_last(p->octets, '\n') : 0;

    if (p->at == p->head.body_bytes || n >= p->octets.n)
        return true;
    n++;
    p->crc = p->from_crc;
    if (spool_read_body(v->q->reader, &p->head, p->from, (char *)(uintptr_t)p->octets.p, n, &p->crc, NULL) != RC_OK)
        return false;
    p->octets.n = n;
    p->at = p->from + n;
    return true;
}

void verb_archivemessage(struct verb_question *v)
{
    struct envelope env;
    struct part p;

    if (!begin_part(v, &p, &env))
        return;
    if (!keep_whole_lines(v, &p)) {
        unreadable(v);
        return;
    }
    if (!p.from)
        mbox_begin(v, &env);
    mbox_lines(v, p.octets);
    if (p.at == p.head.body_bytes)
        buf_addc(&v->text, '\n');
    end_part(v, &p);
}

/* --- what it is ------------------------------------------------------------------------------------------------------- */

static void put_age(struct buf *out, uint64_t s)
{
    static const struct {
        uint64_t s;
        const char *name;
    } units[] = {{86400, "day"}, {3600, "hour"}, {60, "min"}, {1, "sec"}};
    bool any = false;

    for (size_t i = 0; i < 4; i++) {
        uint64_t n = s / units[i].s;

        s %= units[i].s;
        if (!n && !any && i < 3)
            continue;
        buf_addf(out, "%s%" PRIu64 " %s%s", any ? " " : "", n, units[i].name, n == 1 ? "" : "s");
        any = true;
    }
}

/* "MID 5: 1 hour 2 mins 3 secs old" and the header section, made harmless for a terminal; `only`: just these fields. */
static bool describe(struct verb_question *v, uint32_t message, const char *const *only)
{
    struct queue *q = v->q;
    const struct message *m = message_at(q, message);
    uint64_t now = clock_wall_ms();
    struct spool_head head;
    struct envelope env;
    struct header_field f;
    struct str rest;
    uint32_t crc = 0;
    size_t n;
    char *p;

    if (!verb_read_head(v, message, &head, &env))
        return false;
    n = head.body_bytes < HEADERS_MAX ? (size_t)head.body_bytes : HEADERS_MAX;
    p = arena_alloc(&q->scratch, n + 1);
    if (!p || spool_read_body(q->reader, &head, 0, p, n, &crc, NULL) != RC_OK)
        return false;
    buf_addf(&v->text, "MID %" PRIu64 ": ", m->mid);
    put_age(&v->text, now > m->entered_ms ? (now - m->entered_ms) / 1000 : 0);
    buf_add(&v->text, str_lit(" old\n"));
    for (rest = str_of(p, n); header_next(&rest, &f);) {
        bool shown = !only;

        for (size_t i = 0; only && only[i] && !shown; i++)
            shown = str_eqi(f.name, str_c(only[i]));
        if (!shown)
            continue;
        render_plain(f.name, &v->text);
        buf_add(&v->text, str_lit(": "));
        render_plain(header_unfold(&q->scratch, f.value, HEADERS_MAX), &v->text);
        buf_addc(&v->text, '\n');
    }
    buf_addf(&v->json, "{\"mid\":%" PRIu64 ",\"entered_ms\":%" PRIu64 ",\"bytes\":%" PRIu64 ",\"sender\":", m->mid,
             m->entered_ms, head.body_bytes);
    verb_json_str(&v->json, env.sender);
    buf_add(&v->json, str_lit(",\"subject\":"));
    verb_json_str(&v->json, env.subject);
    buf_addf(&v->json, ",\"recipients\":%u}", m->open);
    return true;
}

struct oldest {
    uint32_t message;
    uint64_t mid, entered_ms;
};

static bool older(struct verb_question *v, uint32_t message)
{
    const struct message *m = message_at(v->q, message);
    struct oldest *o = v->state;

    if (m->mid && (!o->message || m->entered_ms < o->entered_ms || (m->entered_ms == o->entered_ms && m->mid < o->mid)))
        *o = (struct oldest){message, m->mid, m->entered_ms};
    return true;
}

static void found_oldest(struct verb_question *v)
{
    const struct oldest *o = v->state;
    uint32_t message = o->message ? message_find(v->q, o->mid) : 0;

    if (!message)
        verb_say(v, RC_OK, "There are no messages in the queue.");
    else if (describe(v, message, NULL))
        verb_answer(v, RC_OK);
    else
        unreadable(v);
}

void verb_oldmessage(struct verb_question *v)
{
    if (v->n_args) {
        verb_bad_arguments(v);
        return;
    }
    v->state = arena_must_alloc(&v->arena, sizeof(struct oldest));
    *(struct oldest *)v->state = (struct oldest){0};
    verb_walk(v, &v->q->messages, 0, older, found_oldest);
}

/* --- removemessage ---------------------------------------------------------------------------------------------------- */

static bool in_use(const struct queue *q, uint32_t message)
{
    const struct message *m = message_at(q, message);

    if (m->state == MESSAGE_SCANNING)
        return true;
    for (uint32_t p = m->pieces; p; p = piece_at(q, p)->sibling)
        if (!verb_piece_is_idle(q, p))
            return true;
    return false;
}

/* `removemessage MID show` is the summary that a session shows before it asks, `removemessage MID` does it. */
void verb_removemessage(struct verb_question *v)
{
    static const char *const fields[] = {"Received", "From", "To", "Subject", "Message-ID", NULL};
    bool show = v->n_args == 2 && verb_arg_is(v, 1, "show");
    uint32_t message = named(v, show ? 2 : 1);
    struct queue *q = v->q;
    uint64_t mid;

    if (!message)
        return;
    mid = message_at(q, message)->mid;
    if (in_use(q, message)) {
        verb_sayf(v, RC_UNAVAILABLE, "MID %" PRIu64 " is being delivered or scanned now and cannot be removed.", mid);
        return;
    }
    if (show) {
        if (describe(v, message, fields))
            verb_answer(v, RC_OK);
        else
            unreadable(v);
        return;
    }
    for (uint32_t p = message_at(q, message)->pieces, next; p; p = next) {
        next = piece_at(q, p)->sibling;
        verb_delete_piece(v, p);
    }
    message_end_if_done(q, message);
    v->changed = true;
    verb_sayf(v, RC_OK, "MID %" PRIu64 " removed.", mid);
}
