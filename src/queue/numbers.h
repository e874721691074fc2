/* Message numbers: part of state.h, which includes it. */
#ifndef QUEUE_NUMBERS_H
#define QUEUE_NUMBERS_H

#include "queue/state.h"

/* ---- numbers.c
 * ------------------------------------------------------------------------------------------------------------------- */
enum rc numbers_init(struct queue *q, struct err *e);
void numbers_check(struct queue *q);
void numbers_stop(struct queue *q);
/* After a power cut: the log says of every message that may go out twice that it was recovered (J). */
void recover_say(struct queue *q);

#endif
