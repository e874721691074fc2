/*
 * Role `central`: a manager's connections to its gateways, a gateway's link.
 *
 * Started by master while the machine is a manager or a gateway opens a link. Wires the room central to the loop, bus,
 * settings and events.
 */
#include "central/central.h"
#include "role/role.h"

#include <stdlib.h>

static void hand_sockets(struct process *p)
{
    struct central_socket *list = calloc(p->n_sockets + 1, sizeof *list);

    if (!list)
        return;
    for (size_t i = 0; i < p->n_sockets; i++)
        list[i] = (struct central_socket){p->sockets[i].name, p->sockets[i].fd, p->sockets[i].id};
    central_sockets(p->state, list, p->n_sockets);
    free(list);
}

static enum rc start(struct process *p, struct err *e)
{
    (void)e;
    p->state = central_new(&(struct central_options){
        .loop = p->loop, .bus = p->bus, .conf = p->conf, .events = p->events, .board = p->board, .home = p->home});
    hand_sockets(p);
    return RC_OK;
}

static void stopped(void *ctx)
{
    role_leave(ctx);
}

static void stop(struct process *p)
{
    central_stop(p->state, stopped, p);
}

int main(int argc, char **argv)
{
    static const struct role_kind kind = {
        .kind = ROLE_central, .start = start, .stop = stop, .sockets_changed = hand_sockets};

    return role_main(&kind, argc, argv);
}
