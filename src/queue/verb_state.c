/*
 * Verbs about states: workqueue, suspenddel, resumedel, tophosts, hoststatus (cli.md 7.2, 7.3).
 *
 * Called through verbs.c. The switches (work queue paused, delivery suspended) are journal entries, so they survive a
 * restart.
 */
#include "queue/verbs.h"

#include "base/clock.h"
#include "base/must.h"
#include "event/render.h"

#include <inttypes.h>
#include <stdlib.h>

enum { TOP = 20, SUSPEND_MOST_MS = 25000, SUSPEND_LOOK_MS = 200 };

/* --- workqueue ----------------------------------------------------------------------------------------------------------
 */

static void workqueue_status(struct verb_question *v)
{
    struct queue *q = v->q;

    verb_as_of(v);
    if (q->work_paused)
        buf_addf(&v->text, "Status:                       Paused: %s\n", q->work_reason ? q->work_reason : "");
    else
        buf_add(&v->text, str_lit("Status:                       Operational\n"));
    buf_addf(&v->text, "Messages:                     %" PRIu64 "\n", q->n_work + q->n_scanning);
    buf_addf(&v->json, "{\"paused\":%s,\"reason\":", q->work_paused ? "true" : "false");
    verb_json_str(&v->json, str_c(q->work_reason));
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
    entry_control(q);
    v->changed = true;
    if (paused)
        event(q->events, work_queue_paused, .reason = str_c(q->work_reason), .messages = q->n_work);
    else
        event(q->events, work_queue_resumed, .messages = q->n_work);
}

void verb_workqueue(struct verb_question *v)
{
    if (verb_arg_is(v, 0, "pause"))
        set_paused(v, true);
    else if (verb_arg_is(v, 0, "resume"))
        set_paused(v, false);
    else if (v->n_args && !verb_arg_is(v, 0, "status")) {
        verb_say(v, RC_INVALID, "workqueue [status|pause [REASON]|resume]");
        return;
    }
    workqueue_status(v);
    verb_answer(v, RC_OK);
}

/* --- suspend and resume delivery
 * ------------------------------------------------------------------------------------------- */

static void suspend_done(void *ctx)
{
    struct verb_question *v = ctx;
    uint64_t *until = v->state;

    if (v->q->n_flying && loop_now_ms(v->q->loop) < *until) {
        loop_timer_set(v->q->loop, &v->timer, SUSPEND_LOOK_MS, suspend_done, v);
        return;
    }
    verb_say(v, RC_OK, "Mail delivery suspended.");
}

