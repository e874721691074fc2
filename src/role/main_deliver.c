/*
 * The role `deliver`: SMTP client processes. Wires the deliver room with this process's loop, bus, settings and board.
 */
#include "base/err.h"
#include "deliver/deliver.h"
#include "role/role.h"

#include <stdio.h>
#include <stdlib.h>

struct state {
    struct dns_asker *ask;
    struct deliver *deliver;
    char *spool, *holder, *channels;
};

static enum rc start(struct process *p, struct err *e)
{
    struct state *s = calloc(1, sizeof *s);

    if (!s || asprintf(&s->spool, "%s/spool", p->home) < 0 || asprintf(&s->holder, "%s/run/cpq/socket", p->home) < 0 ||
        asprintf(&s->channels, "%s/run/link/manager", p->home) < 0)
        return err_set(e, RC_NO_MEMORY, "out of memory");
    p->state = s;
    s->ask = dns_asker_new(p->bus, p->loop);
    return deliver_new(&(struct deliver_options){.loop = p->loop,
                                                 .bus = p->bus,
                                                 .conf = p->conf,
                                                 .events = p->events,
                                                 .board = p->board,
                                                 .ask = s->ask,
                                                 .spool = s->spool,
                                                 .holder = s->holder,
                                                 .channels = s->channels,
                                                 .column = p->index},
                       &s->deliver, e);
}

static void stopped(void *ctx)
{
    role_leave(ctx);
}

static void stop(struct process *p)
{
    struct state *s = p->state;

    deliver_stop(s->deliver, stopped, p);
}

static const struct role_kind KIND = {.kind = ROLE_deliver, .start = start, .stop = stop};

int main(int argc, char **argv)
{
    return role_main(&KIND, argc, argv);
}
