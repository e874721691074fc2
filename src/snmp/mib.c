/*
 * The objects of our MIB: which instance has which type and value. See mib.h.
 *
 * Called by agent.c for each request and by snmp.c when the values are new. Owns nothing, nothing fails. Order is that of
 * object identifiers: tables by column, then by row.
 */
#include "snmp/mib.h"

#include "base/must.h"

/* Feature keys and update services: ours need no key and no service of a vendor; the rows are what a monitoring tool counts
 * on. An index never moves: new rows go to the end. */
static const char *const keys[] = {"Incoming Mail Handling", "Outgoing Mail Handling", "Bounce Verification"};
static const char *const updates[] = {"DNSSEC trust anchor"};

/* Objects and their columns, for noSuchInstance. 0 columns = a scalar. 21 is only ever seen in a trap. */
static const struct {
    uint32_t object, first, last;
} objects[] = {
    {1, 0, 0},  {2, 0, 0},  {3, 0, 0},  {4, 0, 0},  {5, 0, 0},  {6, 0, 0},  {7, 0, 0},  {8, 1, 4},
    {9, 2, 3},  {10, 2, 3}, {11, 0, 0}, {12, 1, 4}, {13, 1, 4}, {14, 0, 0}, {15, 0, 0}, {16, 0, 0},
    {17, 0, 0}, {18, 1, 4}, {19, 0, 0}, {20, 0, 0}, {22, 0, 0}, {27, 0, 0},
};

static uint32_t narrow(uint64_t v)
{
    return v > UINT32_MAX ? UINT32_MAX : (uint32_t)v;
}

static struct mib_instance *add(struct mib *m, enum mib_type type)
{
    struct mib_instance *i;

    must(m->n < MIB_INSTANCES); /* all tables full come to less */
    i = &m->items[m->n++];
    *i = (struct mib_instance){.type = type};
    return i;
}

static void scalar(struct mib *m, uint32_t object, enum mib_type type, uint64_t number, const char *text)
{
    struct mib_instance *i = add(m, type);

    i->name = (struct mib_name){{object, 0}, 2};
    i->number = narrow(number);
    i->text = text;
}

static void cell(struct mib *m, uint32_t table, uint32_t column, size_t row, enum mib_type type, uint64_t number,
                 const char *text)
{
    struct mib_instance *i = add(m, type);

    i->name = (struct mib_name){{table, 1, column, (uint32_t)row + 1}, 4};
    i->number = narrow(number);
    i->text = text;
}

static uint64_t percent(uint64_t v)
{
    return v > 100 ? 100 : v;
}

static void add_sensors(struct mib *m, uint32_t table, enum mib_type type, const struct snmp_sensor *s, size_t n)
{
    for (size_t i = 0; i < n; i++)
        cell(m, table, 2, i, type, s[i].value, NULL);
    for (size_t i = 0; i < n; i++)
        cell(m, table, 3, i, MIB_STRING, 0, s[i].name);
}

static void add_keys(struct mib *m)
{
    const size_t n = sizeof keys / sizeof *keys;

    for (size_t i = 0; i < n; i++)
        cell(m, 12, 1, i, MIB_INTEGER, i + 1, NULL);
    for (size_t i = 0; i < n; i++)
        cell(m, 12, 2, i, MIB_STRING, 0, keys[i]);
    for (size_t i = 0; i < n; i++)
        cell(m, 12, 3, i, MIB_INTEGER, 1, NULL); /* perpetual */
    for (size_t i = 0; i < n; i++)
        cell(m, 12, 4, i, MIB_GAUGE, 0, NULL);
}

static void add_updates(struct mib *m)
{
    const size_t n = sizeof updates / sizeof *updates;

    for (size_t i = 0; i < n; i++)
        cell(m, 13, 1, i, MIB_INTEGER, i + 1, NULL);
    for (size_t i = 0; i < n; i++)
        cell(m, 13, 2, i, MIB_STRING, 0, updates[i]);
    for (uint32_t column = 3; column <= 4; column++)
        for (size_t i = 0; i < n; i++)
            cell(m, 13, column, i, MIB_COUNTER, 0, NULL);
}

