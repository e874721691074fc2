/* The safelists and blocklists of this gateway: HOME/slbl, changed by the verb `slbl`, published to scan. */
#ifndef ADMIN_SLBL_H
#define ADMIN_SLBL_H

#include "admin/admin.h"

/* Reads HOME/slbl (none: empty lists) and sends the lists to each scan worker that comes. */
enum rc slbl_open(struct admin *a, struct err *e);
void slbl_close(struct admin *a);
/* Number of the last change; 0 = there was none. */
uint64_t slbl_version(const struct admin *a);

#endif
