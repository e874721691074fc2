/* Lines LOCAL=CENTRAL of appliance.migration_map: where each policy quarantine of a gateway moves (central.md 9). */
#ifndef CONF_MIGRATION_MAP_H
#define CONF_MIGRATION_MAP_H

#include "base/str.h"

/* False: it is no such line. An empty central one: the quarantine is left out. */
static inline bool migration_map_line(struct str line, struct str *local_out, struct str *central_out)
{
    size_t at = str_find(line, '=');

    *local_out = str_trim(str_first(line, at));
    *central_out = at < line.n ? str_trim(str_from(line, at + 1)) : STR_NONE;
    return at < line.n && local_out->n;
}

/* Is this quarantine in it? */
static inline bool migration_map_find(struct strs map, struct str local, struct str *central_out)
{
    for (size_t i = 0; i < map.n; i++) {
        struct str name;

        if (migration_map_line(map.items[i], &name, central_out) && str_eqi(name, local))
            return true;
    }
    return false;
}

#endif
