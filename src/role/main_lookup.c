/*
 * The role `lookup`: DNS with DNSSEC and MTA-STS policies for all others.
 */
#include "lookup/lookup.h"
#include "role/role.h"

static enum rc start(struct process *p, struct err *e)
{
    struct lookup *l;

    TRY(lookup_new(
        &(struct lookup_options){.loop = p->loop, .bus = p->bus, .conf = p->conf, .board = p->board, .events = p->events},
        &l, e));
    p->state = l;
    return RC_OK;
}

static void stop(struct process *p)
{
    role_leave(p); /* who waits for an answer asks again */
}

static const struct role_kind KIND = {.kind = ROLE_lookup, .start = start, .stop = stop};

int main(int argc, char **argv)
{
    return role_main(&KIND, argc, argv);
}
