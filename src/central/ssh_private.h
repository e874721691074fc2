/* What ssh_line.c and ssh_dial.c share. */
#ifndef CENTRAL_SSH_PRIVATE_H
#define CENTRAL_SSH_PRIVATE_H

#include "central/ssh_line.h"

#include <libssh/libssh.h>

struct ssh_line {
    ssh_session session;
    int fd; /* ours: libssh leaves a socket that it was given open, unless it found it broken */
    struct ssh_abort *abort;
    uint64_t step_ms, wait_ms;
    uint64_t bytes;
    unsigned code;
};

/* Waits until the peer says something or a second is over, but not beyond `until`: then RC_TIMEOUT, "what". RC_CONNECT when
 * the connection is broken, RC_UNAVAILABLE when it was given up. */
enum rc ssh_line_pause(struct ssh_line *l, uint64_t until, const char *what, struct err *e);
bool ssh_line_broken(const struct ssh_line *l);

#endif
