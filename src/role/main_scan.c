/*
 * postern-scan: judges one message at a time. Wires room scan/ to the process; everything else is there.
 */
#include "role/role.h"
#include "scan/scan.h"

/* Made before the process gives up its rights: it forks a helper and reads tables. */
static struct content *content;

static enum rc start(struct process *p, struct err *e)
{
    (void)e;
    p->state = scan_new(&(struct scan_options){p->loop, p->bus, p->conf, p->events, p->board, content});
    return RC_OK;
}

static void stop(struct process *p)
{
    role_leave(p); /* what was not answered is given to another worker */
}

int main(int argc, char **argv)
{
    static const struct role_kind kind = {.kind = ROLE_scan, .start = start, .stop = stop};

    content = content_new();
    return role_main(&kind, argc, argv);
}