/* Applies to the domains in the arguments, or to everything when there is none; a number is the delay in seconds. */
static bool set_suspended(struct verb_question *v, bool on, uint64_t *delay_ms_out)
{
    struct queue *q = v->q;
    bool named = false;
    uint64_t seconds;

    for (size_t i = 0; i < v->n_args; i++) {
        struct str rest = v->args[i], name;

        if (str_u64(rest, &seconds)) {
            *delay_ms_out = seconds < SUSPEND_MOST_MS / 1000 ? seconds * 1000 : SUSPEND_MOST_MS;
            continue;
        }
        while (str_split(&rest, ',', &name)) {
            uint32_t d = destination_for(q, destination_lower(&v->arena, str_first(str_trim(name), 255)));

            destination_at(q, d)->suspended = on;
            destination_activate(q, d);
            if (on)
                event(q->events, delivery_suspended, .user = v->user, .domain = str_c(destination_at(q, d)->name));
            else
                event(q->events, delivery_resumed, .user = v->user, .domain = str_c(destination_at(q, d)->name));
            named = true;
        }
    }
    return named;
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

void verb_suspenddel(struct verb_question *v)
{
    uint64_t delay_ms = SUSPEND_MOST_MS, *until = arena_must_alloc(&v->arena, sizeof *until);

    if (!set_suspended(v, true, &delay_ms))
        suspend_all(v, true);
    entry_control(v->q);
    v->changed = true;
    *until = loop_now_ms(v->q->loop) + delay_ms;
    v->state = until;
    suspend_done(v);
}

void verb_resumedel(struct verb_question *v)
{
    uint64_t ignored;

    if (!set_suspended(v, false, &ignored))
        suspend_all(v, false);
    entry_control(v->q);
    v->changed = true;
    verb_say(v, RC_OK, "Mail delivery resumed.");
}

/* --- tophosts
 * ---------------------------------------------------------------------------------------------------------------- */

static uint64_t connections(const struct destination *d)
{
    return d->flying < d->max_connections ? d->flying : d->max_connections;
}

static uint64_t key_active(const struct destination *d)
{
    return d->recipients;
}

static uint64_t key_delivered(const struct destination *d)
{
    return d->delivered;
}

static uint64_t key_soft(const struct destination *d)
{
    return d->soft;
}

static uint64_t key_hard(const struct destination *d)
{
    return d->hard;
}

static const struct {
    const char *name;
    uint64_t (*key)(const struct destination *d);
} orders[] = {{"active_rcpts", key_active},
              {"conn_out", connections},
              {"deliv_recip", key_delivered},
              {"soft_bounced", key_soft},
              {"hard_bounced", key_hard}};

/* The `TOP` destinations with the largest keys, in order. */
static size_t top(struct queue *q, uint64_t (*key)(const struct destination *d), uint32_t out[TOP])
{
    size_t n = 0;

    for (uint32_t i = 1; i < q->destinations.end; i++) {
        const struct destination *d = destination_at(q, i);
        size_t at = n;

        if (!d->name)
            continue;
        while (at && key(destination_at(q, out[at - 1])) < key(d))
            at--;
        if (at == TOP)
            continue;
        n = n < TOP ? n + 1 : TOP;
        memmove(&out[at + 1], &out[at], (n - at - 1) * sizeof *out);
        out[at] = i;
    }
    return n;
}

void verb_tophosts(struct verb_question *v)
{
    uint32_t list[TOP];
    size_t order = 0, n;
    uint64_t number;

    while (order < 5 && v->n_args && !verb_arg_is(v, 0, orders[order].name))
        order++;
    if (v->n_args && str_u64(v->args[0], &number) && number >= 1 && number <= 5)
        order = number - 1;
    if (order == 5) {
        verb_say(v, RC_INVALID, "tophosts [active_rcpts|conn_out|deliv_recip|soft_bounced|hard_bounced]");
        return;
    }
    n = top(v->q, orders[order].key, list);
    verb_as_of(v);
    buf_add(&v->text, str_lit("Hosts marked with '*' were down as of the last delivery attempt.\n\n"
                              "                                  Active    Conn.   Deliv.     Soft     Hard\n"
                              " #   Recipient Host               Recip.      Out   Recip.  Bounced  Bounced\n"));
    buf_addc(&v->json, '[');
    for (size_t i = 0; i < n; i++) {
        const struct destination *d = destination_at(v->q, list[i]);

        buf_addf(&v->text, "%2zu%c  %-26s %8" PRIu64 " %8" PRIu64 " %8" PRIu64 " %8" PRIu64 " %8" PRIu64 "\n", i + 1,
                 d->down ? '*' : ' ', d->name, d->recipients, connections(d), d->delivered, d->soft, d->hard);
        buf_add(&v->json, str_c(i ? ",{\"host\":" : "{\"host\":"));
        verb_json_str(&v->json, str_c(d->name));
        buf_addf(&v->json,
                 ",\"down\":%s,\"active\":%" PRIu64 ",\"connections\":%" PRIu64 ",\"delivered\":%" PRIu64
                 ",\"soft_bounced\":%" PRIu64 ",\"hard_bounced\":%" PRIu64 "}",
                 d->down ? "true" : "false", d->recipients, connections(d), d->delivered, d->soft, d->hard);
    }
    buf_addc(&v->json, ']');
    verb_answer(v, RC_OK);
}

/* --- hoststatus
 * ---------------------------------------------------------------------------------------------------------------- */

static void put_time(struct buf *out, const char *label, uint64_t ms)
{
    char when[24];

    if (!ms) {
        buf_addf(out, "%-30sNone\n", label);
        return;
    }
    render_ctime(ms, when);
    buf_addf(out, "%-30s%.24s\n", label, when);
}

static uint64_t oldest(const struct queue *q, uint32_t destination)
{
    uint64_t ms = 0;

    for (uint32_t i = 1; i < q->pieces.end; i++) {
        const struct piece *p = piece_at(q, i);

        if (p->state == PIECE_FREE || p->destination != destination)
            continue;
        if (!ms || message_at(q, p->message)->entered_ms < ms)
            ms = message_at(q, p->message)->entered_ms;
    }
    return ms;
}

static void host_counters(struct buf *out, const struct destination *d)
{
    buf_addf(out,
             "\nCounters:\n"
             "  Queue\n"
             "    Soft Bounced Events         %12" PRIu64 "\n"
             "  Completion\n"
             "    Completed Recipients        %12" PRIu64 "\n"
             "      Hard Bounced Recipients   %12" PRIu64 "\n"
             "        DNS Hard Bounces        %12" PRIu64 "\n"
             "        5XX Hard Bounces        %12" PRIu64 "\n"
             "        Filter Hard Bounces     %12d\n"
             "        Expired Hard Bounces    %12" PRIu64 "\n"
             "        Other Hard Bounces      %12" PRIu64 "\n"
             "      Delivered Recipients      %12" PRIu64 "\n"
             "      Deleted Recipients        %12" PRIu64 "\n",
             d->soft, d->hard + d->delivered + d->deleted, d->hard, d->dns_hard, d->five_hard, 0, d->expired_hard,
             d->other_hard, d->delivered, d->deleted);
    buf_addf(out,
             "\nGauges:\n"
             "  Queue\n"
             "    Active Recipients           %12" PRIu64 "\n"
             "      Unattempted Recipients    %12" PRIu64 "\n"
             "      Attempted Recipients      %12" PRIu64 "\n"
             "  Connections\n"
             "    Current Outbound Connections%12" PRIu64 "\n"
             "    Pending Outbound Connections%12d\n\n",
             d->recipients, d->recipients - d->attempted, d->attempted, connections(d), 0);
}

void verb_hoststatus(struct verb_question *v)
{
    struct queue *q = v->q;
    uint32_t i = v->n_args == 1 ? destination_find(q, destination_lower(&v->arena, v->args[0])) : 0;
    const struct destination *d;

    if (v->n_args != 1) {
        verb_say(v, RC_INVALID, "hoststatus NAME");
        return;
    }
    if (!i) {
        buf_addf(&v->text, "There is no mail for '%.*s' and there was none lately.\n", STR(str_first(v->args[0], 255)));
        verb_answer(v, RC_NOT_FOUND);
        return;
    }
    d = destination_at(q, i);
    buf_addf(&v->text, "Host mail status for: '%s'\n", d->name);
    verb_as_of(v);
    buf_addf(&v->text, "Host up/down:                 %s%s\n",
             d->down      ? "down"
             : d->ever_up ? "up"
                          : "unknown",
             d->suspended || q->delivery_suspended ? " (delivery suspended)" : "");
    host_counters(&v->text, d);
    put_time(&v->text, "Oldest Message", oldest(q, i));
    put_time(&v->text, "Last Activity", d->active_ms);
    put_time(&v->text, "Last 5XX Error", d->last_5xx_ms);
    if (d->last_5xx)
        buf_addf(&v->text, "  %s\n", d->last_5xx);
    put_time(&v->text, "Last Connection Error", d->reason_ms);
    if (d->reason)
        buf_addf(&v->text, "  %s\n", d->reason);
    buf_add(&v->json, str_lit("{\"host\":"));
    verb_json_str(&v->json, str_c(d->name));
    buf_addf(&v->json,
             ",\"state\":\"%s\",\"active\":%" PRIu64 ",\"delivered\":%" PRIu64 ",\"soft_bounced\":%" PRIu64
             ",\"hard_bounced\":%" PRIu64 ",\"deleted\":%" PRIu64 "}",
             d->down      ? "down"
             : d->ever_up ? "up"
                          : "unknown",
             d->recipients, d->delivered, d->soft, d->hard, d->deleted);
    verb_answer(v, RC_OK);
}
