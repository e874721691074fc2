/* A file that keeps space aside for the moment the disk is full (design-notes I3). Blocks; for the pool or the start. */
#ifndef SPOOL_RESERVE_H
#define SPOOL_RESERVE_H

#include "base/err.h"

/* DIR/reserve of this size, when it is missing and three times as much is free. RC_OK also when it was left alone. */
enum rc reserve_make(const char *dir, uint64_t bytes, struct err *e);
/* Gives the space back; false when there was none to give. */
bool reserve_release(const char *dir);

#endif
