/*
 * `status` (spec/cli.md 7.1): counters, rates, gauges and what is stopped come from record, which sums the events; with
 * `detail` control adds the services.
 *
 * Called through spec/verbs.def. Reads shared memory and the configuration. Without record it says so and shows the rest.
 */
#include "admin/verbs.h"
#include "conf/hidden.h"

#include "base/clock.h"

#include <inttypes.h>

static void services(struct verb_call *c)
{
    static const char *const states[] = {"unused", "starting", "running", "waiting to restart"};
    const struct board *b = c->admin->board;
    uint64_t now = clock_wall_ms();

    buf_add(&c->text, str_lit("\nServices:                        PID    Restarts    Up (s)\n"));
    for (size_t i = 0; i < BOARD_ROLES; i++) {
        const struct board_role *r = &b->roles[i];
        uint64_t state = board_load(&r->state), started = board_load(&r->started_ms);

        if (state == 0 || state > 3 || r->role >= ROLE_COUNT)
            continue;
        buf_addf(&c->text, "  %-10s %2" PRIu64 "%20" PRIu64 "%12" PRIu64 "%10" PRIu64 "%s%s\n",
                 role_name((enum role)r->role), r->index, r->pid, r->restarts,
                 state == 2 && now > started ? (now - started) / 1000 : 0, state == 2 ? "" : "  ",
                 state == 2 ? "" : states[state]);
    }
}

static bool is_on(const struct verb_call *c, enum board_gauge gauge)
{
    return c->admin->board && board_gauge(c->admin->board, gauge);
}

static void hidden_offline(struct verb_call *c, const char *name, bool listens, bool all)
{
    const struct conf *now = &c->admin->current->conf;
    bool off = all || (!now->receiving.suspended.n && is_on(c, GAUGE_RECEIVING_SUSPENDED));

    for (size_t i = 0; i < now->receiving.suspended.n; i++)
        off |= str_eqi(now->receiving.suspended.items[i], str_c(name));
    if (listens && off)
        buf_addf(&c->text, "%s is offline: %s. Use resume or resumelistener to bring it back.\n", name,
                 conf_is_manager(now) ? "gateways cannot hand over mail that is held"
                                      : "a manager cannot give back released mail");
}

/* The last lines name what is stopped and the command that resumes it. */
static void stopped(struct verb_call *c)
{
    const struct strs *off = &c->admin->current->conf.receiving.suspended;
    bool all = false;

    for (size_t i = 0; i < off->n; i++) {
        all |= str_eqi(off->items[i], str_lit("all"));
    }
    if (off->n || is_on(c, GAUGE_RECEIVING_SUSPENDED) || is_on(c, GAUGE_DELIVERY_SUSPENDED) ||
        is_on(c, GAUGE_WORK_QUEUE_PAUSED) || c->state)
        buf_addc(&c->text, '\n');
    if (all || (!off->n && is_on(c, GAUGE_RECEIVING_SUSPENDED)))
        buf_add(&c->text,
                str_lit("Receiving is suspended on all listeners, hidden ones included. Use resumelistener to resume.\n"));
    for (size_t i = 0; i < off->n && !all; i++)
        buf_addf(&c->text, "%s%.*s%s", i ? ", " : "Receiving is suspended on: ", STR(off->items[i]),
                 i + 1 == off->n ? ". Use resumelistener to resume.\n" : "");
    hidden_offline(c, "cpq_listener", conf_listens_cpq(&c->admin->current->conf), all);
    hidden_offline(c, "euq_listener", conf_listens_euq(&c->admin->current->conf), all);
    if (is_on(c, GAUGE_DELIVERY_SUSPENDED))
        buf_add(&c->text, str_lit("Delivery is suspended. Use resumedel to resume.\n"));
    if (c->state)
        buf_add(&c->text, *(const struct str *)c->state);
    if (is_on(c, GAUGE_WORK_QUEUE_PAUSED))
        buf_add(&c->text, str_lit("The work queue is paused. Use workqueue resume to resume.\n"));
}

static void finish(struct verb_call *c)
{
    if (c->admin->board && c->args.n)
        services(c);
    stopped(c);
}

static void ask_record(struct verb_call *c)
{
    c->take = NULL;
    verb_ask(c, ROLE_record, "status", c->args);
}

/* Domains that queue has suspended. */
static void take_stopped(struct verb_call *c, const struct bus_verb_reply *r)
{
    struct str *text = arena_must_alloc(&c->arena, sizeof *text);

    *text = arena_str(&c->arena, r->text);
    c->state = text->n ? text : NULL;
    ask_record(c);
}

void verb_status(struct verb_call *c)
{
    if (c->args.n > 1 || (c->args.n == 1 && !str_eqi(c->args.items[0], str_lit("detail")))) {
        verb_usage(c);
        return;
    }
    c->last = finish;
    c->take = take_stopped;
    if (c->admin->bus && bus_peer(c->admin->bus, ROLE_queue, 0))
        verb_ask(c, ROLE_queue, "stopped", (struct strs){0});
    else
        ask_record(c);
    verb_wait(c);
}
