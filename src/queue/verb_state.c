/*
 * Verbs about states: workqueue, suspenddel, resumedel (cli.md 7.2, 7.3), and `stopped`, which `status` asks.
 *
 * Called through verbs.c. The switches (work queue paused, delivery suspended) are journal entries, so they survive a
 * restart. Suspending waits until what is under way has ended, after the delay its connections are closed.
 */
#include "queue/internal.h"
#include "queue/verbs.h"

#include "base/must.h"
#include "mail/address.h"

#include <inttypes.h>
#include <stdlib.h>

enum { SUSPEND_S = 30, SUSPEND_MOST_S = 3600, SUSPEND_LOOK_MS = 100, SUSPEND_CLOSE_MS = 10000, STOPPED_NAMES = 20 };

/* The switches are kept, and `status` shows them at once. */
static void keep_switches(struct verb_question *v)
{
    struct queue *q = v->q;

    entry_control(q);
    board_gauge_set(q->board, QUEUE_COLUMN, GAUGE_WORK_QUEUE_PAUSED, q->work_paused);
    board_gauge_set(q->board, QUEUE_COLUMN, GAUGE_DELIVERY_SUSPENDED, q->delivery_suspended);
    v->changed = true;
}

/* --- workqueue ----------------------------------------------------------------------------------------------------------
 */

static void workqueue_status(struct verb_question *v)
{
    struct queue *q = v->q;

    verb_as_of(v);
    if (q->work_paused || q->away)
        buf_addf(&v->text, "Status:                       Paused: %s\n",
                 q->work_paused ? q->work_reason ? q->work_reason : "" : q->away);
    else
        buf_add(&v->text, str_lit("Status:                       Operational\n"));
    buf_addf(&v->text, "Messages:                     %" PRIu64 "\n", q->n_work + q->n_scanning);
    buf_addf(&v->json, "{\"paused\":%s,\"reason\":", q->work_paused || q->away ? "true" : "false");
    verb_json_str(&v->json, str_c(q->work_paused || !q->away ? q->work_reason : q->away));
    buf_addf(&v->json, ",\"messages\":%" PRIu64 "}", q->n_work + q->n_scanning);
}

static void set_paused(struct verb_question *v, bool paused)
{
    struct queue *q = v->q;
    struct buf reason = BUF(1000);

    for (size_t i = 1; paused && i < v->n_args; i++)
        buf_addf(&reason, "%s%.*s", i > 1 ? " " : "", STR(str_first(v->args[i], 200)));
    free(q->work_reason);
    q->work_reason = strndup(reason.n ? reason.p : "", reason.n);
    q->work_paused = paused;
    buf_done(&reason);
    keep_switches(v);
    if (paused)
        event(q->events, work_queue_paused, .reason = str_c(q->work_reason), .messages = q->n_work);
    else
        event(q->events, work_queue_resumed, .messages = q->n_work);
}

/* One sample; `rate next IN OUT` is the next one, with what came and went since. */
static void workqueue_rate(struct verb_question *v)
{
    struct queue *q = v->q;
    uint64_t since[2];
    bool next = verb_take_next(v, 1, since, 2);

    if (!next || since[0] > q->work_in || since[1] > q->work_out) { /* the first one, or queue was started anew */
        since[0] = q->work_in;
        since[1] = q->work_out;
    }
    if (v->n_args != 1) {
        verb_bad_arguments(v);
        return;
    }
    if (!next)
        buf_add(&v->text, str_lit("Time          Pending            In           Out\n"));
    verb_time_of_day(v);
    buf_addf(&v->text, " %12" PRIu64 " %13" PRIu64 " %13" PRIu64 "\n", q->n_work + q->n_scanning, q->work_in - since[0],
             q->work_out - since[1]);
    buf_addf(&v->json,
             "{\"next\":\"%" PRIu64 " %" PRIu64 "\",\"pending\":%" PRIu64 ",\"in\":%" PRIu64 ",\"out\":%" PRIu64 "}",
             q->work_in, q->work_out, q->n_work + q->n_scanning, q->work_in, q->work_out);
    verb_answer(v, RC_OK);
}

void verb_workqueue(struct verb_question *v)
{
    if (verb_arg_is(v, 0, "pause"))
        set_paused(v, true);
    else if (verb_arg_is(v, 0, "resume"))
        set_paused(v, false);
    else if (verb_arg_is(v, 0, "rate")) {
        workqueue_rate(v);
        return;
    } else if (v->n_args && !verb_arg_is(v, 0, "status")) {
        verb_bad_arguments(v);
        return;
    }
    workqueue_status(v);
    verb_answer(v, RC_OK);
}

/* --- suspend and resume delivery ----------------------------------------------------------------------------------------
 */

/* One question that waits for deliveries to end. */
struct suspending {
    uint64_t until_ms;
    bool all, closed;
    struct strs names; /* unless all */
};

/* The destinations of a host name, one after the other; 0 ends it. */
static uint32_t selected(const struct queue *q, const struct selector *s, uint32_t behind)
{
    return s->family ? internal_next(q, s->family, behind) : behind ? 0 : s->destination;
}

static uint64_t under_way(const struct queue *q, const struct suspending *s)
{
    uint64_t n = 0;

    if (s->all)
        return q->n_flying;
    for (size_t i = 0; i < s->names.n; i++) {
        struct selector host = internal_select(q, s->names.items[i]);

        for (uint32_t d = 0; (d = selected(q, &host, d));)
            n += destination_at(q, d)->flying;
    }
    return n;
}

