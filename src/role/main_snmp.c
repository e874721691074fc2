/*
 * Role `snmp`: our MIB and traps behind a supervised snmpd.
 *
 * Started by master while the settings want SNMP. Wires the room snmp to the process; nothing else happens here.
 */
#include "role/role.h"
#include "snmp/snmp.h"

static enum rc start(struct process *p, struct err *e)
{
    const struct snmp_options o = {p->loop, p->bus, p->conf, p->events, p->board, p->home};
    struct snmp *s;

    TRY(snmp_new(&o, &s, e));
    p->state = s;
    return RC_OK;
}

static void leave(void *ctx)
{
    role_leave(ctx);
}

static void stop(struct process *p)
{
    snmp_stop(p->state, leave, p);
}

int main(int argc, char **argv)
{
    static const struct role_kind kind = {.kind = ROLE_snmp, .start = start, .stop = stop};

    return role_main(&kind, argc, argv);
}
