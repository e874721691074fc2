/*
 * Our tree 1.3.6.1.4.1.15497.1.1.1 as one sorted list of instances (spec/snmp.md 2). Pure: knows no agent and no network.
 */
#ifndef SNMP_ROOM_MIB_H
#define SNMP_ROOM_MIB_H

#include "snmp/values.h"

enum { MIB_DEPTH = 4, MIB_INSTANCES = 700 };

enum mib_type { MIB_INTEGER, MIB_GAUGE, MIB_COUNTER, MIB_STRING };

/* Below 1.3.6.1.4.1.15497.1.1.1: {1, 0} for perCentMemoryUtilization.0, {8, 1, c, i} for a cell. */
struct mib_name {
    uint32_t at[MIB_DEPTH];
    size_t n;
};

struct mib_instance {
    struct mib_name name;
    enum mib_type type;
    uint32_t number;
    const char *text; /* MIB_STRING: lies in the values it was built from, or is constant */
};

struct mib {
    struct mib_instance items[MIB_INSTANCES];
    size_t n;
};

/* Lists what there is, in order. The instances point into *v. */
void mib_build(const struct snmp_values *v, struct mib *out);
/* The instance of exactly this name, or NULL. */
const struct mib_instance *mib_get(const struct mib *m, const uint32_t *name, size_t n);
/* The first instance behind this name (which may be of any length, down to 0), or NULL at the end. */
const struct mib_instance *mib_next(const struct mib *m, const uint32_t *name, size_t n);
/* Is there an object with this name or above it: does a missing instance of it answer noSuchInstance, not noSuchObject? */
bool mib_has_object(const uint32_t *name, size_t n);

#endif
