/*
 * spec/roles.def and spec/bus.def as tables. See rows.h.
 *
 * Called by the bus for every frame, by master to decide who is joined. Owns nothing, never fails.
 */
#include "bus/rows.h"

#include "base/must.h"

#define F_U64(name) {#name, FIELD_U64},
#define F_STR(name) {#name, FIELD_STR},
#define BUS(name, from, to, fields) static const struct field fields_##name[] = {fields{NULL, FIELD_END}};
#include "spec/bus.def"
#undef BUS
#undef F_U64
#undef F_STR

static const struct bus_row rows[BUS_TYPE_COUNT] = {
#define BUS(name, from, to, fields) \
    [BUS_##name] = {#name, "bus.send." #name, "bus.take." #name, ROLE_##from, ROLE_##to, fields_##name},
#include "spec/bus.def"
#undef BUS
};

static const struct role_row roles[ROLE_COUNT + 1] = {
#define ROLE(name, least, most, processors, restart_ms, help) {#name, least, most, processors, restart_ms, help},
#include "spec/roles.def"
#undef ROLE
    {"any", 0, 0, 0, 0, ""},
};

const struct bus_row *bus_row(unsigned type)
{
    return type > BUS_NONE && type < BUS_TYPE_COUNT ? &rows[type] : NULL;
}

bool bus_row_permits(const struct bus_row *row, enum role from, enum role to)
{
    return (row->from == from || row->from == ROLE_any) && (row->to == to || row->to == ROLE_any);
}

bool bus_joined(enum role a, enum role b)
{
    if (a == b || a == ROLE_master || b == ROLE_master)
        return false;
    for (unsigned i = BUS_NONE + 1; i < BUS_TYPE_COUNT; i++)
        if (bus_row_permits(&rows[i], a, b) || bus_row_permits(&rows[i], b, a))
            return true;
    return false;
}

const struct role_row *role_row(enum role r)
{
    must((unsigned)r <= ROLE_COUNT);
    return &roles[r];
}

const char *role_name(enum role r)
{
    return role_row(r)->name;
}

enum role role_by_name(const char *name)
{
    unsigned i;

    for (i = 0; i < ROLE_COUNT; i++)
        if (strcmp(roles[i].name, name) == 0)
            break;
    return (enum role)i;
}
