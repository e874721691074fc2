/* The rights of root that two roles keep when root starts us: ports below 1024, and the clock. */
#ifndef ROLE_CAPABILITIES_H
#define ROLE_CAPABILITIES_H

#include "bus/bus.h"

#include <sys/types.h>

/* Becomes this user and group for good; the role keeps the capabilities of its row (also over execve, and for the programs
 * it starts), as far as this process has them. System calls only: runs between fork and execve. False: the process must end.
 */
bool capabilities_become(enum role role, uid_t uid, gid_t gid);

#endif
