/*
 * Messages that leave quarantine: each becomes a message of the queue under a new number.
 *
 * Called by the bus (release_new). Owns each release until it is journaled and synced; only then quarantine hears
 * release_taken and lets its own copy go. A quarantine that hears nothing sends it again: the same number is answered with
 * the message it became. Only a queue that died between the two makes a second one; none is ever lost.
 */
#include "base/must.h"
#include "mail/carried.h"
#include "mail/envelope.h"
#include "policy/verdict.h"
#include "queue/internal.h"
#include "queue/made.h"
#include "queue/taken.h"

#include <stdlib.h>
#include <unistd.h>

enum { ARENA_MAX = 8 << 20 };

struct release {
    struct release *next;
    struct made made;
    struct bus_peer *from;
    uint64_t call, id;
    bool kept; /* it keeps its number: nothing begins with it */
    struct arena arena;
    struct envelope env;
    struct str destination;
    struct carried carried;
};

static void release_free(struct release *r)
{
    struct release **at = &r->made.q->releases;

    while (*at != r)
        at = &(*at)->next;
    *at = r->next;
    arena_done(&r->arena);
    free(r);
}

static void remember(struct queue *q, uint64_t id, uint64_t mid)
{
    q->releases_known[q->releases_next] = (struct release_known){id, mid};
    q->releases_next = (q->releases_next + 1) % RELEASES_KNOWN;
}

static void answer(void *ctx, enum rc rc)
{
    struct release *r = ctx;

    if (rc == RC_OK)
        remember(r->made.q, r->id, r->made.mid);
    bus_reply(r->made.q->bus, r->from, r->call, BUS_release_taken,
              &(struct bus_release_taken){.id = r->id, .rc = rc, .mid = rc == RC_OK ? r->made.mid : 0});
    release_free(r);
}

static void stored(void *ctx, enum rc rc, uint32_t message)
{
    struct release *r = ctx;
    struct queue *q = r->made.q;

    if (rc != RC_OK) {
        answer(r, rc);
        return;
    }
    if (!r->kept) {
        event(q->events, message_start, .mid = r->made.mid, .uid = r->env.uid);
        made_say(q, &r->made, &r->env);
    }
    if (r->carried.resume == RESUME_DELIVER) {
        if (r->destination.n)
            verdict_send_to(q, message, r->destination);
        work_verdict(q, message, VERDICT_DELIVER, r->env.carried); /* it has the bounce profile */
    } else {
        work_add(q, message, false);
        q->work_in++;
    }
    journal_sync(q->journal, answer, r);
}

static enum rc take(struct release *r, const struct bus_release_new *m, int fd)
{
    if (r->made.q->broken || r->made.q->stopping)
        return RC_UNAVAILABLE;
    TRY(envelope_decode(&r->arena, arena_str(&r->arena, m->envelope), &r->env, NULL));
    TRY(carried_decode(r->env.carried, &r->carried, NULL));
    if (!r->env.n_recipients || fd < 0)
        return RC_INVALID;
    return made_file(&r->made, &r->env, fd, m->offset, m->body_bytes);
}

/* Sent again: its message is there, answered at once, or on its way, answered as the last that asked. */
static bool known_already(struct queue *q, const struct bus_in *in, uint64_t id, uint64_t mid)
{
    for (struct release *r = q->releases; r; r = r->next)
        if (r->id == id) {
            r->from = in->from;
            r->call = in->call;
            return true;
        }
    for (size_t i = 0; id && i < RELEASES_KNOWN; i++)
        if (q->releases_known[i].id == id) {
            bus_reply(q->bus, in->from, in->call, BUS_release_taken,
                      &(struct bus_release_taken){.id = id, .rc = RC_OK, .mid = q->releases_known[i].mid});
            return true;
        }
    if (mid && message_find(q, mid)) { /* taken in a life before */
        bus_reply(q->bus, in->from, in->call, BUS_release_taken,
                  &(struct bus_release_taken){.id = id, .rc = RC_OK, .mid = mid});
        return true;
    }
    return false;
}

static void on_release(void *ctx, const struct bus_in *in)
{
    struct queue *q = ctx;
    const struct bus_release_new *m = in->msg;
    struct release *r;
    enum rc rc;

    if (known_already(q, in, m->id, m->mid)) {
        if (in->fd >= 0)
            close(in->fd);
        return;
    }
    r = calloc(1, sizeof *r);
    must(r);
    r->made = (struct made){.q = q, .stored = stored, .ctx = r, .mid = m->mid};
    r->kept = m->mid != 0;
    r->from = in->from;
    r->call = in->call;
    r->id = m->id;
    arena_init(&r->arena, 4096, ARENA_MAX);
    r->destination = arena_str(&r->arena, m->destination);
    r->next = q->releases;
    q->releases = r;
    rc = take(r, m, in->fd);
    if (in->fd >= 0)
        close(in->fd);
    if (rc != RC_OK)
        answer(r, rc);
}

/* Messages whose last try broke off wait each for itself; back-offs end behind them, as in delivernow. */
void destination_try_all(struct queue *q, uint32_t d)
{
    for (uint32_t i = 1; i < q->pieces.end; i++)
        if (piece_at(q, i)->state == PIECE_WAITING && piece_at(q, i)->destination == d)
            piece_make_ready(q, i, false);
    destination_try_now(q, d, false);
}

/* The holder takes connections (again): what waits for it goes at once. That its process is there is not enough: a try
 * before it listens would make all of it wait for the next one. */
static void on_holder(void *ctx, const struct bus_in *in)
{
    static const char *const names[] = {"the.cpq.host", "the.euq.queue"};
    struct queue *q = ctx;

    (void)in;
    for (size_t i = 0; i < 2; i++) {
        uint32_t d = destination_find(q, str_c(names[i]));

        if (d)
            destination_try_all(q, d);
    }
}

/* A manager that gives a release again is told that it was taken, before it sends much. */
static void on_question(void *ctx, const struct bus_in *in)
{
    struct queue *q = ctx;
    const struct bus_release_question *m = in->msg;

    bus_reply(q->bus, in->from, in->call, BUS_release_known, &(struct bus_release_known){.mid = taken_find(q, m->key)});
}

/* A gateway answers again: what waits for it goes at once. */
static void on_back(void *ctx, const struct bus_in *in)
{
    struct queue *q = ctx;
    const struct bus_gateway_back *m = in->msg;

    for (uint32_t i = 1; i < q->destinations.end; i++) {
        const struct destination *d = destination_at(q, i);

        if (d->name && d->family && str_eqi(str_from(str_c(d->name), internal_base(str_c(d->name)).n + 1), m->serial))
            destination_try_all(q, i);
    }
}

void release_init(struct queue *q)
{
    bus_on(q->bus, BUS_release_question, on_question, q);
    bus_on(q->bus, BUS_gateway_back, on_back, q);
    bus_on(q->bus, BUS_holder_ready, on_holder, q);
    bus_on(q->bus, BUS_release_new, on_release, q);
}

void releases_done(struct queue *q)
{
    while (q->releases)
        release_free(q->releases);
}
