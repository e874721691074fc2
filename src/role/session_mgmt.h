/* A manager's verb in a process of its own (central.md 4). */
#ifndef ROLE_SESSION_MGMT_H
#define ROLE_SESSION_MGMT_H

#include "base/arena.h"
#include "base/err.h"

/* Runs the verb of `command` for the manager that control knows from the connection `control`; input and reply on 0 and 1.
 * Returns the exit status: 0 when the whole reply was given, also when it is an ERR. */
int session_mgmt(const char *home, int control, struct str command);

enum { MGMT_WORDS = 8, MGMT_COMMAND_MAX = 2048, MGMT_HELLO_MAX = 64 << 10, MGMT_INPUT_MAX = 32 << 20 };
enum mgmt_input { MGMT_NONE, MGMT_JSON, MGMT_LINES };

/* The words of a verb line and what its input is. RC_INVALID with the reason. Views into `command`. */
enum rc mgmt_words(struct str command, struct str words[MGMT_WORDS], size_t *n_out, enum mgmt_input *input_out,
                   struct err *e);

#endif
