/* Parts of pvoconfig: cmd_pvo.c has the menus, pvo_migration.c the manager's choice, pvo_gateway.c the checks of a gateway.
 */
#ifndef CONSOLE_PVO_H
#define CONSOLE_PVO_H

#include "base/json_read.h"
#include "console/ops.h"

/* A member of an object as text; empty when it is not there. */
struct str pvo_text(const struct json *j, const char *key);

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
