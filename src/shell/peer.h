/*
 * The client's end of a file session: blocking reads and writes with an idle time-out. Plain descriptors (socket pair,
 * pipe).
 */
#ifndef SHELL_PEER_H
#define SHELL_PEER_H

#include "base/buf.h"

enum { PEER_IN_MAX = 1 << 20, PEER_OUT_MAX = 4 << 20 };

struct peer {
    int in, out;
    uint64_t idle_ms;  /* no octet moves for so long: gone. 0 = wait for ever */
    uint64_t until_ms; /* clock_mono_ms() at which it is gone whatever moves. 0 = never */
    struct buf got;    /* read and not yet taken, from `at` on */
    size_t at;
    struct buf send;
    bool gone; /* ended, broken or idle: every later call fails */
    bool idle; /* the reason was the time-out */
};

/* Makes the descriptors non-blocking and lets writes to a closed one fail; the caller closes them. */
void peer_init(struct peer *p, int in, int out, uint64_t idle_ms);
void peer_done(struct peer *p);

/* What is there and not taken. */
struct str peer_view(const struct peer *p);
/* Reads at least one octet more, sending first what waits. */
bool peer_fill(struct peer *p);
void peer_drop(struct peer *p, size_t n);
/* Exactly one octet; -1: gone. */
int peer_octet(struct peer *p);
/* One line without its LF (and CR), a view until the next call; longer than max: *too_long_out, the line is skipped. */
bool peer_line(struct peer *p, size_t max, struct str *line_out, bool *too_long_out);
/* Sends what waits in `send`. */
bool peer_flush(struct peer *p);

#endif
