/*
 * The end of a process whose invariants no longer hold.
 *
 * Called by must(). Writes one line to stderr (master keeps it in logs/stderr) and aborts; nothing is cleaned up,
 * since the state cannot be trusted: recovery starts from disk.
 */
#include "base/must.h"

#include <stdio.h>
#include <stdlib.h>

void must_failed(const char *cond, const char *file, int line)
{
    fprintf(stderr, "must(%s) failed at %s:%d\n", cond, file, line);
    abort();
}
