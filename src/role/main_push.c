/*
 * Role `push`: carries logs away.
 *
 * Started by master while some log is pushed. Wires the room push to the loop, bus, settings and events.
 */
#include "push/push.h"
#include "role/role.h"

static enum rc start(struct process *p, struct err *e)
{
    (void)e;
    p->state = push_new(p->loop, p->bus, p->conf, p->events, p->home);
    return RC_OK;
}

static void stopped(void *ctx)
{
    role_leave(ctx);
}

static void stop(struct process *p)
{
    push_stop(p->state, stopped, p);
}

int main(int argc, char **argv)
{
    static const struct role_kind kind = {.kind = ROLE_push, .start = start, .stop = stop};

    return role_main(&kind, argc, argv);
}