static bool still_suspended(const struct queue *q, const struct suspending *s)
{
    for (size_t i = 0; i < s->names.n; i++) {
        uint32_t d = destination_find(q, s->names.items[i]);

        if (d && destination_at(q, d)->suspended)
            return true;
    }
    return q->delivery_suspended;
}

static void close_connections(struct queue *q, const struct suspending *s)
{
    if (s->all)
        bus_send_all(q->bus, ROLE_deliver, BUS_destination_close, &(struct bus_destination_close){0});
    for (size_t i = 0; i < s->names.n; i++) {
        struct selector host = internal_select(q, s->names.items[i]);

        for (uint32_t d = 0; (d = selected(q, &host, d));)
            bus_send_all(q->bus, ROLE_deliver, BUS_destination_close,
                         &(struct bus_destination_close){.destination = str_c(destination_at(q, d)->name)});
    }
}

/* In order: nothing is under way any more; the delay is over; what was closed has not been answered for. */
static void look(void *ctx)
{
    struct verb_question *v = ctx;
    struct suspending *s = v->state;
    uint64_t now = loop_now_ms(v->q->loop);

    if (under_way(v->q, s) && still_suspended(v->q, s)) {
        if (now >= s->until_ms && !s->closed) {
            close_connections(v->q, s);
            s->closed = true;
            s->until_ms = now + SUSPEND_CLOSE_MS;
        }
        if (now < s->until_ms) {
            loop_timer_set(v->q->loop, &v->timer, SUSPEND_LOOK_MS, look, v);
            return;
        }
    }
    verb_say(v, RC_OK, "Mail delivery suspended.");
}

static void suspend_one(struct verb_question *v, struct str name, bool on)
{
    struct queue *q = v->q;
    uint32_t d = on ? destination_for(q, name) : destination_find(q, name);
    struct selector host;

    if (!d)
        return;
    destination_at(q, d)->suspended = on;
    host = internal_select(q, name);
    for (uint32_t i = 0; (i = selected(q, &host, i));)
        destination_activate(q, i);
    if (on)
        event(q->events, delivery_suspended, .user = v->user, .domain = name);
    else
        event(q->events, delivery_resumed, .user = v->user, .domain = name);
}

static void suspend_all(struct verb_question *v, bool on)
{
    struct queue *q = v->q;

    q->delivery_suspended = on;
    for (uint32_t i = 1; i < q->destinations.end; i++)
        if (destination_at(q, i)->name) {
            destination_at(q, i)->suspended &= on;
            destination_activate(q, i);
        }
    if (on)
        event(q->events, delivery_suspended, .user = v->user);
    else
        event(q->events, delivery_resumed, .user = v->user);
}

/* "[DELAY] [DOMAINS]": digits are the delay; without domains (or with `all`) everything is meant. False: no domain. */
static bool read_targets(struct verb_question *v, struct suspending *s)
{
    struct str *names = arena_must_alloc(&v->arena, 1000 * sizeof *names);
    uint64_t seconds = SUSPEND_S;

    for (size_t i = 0; i < v->n_args; i++) {
        struct str rest = v->args[i], name;

        if (str_u64(rest, &seconds))
            continue;
        while (str_split(&rest, ',', &name)) {
            name = destination_lower(&v->arena, str_trim(name));
            if (!name.n)
                continue;
            if (s->names.n == 1000 || !(address_is_domain(name, true) || address_is_literal(name) || internal_is(name)))
                return false;
            s->all |= str_eq(name, str_lit("all"));
            names[s->names.n++] = name;
        }
    }
    s->all |= s->names.n == 0;
    s->names = (struct strs){names, s->all ? 0 : s->names.n};
    s->until_ms = loop_now_ms(v->q->loop) + (seconds < SUSPEND_MOST_S ? seconds : SUSPEND_MOST_S) * 1000;
    return true;
}

static bool set_suspended(struct verb_question *v, bool on)
{
    struct suspending *s = arena_must_alloc(&v->arena, sizeof *s);

    *s = (struct suspending){0};
    v->state = s;
    if (!read_targets(v, s)) {
        verb_bad_arguments(v);
        return false;
    }
    if (s->all)
        suspend_all(v, on);
    for (size_t i = 0; i < s->names.n; i++)
        suspend_one(v, s->names.items[i], on);
    keep_switches(v);
    return true;
}

void verb_suspenddel(struct verb_question *v)
{
    if (set_suspended(v, true))
        look(v);
}

void verb_resumedel(struct verb_question *v)
{
    if (set_suspended(v, false))
        verb_say(v, RC_OK, "Mail delivery resumed.");
}

/* What `status` adds in words: domains that delivery is suspended for. */
void verb_stopped(struct verb_question *v)
{
    struct queue *q = v->q;
    uint64_t n = 0;

    for (uint32_t i = 1; i < q->destinations.end && !q->delivery_suspended; i++) {
        const struct destination *d = destination_at(q, i);

        if (!d->name || !d->suspended)
            continue;
        if (n++ < STOPPED_NAMES)
            buf_addf(&v->text, "%s%s", n > 1 ? ", " : "Delivery is suspended to: ", d->name);
    }
    if (n > STOPPED_NAMES)
        buf_addf(&v->text, " and %" PRIu64 " more", n - STOPPED_NAMES);
    if (n)
        buf_add(&v->text, str_lit(". Use resumedel to resume.\n"));
    verb_answer(v, RC_OK);
}
