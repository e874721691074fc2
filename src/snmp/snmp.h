/* Role `snmp`: snmpd as a supervised child, our MIB behind it, traps (spec/snmp.md; FW-17, FW-18). */
#ifndef SNMP_ROOM_SNMP_H
#define SNMP_ROOM_SNMP_H

#include "bus/bus.h"
#include "conf/conf.h"
#include "event/event.h"

struct snmp;

struct snmp_options {
    struct loop *loop;
    struct bus *bus;
    struct conf_source *conf;
    struct events *events;
    struct board *board;
    const char *home;
};

/* Starts snmpd with the settings of now and follows their changes. Fails when HOME/snmp cannot be written. */
enum rc snmp_new(const struct snmp_options *o, struct snmp **out, struct err *e);
/* Ends snmpd; stopped(ctx) once it is gone. The agent's thread goes with the process. */
void snmp_stop(struct snmp *s, void (*stopped)(void *ctx), void *ctx);

#endif
