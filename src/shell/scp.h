/*
 * The remote end of the old scp protocol, as `scp -O` and many tools speak it (OpenSSH's scp.c is its only specification).
 * `scp -f PATH...` sends files, `scp -t PATH` takes them.
 */
#ifndef SHELL_SCP_H
#define SHELL_SCP_H

#include "shell/vroot.h"

/* Is this command of an SSH session ours: does its first word end in `scp`? */
bool scp_command(struct str command);

/* Serves one command line. Faults go to the client in the protocol, wrong usage to `err`, one line each. Returns the exit
 * status: 0 all files, 1 some not. */
int scp_serve(const struct vroot *v, struct str command, int in, int out, int err, uint64_t idle_ms);

#endif
