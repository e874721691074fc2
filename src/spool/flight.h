/*
 * The flight board (design-notes D2): what became of each piece of delivery work, readable after either process died.
 *
 * queue writes `assigned` before it sends deliver_work; deliver writes `dot sent` before the final dot leaves and `answered`
 * before deliver_done; queue frees the slot once the outcome is in its journal. After a death queue reads the slots:
 * assigned is tried again at once, dot sent again with the event delivery_uncertain, answered counts. Stores only, no calls.
 */
#ifndef SPOOL_FLIGHT_H
#define SPOOL_FLIGHT_H

#include "base/arena.h"
#include "base/board.h"
#include "base/err.h"

struct flight {
    uint64_t state, mid, piece;
    struct str results; /* when state is SLOT_ANSWERED; coded as in smtp/results.h */
};

/* queue: the slot is free. `piece` rises for ever, so that a late store for older work is recognised. */
void flight_assign(struct board_slot *s, uint64_t mid, uint64_t piece);
void flight_free(struct board_slot *s);
/* queue: a copy of the slot as it is now, results in the arena. RC_CORRUPT when its words make no sense (a broken deliver).
 */
enum rc flight_read(const struct board_slot *s, struct arena *a, struct flight *out);

/* deliver: false when the slot holds other work by now; then nothing was stored. */
bool flight_dot_sent(struct board_slot *s, uint64_t piece);
/* Results longer than SLOT_RESULTS must be coded shorter by the caller (codes kept, texts cut: results_encode with
 * max = SLOT_RESULTS); false when they are still longer: the slot stays `dot sent`. */
bool flight_answered(struct board_slot *s, uint64_t piece, struct str results);

#endif
