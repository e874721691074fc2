/*
 * The default log subscriptions as items of the configuration, so that they can be shown, edited and deleted like any other.
 *
 * Called by `postern init` and at each start. Owns nothing; fails without memory only.
 */
#include "admin/admin.h"

#include "event/render.h"

#include <stdio.h>

/* Words of the setting `level`, in the order of enum event_level. */
static const char *const levels[] = {"critical", "warning", "information", "debug", "trace"};

enum rc admin_default_logs(struct conf_draft *d, struct err *e)
{
    bool manager = d->conf.system.role != 0; /* gateway|manager|bastion */

    if (d->conf.log.n)
        return RC_OK;
    for (size_t i = 0; log_default(i); i++) {
        const struct log_default *l = log_default(i);
        char lines[200];

        if (manager ? !l->manager : !l->gateway)
            continue;
        snprintf(lines, sizeof lines, "log.%s.type=%.*s\nlog.%s.level=%s\n", l->name, STR(log_type_word(l->type)), l->name,
                 levels[l->level]);
        TRY(conf_draft_lines(d, str_c(lines), e));
    }
    return RC_OK;
}
