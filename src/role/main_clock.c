/*
 * Role `clock`: a supervised NTP daemon.
 */
#include "role/role.h"

static enum rc start(struct process *p, struct err *e)
{
    (void)p;
    (void)e;
    return RC_OK;
}

int main(int argc, char **argv)
{
    static const struct role_kind kind = {.kind = ROLE_clock, .start = start, .stop = role_leave};

    return role_main(&kind, argc, argv);
}
