/*
 * Checks of the quarantines: one each of the kinds that are one, a name for each kind's own item, at least one that gives
 * way when the space is used up, roles that exist.
 *
 * Called by conf_check(). Owns nothing. The error names path and reason.
 */
#include "conf/rules.h"

#include "conf/migration_map.h"

enum { KIND_POLICY };

static const char *const own[] = {NULL, "Virus", "Outbreak", "File Analysis", "Unclassified"};

static enum rc check_kinds(const struct conf *c, struct err *e)
{
    for (size_t i = 0; i < c->quarantine.n; i++) {
        const struct conf_quarantine *q = &c->quarantine.items[i];
        uint64_t wanted = KIND_POLICY;

        for (uint64_t k = 1; k < sizeof own / sizeof *own; k++)
            if (str_eqi(q->name, str_c(own[k])))
                wanted = k;
        if (q->kind != wanted)
            return err_set(e, RC_INVALID, "quarantine.%.*s.kind: %s", STR(str_first(q->name, 64)),
                           wanted == KIND_POLICY ? "there is one quarantine of that kind, which exists already"
                                                 : "this quarantine keeps its kind");
    }
    return RC_OK;
}

static bool is_group(struct str name)
{
    static const char *const groups[] = {"operator", "read_only_operator", "guest", "help_desk"};

    for (size_t i = 0; i < sizeof groups / sizeof *groups; i++)
        if (str_eqi(name, str_c(groups[i])))
            return true;
    return false;
}

static enum rc check_groups(const char *path, struct str name, struct strs groups, struct err *e)
{
    for (size_t i = 0; i < groups.n; i++)
        if (!is_group(groups.items[i]))
            return err_set(e, RC_INVALID, "%s%.*s.groups: a group is operator, read_only_operator, guest or help_desk", path,
                           STR(str_first(name, 64)));
    return RC_OK;
}

static bool is_hex(struct str s)
{
    for (size_t i = 0; i < s.n; i++)
        if (!((s.p[i] >= '0' && s.p[i] <= '9') || ((s.p[i] | 32) >= 'a' && (s.p[i] | 32) <= 'f')))
            return false;
    return true;
}

/* A serial number and a certificate name one partner. */
static enum rc check_peers(const struct conf *c, struct err *e)
{
    for (size_t i = 0; i < c->cpq_peer.n; i++) {
        const struct conf_cpq_peer *p = &c->cpq_peer.items[i];

        if (!p->serial.n)
            return err_set(e, RC_INVALID, "cpq_peer.%.*s.serial: a partner has a serial number",
                           STR(str_first(p->name, 64)));
        if (p->fingerprint.n != 64 || !is_hex(p->fingerprint))
            return err_set(e, RC_INVALID, "cpq_peer.%.*s.fingerprint: it has 64 hexadecimal digits",
                           STR(str_first(p->name, 64)));
        for (size_t k = 0; k < i; k++)
            if (str_eqi(p->serial, c->cpq_peer.items[k].serial) || str_eqi(p->fingerprint, c->cpq_peer.items[k].fingerprint))
                return err_set(e, RC_INVALID, "cpq_peer.%.*s: %.*s has the same serial number or certificate",
                               STR(str_first(p->name, 64)), STR(str_first(c->cpq_peer.items[k].name, 64)));
    }
    return RC_OK;
}

static const char *map_fault(struct strs map, size_t i)
{
    struct str local, other, central;

    if (!migration_map_line(map.items[i], &local, &central))
        return "is not LOCAL=CENTRAL";
    for (size_t k = 1; k < sizeof own / sizeof *own; k++)
        if (str_eqi(local, str_c(own[k])))
            return "names a quarantine that moves by itself";
    for (size_t k = 0; k < i; k++)
        if (migration_map_line(map.items[k], &other, &central) && str_eqi(local, other))
            return "maps a quarantine twice";
    return NULL;
}

static enum rc check_maps(const struct conf *c, struct err *e)
{
    for (size_t i = 0; i < c->appliance.n; i++) {
        const struct conf_appliance *a = &c->appliance.items[i];

        for (size_t k = 0; k < a->migration_map.n; k++)
            if (map_fault(a->migration_map, k))
                return err_set(e, RC_INVALID, "appliance.%.*s.migration_map: \"%.*s\" %s", STR(str_first(a->name, 64)),
                               STR(str_first(a->migration_map.items[k], 140)), map_fault(a->migration_map, k));
    }
    return RC_OK;
}

enum rc conf_check_quarantines(const struct conf *c, struct err *e)
{
    bool gives_way = false;

    TRY(check_kinds(c, e));
    TRY(check_peers(c, e));
    TRY(check_maps(c, e));
    for (size_t i = 0; i < c->quarantine.n; i++) {
        const struct conf_quarantine *q = &c->quarantine.items[i];

        gives_way = gives_way || q->overflow;
        if (!q->header_name.n && q->header_value.n)
            return err_set(e, RC_INVALID, "quarantine.%.*s.header_value: the header has no name",
                           STR(str_first(q->name, 64)));
        TRY(check_groups("quarantine.", q->name, q->groups, e));
    }
    if (!gives_way)
        return err_set(e, RC_INVALID, "quarantine: at least one must free space by its default action (overflow)");
    return check_groups("spam_quarantine", STR_NONE, c->spam_quarantine.groups, e);
}
