/* Parts of applianceconfig: cmd_appliance.c has the menu, appliance_establish.c the first connection. */
#ifndef CONSOLE_APPLIANCE_H
#define CONSOLE_APPLIANCE_H

#include "console/ops.h"

/* Asks for the proof, shows and asks for the host key, establishes the connection (spec/central.md 3) and stages what was
 * learned. RC_OK also when an administrator has to do something on the gateway first: that is said. */
enum rc appliance_establish(struct session *s, struct str name);
/* One result line each: key login, version, clock, every ticked service in both directions. */
enum rc appliance_test(struct session *s, struct str name);
const struct conf_appliance *appliance_row(const struct session *s, struct str name);
bool appliance_put(struct session *s, struct str name, const char *field, struct str value);

#endif
