/*
 * Role `clock`: the time, by a supervised chronyd.
 *
 * Started by master while the settings name time servers. Wires the room clock to the process; nothing else happens here.
 */
#include "clock/clock.h"
#include "role/role.h"

static enum rc start(struct process *p, struct err *e)
{
    const struct clock_options o = {p->loop, p->bus, p->conf, p->events, p->home};
    struct clock *k;

    TRY(clock_new(&o, &k, e));
    p->state = k;
    return RC_OK;
}

static void leave(void *ctx)
{
    role_leave(ctx);
}

static void stop(struct process *p)
{
    clock_stop(p->state, leave, p);
}

int main(int argc, char **argv)
{
    static const struct role_kind kind = {.kind = ROLE_clock, .start = start, .stop = stop};

    return role_main(&kind, argc, argv);
}
