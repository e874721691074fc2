/*
 * Settings that stand still while something is under way: those of quarantines while one moves to the manager (central.md 9,
 * Migration).
 *
 * Called by store.c before a commit. Owns nothing. Role quarantine says on the board how many migrations are under way.
 * Taking the service away is the way out: on a gateway pvo.central, on a manager the gateway's tick or its migration.
 */
#include "admin/admin.h"

#include "conf/hidden.h"
#include "conf/table.h"
#include "conf/value.h"

static bool same(const struct conf_section *s, const void *a, const void *b)
{
    for (const struct conf_setting *f = s->settings; f->name; f++)
        if (!conf_value_equal(a, b, f))
            return false;
    return true;
}

/* A quarantine of `a` that `b` has not, or has with other settings; empty = none. */
static struct str differing(const struct conf *a, const struct conf *b)
{
    const struct conf_section *s = conf_section_find(str_lit("quarantine"));

    for (size_t i = 0; i < a->quarantine.n; i++) {
        const struct conf_quarantine *other = conf_find(&b->quarantine, a->quarantine.items[i].name);

        if (!other || !same(s, &a->quarantine.items[i], other))
            return a->quarantine.items[i].name;
    }
    return STR_NONE;
}

enum rc admin_check_lock(const struct admin *a, const struct conf *now, const struct conf *old, struct err *e)
{
    uint64_t moving = a->board ? board_gauge(a->board, GAUGE_MIGRATIONS) : 0;
    struct str name;

    if (!moving || (!conf_is_manager(now) && !now->pvo.central))
        return RC_OK;
    name = differing(old, now);
    if (!name.n)
        name = differing(now, old);
    return name.n ? err_set(e, RC_CONFLICT,
                            "quarantine.%.*s: settings of quarantines are locked while a migration runs; `pvoconfig status` "
                            "shows how far it is",
                            STR(name))
                  : RC_OK;
}
