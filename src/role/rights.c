/*
 * What a role may do to the machine. See rights.h.
 *
 * Called by role_main before the role starts. Owns nothing.
 */
#include "role/rights.h"

#include <signal.h>
#include <stdlib.h>
#include <sys/prctl.h>
#include <sys/resource.h>

void rights_begin(void)
{
    struct rlimit files;

    prctl(PR_SET_PDEATHSIG, SIGKILL);
    prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0);
#ifndef __SANITIZE_ADDRESS__
    if (!getenv("POSTERN_CORE"))
        prctl(PR_SET_DUMPABLE, 0);
#endif
    if (getrlimit(RLIMIT_NOFILE, &files) == 0) {
        files.rlim_cur = files.rlim_max;
        setrlimit(RLIMIT_NOFILE, &files);
    }
}

enum rc rights_drop(enum role role, const char *home, struct err *e)
{
    (void)role;
    (void)home;
    (void)e;
    return RC_OK;
}
