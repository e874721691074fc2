/*
 * What of a log a server certainly has (pure bookkeeping, no I/O).
 *
 * Syslog has no acknowledgement. TCP tells how many octets reached the server's kernel; a server that dies takes those with
 * it that it had not read, and what it held in memory. So three things are kept: what is in flight (octet of the connection
 * -> place in the log), what the kernel of the server confirmed, and when: after a break sending goes on where things stood
 * some time before it. Lines may come twice, none is left out.
 */
#ifndef PUSH_WINDOW_H
#define PUSH_WINDOW_H

#include "push/follow.h"

enum { WINDOW_FLIGHT = 256, WINDOW_MARKS = 64, WINDOW_STEP_MS = 1000 };

struct window {
    struct window_chunk {
        uint64_t wire; /* octets of this connection at its end */
        struct place place;
    } flight[WINDOW_FLIGHT];
    size_t first, n;
    struct window_chunk confirmed;
    struct window_mark {
        uint64_t ms;
        struct window_chunk at;
    } marks[WINDOW_MARKS]; /* a ring, one a second at most while something changes */
    size_t mark_first, mark_n;
};

/* A new connection that begins at `place`. */
void window_begin(struct window *w, const struct place *place, uint64_t now_ms);
/* Everything before `place` has been handed to the connection, `wire` octets in all. */
void window_sent(struct window *w, uint64_t wire, const struct place *place);
/* The server's kernel has `wire` octets. */
void window_confirm(struct window *w, uint64_t wire, uint64_t now_ms);
/* Where to go on after a break: confirmed at least `hold_ms` ago, and `octets` before what is confirmed (what the server may
 * have had unread). The oldest place known when none is old enough. */
struct place window_resume(const struct window *w, uint64_t now_ms, uint64_t hold_ms, uint64_t octets);

#endif
