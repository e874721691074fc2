/* Parts of pvoconfig: cmd_pvo.c has the menus, pvo_migration.c the manager's choice, pvo_gateway.c the checks of a gateway.
 */
#ifndef CONSOLE_PVO_H
#define CONSOLE_PVO_H

#include "base/json_read.h"
#include "console/ops.h"

/* Gateway: asks the manager how its quarantines of a class are ("spam"; NULL: the others). What it said, and in *why_out why
 * it is not ready; NULL when it cannot be asked, which is said. */
const struct json *pvo_probe(struct session *s, const char *class, bool *ready_out, struct str *why_out);

/* Manager: how the quarantines of a gateway move here, asked quarantine by quarantine when they do by a map; those that are
 * missing here are made. All is staged. */
enum rc pvo_choose_migration(struct session *s);

/* Gateway: has each of its quarantines a place on the manager, by what that answered to STATUS? Those that have none are
 * named, then RC_CONFLICT. Settings that differ are listed. */
enum rc pvo_check_places(struct session *s, const struct json *status);
/* Gateway: stages, with defaults, the quarantines that filters, DLP policies and checks name and that are not there. */
enum rc pvo_make_named(struct session *s);

/* Lines about settings that differ; `there` and `here` name the two sides, `other` gives a value of the other side. */
void pvo_differences(struct session *s, struct str name, struct str local, const char *there,
                     struct str (*other)(const struct json *j, const char *field), const struct json *j);

#endif
