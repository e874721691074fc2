/* The scan over an open file, for spool_scan and the fuzzer. Only spool/ includes this. */
#ifndef SPOOL_RECOVER_H
#define SPOOL_RECOVER_H

#include "spool/layout.h"

enum rc recover_scan(int fd, uint64_t segment, uint64_t from, uint64_t to, const struct spool_voids *voids,
                     spool_found_fn *fn, void *ctx, struct spool_found *out, struct err *e);

/* The void record that opens a segment, if one does; a free segment keeps it until it is taken again. */
bool recover_void(int fd, uint64_t segment, struct spool_void *out);

#endif
