/*
 * Flight board slots: everything else is stored before the state, and the state is stored with release order. See flight.h.
 *
 * Called by queue and deliver. Owns nothing. Words written by the other process are checked before they are used.
 */
#include "spool/flight.h"

void flight_assign(struct board_slot *s, uint64_t mid, uint64_t piece)
{
    board_store(&s->state, SLOT_FREE);
    board_store(&s->mid, mid);
    board_store(&s->piece, piece);
    board_store(&s->results_bytes, 0);
    board_store(&s->state, SLOT_ASSIGNED);
}

void flight_free(struct board_slot *s)
{
    board_store(&s->state, SLOT_FREE);
}

static bool mine(const struct board_slot *s, uint64_t piece)
{
    uint64_t state = board_load(&s->state);

    return (state == SLOT_ASSIGNED || state == SLOT_TAKEN || state == SLOT_DOT_SENT) && board_load(&s->piece) == piece;
}

bool flight_dot_sent(struct board_slot *s, uint64_t piece)
{
    if (!mine(s, piece))
        return false;
    board_store(&s->state, SLOT_DOT_SENT);
    return true;
}

bool flight_answered(struct board_slot *s, uint64_t piece, struct str results)
{
    if (!mine(s, piece) || results.n > SLOT_RESULTS)
        return false;
    if (results.n)
        memcpy(s->results, results.p, results.n);
    board_store(&s->results_bytes, results.n);
    board_store(&s->state, SLOT_ANSWERED);
    return true;
}

enum rc flight_read(const struct board_slot *s, struct arena *a, struct flight *out)
{
    struct flight f = {.state = board_load(&s->state)};
    uint64_t n = board_load(&s->results_bytes);

    f.mid = board_load(&s->mid);
    f.piece = board_load(&s->piece);
    if (f.state > SLOT_TAKEN || n > SLOT_RESULTS)
        return RC_CORRUPT;
    if (f.state == SLOT_ANSWERED) {
        f.results = arena_str(a, str_of(s->results, n));
        if (!f.results.p)
            return RC_NO_MEMORY;
    }
    *out = f;
    return RC_OK;
}
