/*
 * `tail [LOG]` (cli.md 8): the last lines of a log, then every line that is added, over roll-overs. Blocking; for a
 * session's process.
 */
#ifndef CONSOLE_LOG_TAIL_H
#define CONSOLE_LOG_TAIL_H

#include "console/log_files.h"

enum { TAIL_POLL_MS = 200 };

/* Shows the last `lines` lines, then follows until out->stop says so (asked every TAIL_POLL_MS, which it waits) or out->line
 * returns false. Without out->stop it ends after the last lines. RC_NOT_FOUND: no such log. */
enum rc log_tail(const char *home, struct str name, size_t lines, const struct log_out *out, struct err *e);

#endif
