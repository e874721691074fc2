/*
 * `status` (spec/cli.md 7.1): counters, rates, gauges and what is stopped come from record, which sums the events; with
 * `detail` control adds the services.
 *
 * Called through spec/verbs.def. Reads shared memory and the configuration. Without record it says so and shows the rest.
 */
#include "admin/verbs.h"

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

static void finish(struct verb_call *c)
{
    if (c->admin->board && c->args.n)
        services(c);
}

void verb_status(struct verb_call *c)
{
    if (c->args.n > 1 || (c->args.n == 1 && !str_eqi(c->args.items[0], str_lit("detail")))) {
        verb_usage(c);
        return;
    }
    c->last = finish;
    verb_ask(c, ROLE_record, "status", c->args);
    verb_wait(c);
}
