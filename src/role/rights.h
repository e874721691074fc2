/* What a role may do to the machine, as tables: Landlock for files, seccomp for system calls. */
#ifndef ROLE_RIGHTS_H
#define ROLE_RIGHTS_H

#include "bus/bus.h"

/* For every role, first thing: no new privileges, dies with master, not dumpable, all descriptors the system grants.
 * Sanitizer builds keep their rights; POSTERN_CORE=1 allows core dumps. */
void rights_begin(void);
/* The role's rows, once everything inherited is in hand and before its first thread. `files` are further files it may read
 * (paths from settings; empty and missing ones are passed over). A kernel that lacks a part is said on standard error and
 * the part left out; RC_NOT_PERMITTED when the kernel has it and refuses. */
enum rc rights_drop(enum role role, const char *home, const struct str *files, size_t n, struct err *e);

/* A session that came over the network: logs to read, /configuration and /captures to write; no keys, no programs; sockets
 * of the network for its tools. That of a manager reads exports and nothing else. */
enum rc rights_session(const char *home, bool manager, struct err *e);
/* Does the role start programs? */
bool rights_may_exec(enum role role);

/* rights_calls.c */
enum rc rights_drop_calls(enum role role, struct err *e);
enum rc rights_drop_session_calls(struct err *e);

#endif
