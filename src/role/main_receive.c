/*
 * The receive role: wires the room receive/ to the process that role_main() has set up.
 *
 * Owns nothing but the struct receive of the process. Fails to start when the spool cannot be opened.
 */
#include "receive/receive.h"
#include "receive/tls.h"
#include "role/role.h"

#include <stdlib.h>
#include <string.h>

_Static_assert((int)ROLE_TICKET_KEY == (int)RECEIVE_TICKET_KEY, "what master makes is what TLS wants");

static void hand_sockets(struct process *p)
{
    struct receive_socket *list = calloc(p->n_sockets + 1, sizeof *list);

    if (!list)
        return;
    for (size_t i = 0; i < p->n_sockets; i++)
        list[i] = (struct receive_socket){p->sockets[i].name, p->sockets[i].fd};
    receive_sockets(p->state, list, p->n_sockets);
    free(list);
}

static enum rc start(struct process *p, struct err *e)
{
    struct receive_options o = {
        .loop = p->loop,
        .bus = p->bus,
        .conf = p->conf,
        .events = p->events,
        .board = p->board,
        .index = p->index,
        .home = p->home,
        .ticket_key = p->ticket_key,
    };
    struct receive *r;

    TRY(receive_new(&o, &r, e));
    explicit_bzero(p->ticket_key, sizeof p->ticket_key);
    p->state = r;
    hand_sockets(p);
    return RC_OK;
}

static void leave(void *ctx)
{
    role_leave(ctx);
}

static void stop(struct process *p)
{
    receive_stop(p->state, leave, p);
}

static const struct role_kind kind = {
    .kind = ROLE_receive,
    .start = start,
    .stop = stop,
    .sockets_changed = hand_sockets,
};

int main(int argc, char **argv)
{
    return role_main(&kind, argc, argv);
}
