/*
 * The role `quarantine`: holds mail. Wires the quarantine room with this process's loop, bus, settings and board.
 */
#include "base/err.h"
#include "quarantine/quarantine.h"
#include "role/role.h"

#include <stdio.h>
#include <stdlib.h>

static void hand_sockets(struct process *p)
{
    struct quarantine_socket *list = calloc(p->n_sockets + 1, sizeof *list);

    if (!list)
        return;
    for (size_t i = 0; i < p->n_sockets; i++)
        list[i] = (struct quarantine_socket){p->sockets[i].name, p->sockets[i].fd};
    quarantine_sockets(p->state, list, p->n_sockets);
    free(list);
}

static enum rc start(struct process *p, struct err *e)
{
    struct quarantine *q;
    char *dir, *socket;

    if (asprintf(&dir, "%s/quarantine", p->home) < 0 || asprintf(&socket, "%s/run/cpq/socket", p->home) < 0)
        return err_set(e, RC_NO_MEMORY, "out of memory");
    TRY(quarantine_new(&(struct quarantine_options){.loop = p->loop,
                                                    .bus = p->bus,
                                                    .conf = p->conf,
                                                    .events = p->events,
                                                    .board = p->board,
                                                    .dir = dir,
                                                    .socket = socket},
                       &q, e));
    p->state = q;
    hand_sockets(p);
    return RC_OK;
}

static void stopped(void *ctx)
{
    role_leave(ctx);
}

static void stop(struct process *p)
{
    quarantine_stop(p->state, stopped, p);
}

static const struct role_kind KIND = {
    .kind = ROLE_quarantine, .start = start, .stop = stop, .sockets_changed = hand_sockets};

int main(int argc, char **argv)
{
    return role_main(&KIND, argc, argv);
}
