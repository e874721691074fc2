/* Held mail on its way to the manager: shared by mover.c (what goes, what became of it) and mover_ask.c (how the manager
 * is). Not for other files. */
#ifndef QUARANTINE_MOVER_H
#define QUARANTINE_MOVER_H

#include "quarantine/inside.h"

enum { MOVES_AT_ONCE = 32, MOVER_LOOK_MS = 2000, MOVER_WAIT_MS = 1000, MOVER_WAIT_MAX_MS = 30000 };

enum mover_state { MOVER_IDLE, MOVER_ASKING, MOVER_RUNNING, MOVER_WAITING, MOVER_STATES };

struct mover_slot {
    struct mover *mover;
    uint64_t id, call; /* id 0 = free; call 0 = answered */
    bool fresh;        /* the manager was never sent it before */
    struct bus_migrate_done result;
    enum rc rc; /* of the call */
    char text[200];
};

struct mover {
    struct quarantine *q;
    enum cpq_class class;
    enum mover_state state;
    struct loop_timer timer;
    struct mover_slot slots[MOVES_AT_ONCE];
    size_t n_slots; /* in use */
    uint64_t call;  /* question under way */
    const char *feat;
    uint64_t wait_ms, n, map_until_ms;
    char why[300]; /* why nothing more is sent; empty = go on */
    bool told_why;
};

/* The manager's name in the settings; empty = none is chosen. */
struct str mover_manager(const struct mover *m);
/* Is held mail of this class for the manager, by the settings of now? */
bool mover_wanted(const struct mover *m);
/* The next look, in so many ms. */
void mover_later(struct mover *m, uint64_t ms);
/* Nothing goes until a further question was answered well; said once. */
void mover_wait(struct mover *m, struct str why);
/* Is there mail that may go? */
bool mover_has_more(struct mover *m);
/* The manager is ready: begins a run or goes on with it. */
void mover_run(struct mover *m);
/* Nothing is left, or nothing is to go any more: the run is over. */
void mover_end(struct mover *m, enum run_state state);

/* mover_send.c: the log line of its beginning, said when its mark is durable; and the message. */
void mover_say(struct mover *m, uint64_t id);
void mover_send(struct mover_slot *s);

/* mover_ask.c: `feat` is what HELLO tells, "" = nothing. */
void mover_ask(struct mover *m, const char *feat);

#endif
