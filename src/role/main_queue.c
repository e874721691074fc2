/*
 * postern-queue: envelope state, scheduling, retries, destinations. Wires room queue/ to the process; everything else is
 * there.
 */
#include "queue/queue.h"
#include "role/role.h"

static enum rc start(struct process *p, struct err *e)
{
    struct queue_options o = {p->loop, p->bus, p->conf, p->events, p->board, p->home};
    struct queue *q;

    TRY(queue_new(&o, &q, e));
    p->state = q;
    return RC_OK;
}

static void leave(void *ctx)
{
    role_leave(ctx);
}

static void stop(struct process *p)
{
    queue_stop(p->state, leave, p);
}

int main(int argc, char **argv)
{
    static const struct role_kind kind = {.kind = ROLE_queue, .start = start, .stop = stop};

    return role_main(&kind, argc, argv);
}
