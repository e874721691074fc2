/*
 * The role `web`: HTTP and HTTPS. Wires the web room with this process's loop, bus, settings and listening sockets.
 */
#include "base/must.h"
#include "role/role.h"
#include "web/web.h"

#include <stdlib.h>

static void sockets_changed(struct process *p)
{
    struct web_socket *list = calloc(p->n_sockets + 1, sizeof *list);

    must(list);
    for (size_t i = 0; i < p->n_sockets; i++)
        list[i] = (struct web_socket){p->sockets[i].name, p->sockets[i].fd, p->sockets[i].id};
    web_sockets(p->state, list, p->n_sockets);
    free(list);
}

static enum rc start(struct process *p, struct err *e)
{
    (void)e;
    p->state = web_new(
        &(struct web_options){.loop = p->loop, .bus = p->bus, .conf = p->conf, .events = p->events, .home = p->home});
    sockets_changed(p);
    return RC_OK;
}

static void stopped(void *ctx)
{
    role_leave(ctx);
}

static void stop(struct process *p)
{
    web_stop(p->state, stopped, p);
}

int main(int argc, char **argv)
{
    static const struct role_kind kind = {
        .kind = ROLE_web, .start = start, .stop = stop, .sockets_changed = sockets_changed};

    return role_main(&kind, argc, argv);
}
