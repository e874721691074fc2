/*
 * The loop of a role: libuv plus one fixed order at the end of each turn (design-notes B1).
 *
 * Callbacks of a turn only change memory and buffers. Before the loop blocks again it runs the phases in order, so a kill
 * between two of them leaves the earlier facts and never the later ones without the earlier:
 * spool and journal writes -> event file write -> bus messages -> bytes to peers.
 */
#ifndef NET_LOOP_H
#define NET_LOOP_H

#include "base/err.h"

#include <uv.h>

enum loop_phase {
    PHASE_STEP, /* conversations that were resumed in callbacks run their steps (net only) */
    PHASE_STORE,
    PHASE_EVENT,
    PHASE_BUS,
    PHASE_PEER,
    PHASE_COUNT
};

struct loop;

struct loop *loop_new(void);
void loop_free(struct loop *l);
uv_loop_t *loop_uv(struct loop *l);
/* Runs until loop_stop(). */
void loop_run(struct loop *l);
/* One pass without (or with) blocking, phases included: for tests. */
void loop_turn(struct loop *l, bool block);
void loop_stop(struct loop *l);

/* fn(ctx) runs once at the end of every turn, in its phase; hooks of one phase run in the order of their registration.
 * Work that a hook creates for an earlier phase runs before the loop blocks: the phases are repeated while loop_again()
 * was called in them. */
void loop_at_end(struct loop *l, enum loop_phase phase, void (*fn)(void *ctx), void *ctx);
void loop_again(struct loop *l);
/* The hook is not called any more (its owner ends before the loop). */
void loop_at_end_cancel(struct loop *l, enum loop_phase phase, void (*fn)(void *ctx), void *ctx);

/* Monotonic milliseconds, cached once a turn. */
uint64_t loop_now_ms(const struct loop *l);

/* A timer without a uv handle of its own (one timer wheel or heap a loop). Fires once. The struct is the caller's. */
struct loop_timer {
    void (*fn)(void *ctx);
    void *ctx;
    uint64_t at_ms;
    size_t slot; /* place in the heap, 0 = not armed */
};

void loop_timer_set(struct loop *l, struct loop_timer *t, uint64_t in_ms, void (*fn)(void *ctx), void *ctx);
void loop_timer_cancel(struct loop *l, struct loop_timer *t);

/* For socket.c: its state of this loop, given back in loop_free(). */
void loop_sockets_set(struct loop *l, void *state, void (*free_state)(void *state));
void *loop_sockets(const struct loop *l);

/* Work for the thread pool: work(ctx) runs in the pool, done(ctx) on the loop. For disk syncs and password hashes only,
 * never for network. Allocates one small block; never fails otherwise. */
void loop_work(struct loop *l, void (*work)(void *ctx), void (*done)(void *ctx), void *ctx);

#endif
