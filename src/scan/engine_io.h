/*
 * Octets to and from a scan engine, with a deadline: blocking style over the descriptor that lookup connected.
 *
 * RC_TIMEOUT when the deadline passes, RC_CLOSED when the engine closes or breaks the connection, RC_TOO_LARGE when an
 * answer does not fit.
 */
#ifndef SCAN_ENGINE_IO_H
#define SCAN_ENGINE_IO_H

#include "base/buf.h"
#include "base/err.h"

struct engine_io {
    int fd;
    uint64_t deadline_ms; /* clock_mono_ms() */
};

enum rc engine_send(const struct engine_io *io, struct str data, struct err *e);
/* Reads once, at least one octet, behind what `in` has. *ended: the engine has closed and nothing came (RC_OK). */
enum rc engine_read(const struct engine_io *io, struct buf *in, bool *ended, struct err *e);

#endif
