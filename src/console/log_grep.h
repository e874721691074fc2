/*
 * `grep [-C N] [-c] [-e RE] [-i] [-p] [-t] [-v] [RE] LOG` (cli.md 8): the engine behind it. Blocking; for a session's
 * process.
 */
#ifndef CONSOLE_LOG_GREP_H
#define CONSOLE_LOG_GREP_H

#include "console/log_files.h"

enum { GREP_CONTEXT_MOST = 1000 };

struct log_grep {
    struct str pattern;
    bool ignore_case, invert, count, tail;
    uint64_t context; /* lines before and after each hit; more than GREP_CONTEXT_MOST counts as that */
};

/* Shows the lines of the log that the pattern picks, oldest first; with `count` one line with their number; with `tail`
 * those of the last ten lines and of what is added from then on, until out->stop says so. Groups with context are separated
 * by a line `--`. RC_SYNTAX: bad pattern. RC_NOT_FOUND: no such log. RC_LIMIT: done, but lines were given up because the
 * pattern costs too much. Nothing found and a reader that stops are RC_OK. */
enum rc log_grep(const char *home, struct str name, const struct log_grep *what, const struct log_out *out, struct err *e);

#endif
