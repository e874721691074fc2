#include "queue/state.h"

bool bounce_add(struct queue *q, uint32_t piece, const struct delivery_result *r, size_t n, int deliverer, int slot)
{
    uint16_t indices[PIECE_RECIPIENTS];

    (void)deliverer;
    (void)slot;
    for (size_t i = 0; i < n; i++)
        indices[i] = (uint16_t)r[i].recipient;
    outcome_final(q, piece, indices, n);
    return false;
}

void bounce_delayed(struct queue *q, uint32_t piece)
{
    (void)q;
    (void)piece;
}

void bounce_run(struct queue *q)
{
    (void)q;
}

void bounce_done(struct queue *q)
{
    (void)q;
}
