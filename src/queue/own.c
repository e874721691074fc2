/*
 * Mail of our own: alerts and mailed configuration files, sent for another role (bus row mail_new).
 *
 * Called by the bus. Owns each mail until it is journaled; only then its sender gets mail_taken, so that a sender that hears
 * nothing may send it again. Addresses that are none are left out; a mail without a good one is refused with RC_INVALID, one
 * that cannot be stored with the reason of the spool.
 */
#include "base/clock.h"
#include "base/must.h"
#include "mail/address.h"
#include "mail/envelope.h"
#include "mail/header.h"
#include "queue/made.h"

#include <stdlib.h>

enum { OWN_RECIPIENTS = 1000, SUBJECT_MAX = 512 };

struct own_mail {
    struct own_mail *next;
    struct made made;
    struct bus_peer *from;
    uint64_t call;
    struct arena arena; /* sender and recipients, for the log */
    struct str sender;
    struct recipient *recipients;
    size_t n_recipients;
    uint64_t mid;
};

static void mail_free(struct own_mail *o)
{
    struct own_mail **at = &o->made.q->own_mails;

    while (*at != o)
        at = &(*at)->next;
    *at = o->next;
    arena_done(&o->arena);
    free(o);
}

static void answer(void *ctx, enum rc rc)
{
    struct own_mail *o = ctx;

    bus_reply(o->made.q->bus, o->from, o->call, BUS_mail_taken,
              &(struct bus_mail_taken){.rc = rc, .mid = rc == RC_OK ? o->mid : 0});
    mail_free(o);
}

static void say_made(const struct own_mail *o)
{
    struct events *events = o->made.q->events;

    event(events, message_start, .mid = o->mid);
    event(events, message_sender, .mid = o->mid, .sender = o->sender);
    for (size_t i = 0; i < o->n_recipients; i++)
        event(events, message_recipient, .mid = o->mid, .rid = i, .recipient = o->recipients[i].address);
    event(events, message_ready, .mid = o->mid, .bytes = o->made.bytes, .sender = o->sender, .recipients = o->n_recipients);
}

static void stored(void *ctx, enum rc rc, uint32_t message)
{
    struct own_mail *o = ctx;
    struct queue *q = o->made.q;

    if (rc != RC_OK) {
        answer(o, rc);
        return;
    }
    o->mid = o->made.mid;
    say_made(o);
    work_verdict(q, message, 0, STR_NONE);
    journal_sync(q->journal, answer, o);
}

/* "anna@example.org", also in brackets; `empty_ok`: the null sender too. */
static bool read_address(struct own_mail *o, struct str text, bool empty_ok, struct str *out, bool *utf8)
{
    struct str t = str_trim(text), rest;
    struct path path;

    if (!t.n || str_eq(t, str_lit("<>"))) {
        *out = STR_NONE;
        return empty_ok;
    }
    if (t.p[0] != '<')
        t = arena_printf(&o->arena, "<%.*s>", STR(t));
    if (address_parse_path(&o->arena, t, ADDRESS_LOOSE, &path, &rest, NULL) != RC_OK || rest.n || !path.domain.n)
        return false;
    *out = arena_str(&o->arena, path.address);
    *utf8 |= path.utf8;
    return true;
}

static enum rc take(struct own_mail *o, const struct bus_mail_new *m)
{
    struct header_field subject;
    struct envelope env = {.received_ms = clock_wall_ms()};
    struct str list = m->recipients, one;
    bool utf8 = false;

    if (o->made.q->broken || o->made.q->stopping)
        return RC_UNAVAILABLE;
    o->recipients = arena_must_alloc(&o->arena, OWN_RECIPIENTS * sizeof *o->recipients);
    if (!read_address(o, m->sender, true, &o->sender, &utf8))
        return RC_INVALID;
    while (o->n_recipients < OWN_RECIPIENTS && get_str(&list, &one)) {
        o->recipients[o->n_recipients] = (struct recipient){0};
        if (read_address(o, one, false, &o->recipients[o->n_recipients].address, &utf8))
            o->n_recipients++;
    }
    if (!o->n_recipients || !m->body.n)
        return RC_INVALID;
    if (header_find(m->body, str_lit("Subject"), &subject))
        env.subject = header_unfold(&o->arena, subject.value, SUBJECT_MAX);
    env.sender = o->sender;
    env.smtputf8 = utf8;
    env.recipients = o->recipients;
    env.n_recipients = o->n_recipients;
    return made_store(&o->made, &env, m->body);
}

static void on_mail(void *ctx, const struct bus_in *in)
{
    struct queue *q = ctx;
    struct own_mail *o = calloc(1, sizeof *o);
    enum rc rc;

    must(o);
    o->made = (struct made){.q = q, .stored = stored, .ctx = o};
    o->from = in->from;
    o->call = in->call;
    arena_init(&o->arena, 4096, 4 << 20);
    o->next = q->own_mails;
    q->own_mails = o;
    rc = take(o, in->msg);
    if (rc != RC_OK)
        answer(o, rc);
}

void own_init(struct queue *q)
{
    bus_on(q->bus, BUS_mail_new, on_mail, q);
}

void own_done(struct queue *q)
{
    while (q->own_mails)
        mail_free(q->own_mails);
}
