/*
 * The safelists and blocklists: HOME/slbl, changed by the verb `slbl`, published to scan. A manager holds the master: each
 * change has a number and goes to its gateways by put-slbl (central.md 10). A gateway with its own quarantine is its own
 * master.
 */
#ifndef ADMIN_SLBL_H
#define ADMIN_SLBL_H

#include "admin/admin.h"

/* Reads HOME/slbl (none: empty lists) and sends the lists to each scan worker that comes. */
enum rc slbl_open(struct admin *a, struct err *e);
void slbl_close(struct admin *a);
/* Number of the last change; 0 = there was none. */
uint64_t slbl_version(const struct admin *a);
/* The input of put-slbl, on a gateway: applied whole or not at all. RC_CONFLICT "have=N": it builds on another version.
 * RC_INVALID, RC_SYNTAX: which line is none. */
enum rc slbl_put(struct admin *a, struct str input, struct err *e);

#endif
