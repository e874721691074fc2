/*
 * What the quarantines of a gateway are called on its manager (central.md 9, Migration): appliance.migration and
 * appliance.migration_map.
 *
 * Called for each message that comes (session.c, catch_up.c), whether it migrates or is new: filters of the gateway go on
 * naming its own quarantines. Owns nothing. A quarantine that the map does not name keeps its name; mail for one that is
 * left out goes to Unclassified.
 */
#include "conf/migration_map.h"
#include "conf/table.h"
#include "conf/value.h"
#include "quarantine/inside.h"
#include "smtp/cpq_server.h"

enum { CUSTOM = 2 /* appliance.migration */, SETTINGS_MAX = 700 };

const struct conf_appliance *map_appliance(const struct conf *c, struct str serial)
{
    for (size_t i = 0; i < c->appliance.n; i++)
        if (str_eqi(c->appliance.items[i].serial, serial))
            return &c->appliance.items[i];
    return NULL;
}

static struct str name_here(const struct conf_appliance *row, struct str name)
{
    struct str central;

    if (!migration_map_find(row->migration_map, name, &central))
        return name;
    return central.n ? central : str_lit("Unclassified");
}

enum rc map_holds(const struct quarantine *q, struct arena *a, struct cpq_meta *m, struct err *e)
{
    const struct conf_appliance *row = map_appliance(quarantine_conf(q), m->serial);
    struct cpq_hold *list;

    if (!row || row->migration != CUSTOM || !m->n_holds || !is_foreign(q, m->serial))
        return RC_OK;
    list = arena_array(a, struct cpq_hold, m->n_holds);
    if (!list)
        return err_set(e, RC_NO_MEMORY, "out of memory");
    for (size_t i = 0; i < m->n_holds; i++) {
        list[i] = m->holds[i];
        list[i].quarantine = name_here(row, m->holds[i].quarantine);
    }
    m->holds = list;
    return RC_OK;
}

/* NAME FIELD=VALUE ...: what both sides compare before quarantines of one name merge. */
static void put_settings(struct cpq_server *cs, const struct conf_quarantine *row)
{
    static const char *const fields[] = {"retention_ms", "action", "overflow", "after_release"};
    const struct conf_section *s = conf_section_find(str_lit("quarantine"));
    struct buf line = BUF(SETTINGS_MAX);

    for (size_t i = 0; i < sizeof fields / sizeof *fields; i++) {
        buf_addf(&line, "%s%s=", i ? " " : "", fields[i]);
        conf_value_format(row, conf_setting_find(s, str_c(fields[i])), false, &line);
    }
    buf_addf(&line, " name=%.*s", STR(row->name));
    cpq_status_line(cs, "quarantine-settings", buf_str(&line));
    buf_done(&line);
}

void map_status(struct cpq_server *cs, const struct conf *c, const struct conf_appliance *row)
{
    static const char *const kinds[] = {"none", "automatic", "custom"};

    if (row)
        cpq_status_line(cs, "migration-kind", str_c(kinds[row->migration <= CUSTOM ? row->migration : 0]));
    for (size_t i = 0; row && row->migration == CUSTOM && i < row->migration_map.n; i++)
        cpq_status_line(cs, "migration-map", row->migration_map.items[i]);
    for (size_t i = 0; i < c->quarantine.n; i++)
        cpq_status_line(cs, "quarantine", c->quarantine.items[i].name);
    for (size_t i = 0; i < c->quarantine.n; i++)
        put_settings(cs, &c->quarantine.items[i]);
}
