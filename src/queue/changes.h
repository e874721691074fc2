/* What the journal says of single recipients, kept from replay until their records were read (recover.c). */
#ifndef QUEUE_CHANGES_H
#define QUEUE_CHANGES_H

#include "queue/state.h"

struct change {
    uint64_t next_wall_ms;
    uint16_t index, tries;
    bool final;
    uint32_t destination; /* redirected to, 0 = not */
    uint32_t next;
};

/* Newest word on a recipient; replaces an earlier one. */
void changes_put(struct queue *q, uint32_t message, uint16_t index, const struct change *what);
void changes_drop(struct queue *q, uint32_t message);
/* Applies them to the pieces that message_load() made, and forgets them. `list` = what changes_take() gave. */
uint32_t changes_take(struct queue *q, uint32_t message);
void changes_apply(struct queue *q, uint32_t message, uint32_t list);

#endif
