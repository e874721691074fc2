/* What waits for the manager (central.md 11). */
#ifndef QUEUE_HOLDERS_H
#define QUEUE_HOLDERS_H

#include "queue/state.h"

void holders_init(struct queue *q);
/* Once a second: alerts. */
void holders_look(struct queue *q);
/* What deliver told of a piece: may the holder have it? */
void holders_answered(struct piece *p, const struct delivery_result *r, size_t n);

#endif
