/*
 * Role `record`: events to text logs and counters.
 *
 * Started by master. Wires the room record to the loop, bus, settings and board; nothing else happens here.
 */
#include "record/record.h"
#include "role/role.h"

#include <stdlib.h>

static enum rc start(struct process *p, struct err *e)
{
    (void)e;
    p->state = record_new(p->loop, p->bus, p->conf, p->events, p->board, p->home);
    return RC_OK;
}

static void stopped(void *ctx)
{
    struct process *p = ctx;

    record_free(p->state);
    p->state = NULL;
    role_leave(p);
}

static void stop(struct process *p)
{
    record_stop(p->state, stopped, p);
}

int main(int argc, char **argv)
{
    static const struct role_kind kind = {.kind = ROLE_record, .start = start, .stop = stop};

    setenv("UV_THREADPOOL_SIZE", "4", 1); /* a save must not wait for an import and two searches */

    return role_main(&kind, argc, argv);
}
