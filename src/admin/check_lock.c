/*
 * Settings that stand still while something is under way: those of quarantines while one moves to the manager (central.md 9,
 * Migration).
 *
 * Called by store.c before a commit. Owns nothing. Role quarantine says on the board how many migrations are under way.
 * Taking the service away is the way out: on a gateway pvo.central, on a manager the gateway's tick or its migration.
 */
#include "admin/admin.h"

#include "conf/hidden.h"
#include "conf/rules.h"

enum rc admin_check_lock(const struct admin *a, const struct conf *now, const struct conf *old, struct err *e)
{
    uint64_t moving = a->board ? board_gauge(a->board, GAUGE_MIGRATIONS) : 0;

    if (!moving || (!conf_is_manager(now) && !now->pvo.central) ||
        conf_section_equal(now, old, conf_section_find(str_lit("quarantine"))))
        return RC_OK;
    return err_set(e, RC_CONFLICT,
                   "settings of quarantines are locked while a migration runs; `pvoconfig status` shows how far it is");
}
