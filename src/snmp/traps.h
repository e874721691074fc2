/* Traps of our MIB (spec/snmp.md 3): the table, and when each is due. Pure: sending is agent.h. */
#ifndef SNMP_ROOM_TRAPS_H
#define SNMP_ROOM_TRAPS_H

#include "conf/conf.h"
#include "snmp/mib.h"

enum snmp_trap_number {
    TRAP_NONE,
#define SNMP_TRAP(number, name, object, column, is_text, sample) TRAP_##number,
#include "spec/traps.def"
#undef SNMP_TRAP
    TRAP_COUNT,
    TRAP_WARM_START = 100 /* the standard trap of that name */
};

/* One trap to send: its number and its varbind. Fits into one write to a pipe. */
struct snmp_trap {
    unsigned number;
    struct mib_name object; /* below 1.3.6.1.4.1.15497.1.1.1 */
    bool is_text;
    uint32_t value;
    char text[256];
};

/* "resourceConservationMode"; NULL when there is no such trap. */
const char *snmp_trap_name(unsigned number);
/* Number of a name (case ignored) or of digits; 0 = none. */
unsigned snmp_trap_find(struct str name);
/* The trap about row `row` (from 1; scalars: 0) with a text or a number as its varbind. */
struct snmp_trap snmp_trap_text(unsigned number, uint32_t row, const char *text);
struct snmp_trap snmp_trap_value(unsigned number, uint32_t row, uint64_t value);
/* As `snmpconfig test N` sends it. */
struct snmp_trap snmp_trap_sample(unsigned number, const struct snmp_values *now);

/* What was last told. Starts as zeros. */
struct snmp_watch {
    uint64_t memory_since_ms, cpu_since_ms; /* above the threshold since; 0 = below */
    bool memory_told, cpu_told;
    unsigned conserve;
    uint64_t hot_told_ms, fan_told_ms;
    unsigned raids[SNMP_RAIDS];
    size_t n_raids;
    uint64_t raid_events; /* changes seen */
};

/* Looks at new values and gives every trap that is due now to send(). Disabled ones too are given: send() asks
 * snmp_trap_on(). now_ms: monotonic. */
void snmp_watch_look(struct snmp_watch *w, const struct snmp_values *v, const struct conf_snmp *s, uint64_t now_ms,
                     void (*send)(void *ctx, const struct snmp_trap *t), void *ctx);

#endif