static void add_raids(struct mib *m, const struct snmp_values *v)
{
    for (size_t i = 0; i < v->n_raids; i++)
        cell(m, 18, 1, i, MIB_INTEGER, i + 1, NULL);
    for (size_t i = 0; i < v->n_raids; i++)
        cell(m, 18, 2, i, MIB_INTEGER, v->raids[i].status, NULL);
    for (size_t i = 0; i < v->n_raids; i++)
        cell(m, 18, 3, i, MIB_STRING, 0, v->raids[i].name);
    for (size_t i = 0; i < v->n_raids; i++)
        cell(m, 18, 4, i, MIB_STRING, 0, v->raids[i].error);
}

void mib_build(const struct snmp_values *v, struct mib *out)
{
    out->n = 0;
    scalar(out, 1, MIB_INTEGER, percent(v->memory), NULL);
    scalar(out, 2, MIB_INTEGER, percent(v->cpu), NULL);
    scalar(out, 3, MIB_INTEGER, percent(v->disk), NULL);
    scalar(out, 4, MIB_INTEGER, percent(v->queue), NULL);
    scalar(out, 5, MIB_INTEGER, v->queue_state, NULL);
    scalar(out, 6, MIB_INTEGER, v->conserve, NULL);
    scalar(out, 7, MIB_INTEGER, v->memory_state, NULL);
    add_sensors(out, 9, MIB_INTEGER, v->temperatures, v->n_temperatures);
    add_sensors(out, 10, MIB_GAUGE, v->fans, v->n_fans);
    scalar(out, 11, MIB_GAUGE, v->work_queue, NULL);
    add_keys(out);
    add_updates(out);
    scalar(out, 14, MIB_GAUGE, v->oldest_s, NULL);
    scalar(out, 15, MIB_GAUGE, v->dns_outstanding, NULL);
    scalar(out, 16, MIB_GAUGE, v->dns_pending, NULL);
    scalar(out, 17, MIB_COUNTER, v->raid_events, NULL);
    add_raids(out, v);
    scalar(out, 19, MIB_GAUGE, v->open_files, NULL);
    scalar(out, 20, MIB_GAUGE, v->movers, NULL);
    scalar(out, 22, MIB_STRING, 0, "");
    scalar(out, 27, MIB_STRING, 0, v->disk_summary);
}

/* --- looking up ---------------------------------------------------------------------------------------------------- */

static int compare(const struct mib_name *a, const uint32_t *name, size_t n)
{
    for (size_t i = 0; i < a->n && i < n; i++)
        if (a->at[i] != name[i])
            return a->at[i] < name[i] ? -1 : 1;
    return a->n == n ? 0 : a->n < n ? -1 : 1;
}

/* Number of instances before this name, or up to and with it. */
static size_t before(const struct mib *m, const uint32_t *name, size_t n, bool with)
{
    size_t low = 0, high = m->n;

    while (low < high) {
        size_t middle = low + (high - low) / 2;
        int c = compare(&m->items[middle].name, name, n);

        if (c < 0 || (with && c == 0))
            low = middle + 1;
        else
            high = middle;
    }
    return low;
}

const struct mib_instance *mib_get(const struct mib *m, const uint32_t *name, size_t n)
{
    size_t at = before(m, name, n, false);

    return at < m->n && compare(&m->items[at].name, name, n) == 0 ? &m->items[at] : NULL;
}

const struct mib_instance *mib_next(const struct mib *m, const uint32_t *name, size_t n)
{
    size_t at = before(m, name, n, true);

    return at < m->n ? &m->items[at] : NULL;
}

bool mib_has_object(const uint32_t *name, size_t n)
{
    for (size_t i = 0; n && i < sizeof objects / sizeof *objects; i++) {
        if (objects[i].object != name[0])
            continue;
        return !objects[i].last || (n >= 3 && name[1] == 1 && name[2] >= objects[i].first && name[2] <= objects[i].last);
    }
    return false;
}
