/*
 * The objects that lead into and out of quarantines (central.md 6), as queue knows them.
 *
 * What is released goes to one destination a gateway, NAME/SERIAL, so that a gateway that is down holds up no other.
 * Operators see and steer all of them under NAME: they are a family.
 */
#ifndef QUEUE_INTERNAL_H
#define QUEUE_INTERNAL_H

#include "mail/internal_name.h"
#include "queue/state.h"

enum { FAMILY_NONE, FAMILY_POLICY, FAMILY_SPAM, FAMILY_COUNT };

/* Mail in it waits as long as it takes. */
bool internal_keeps(struct str name);
unsigned internal_family(struct str name);

/* What an operator's host name means: one destination (0 = none in memory) or a family. */
struct selector {
    uint32_t destination;
    unsigned family;
};
struct selector internal_select(const struct queue *q, struct str name);
bool internal_meant(const struct queue *q, const struct selector *s, uint32_t destination);
/* Delivery to it is suspended, by its own name or its family's. */
bool internal_suspended(const struct queue *q, const struct destination *d);
/* The next of a family behind `i`, 0 = none. */
uint32_t internal_next(const struct queue *q, unsigned family, uint32_t i);
/* All of a family as if it were one: gauges and counters are sums, errors are the last; it is down when one with mail is.
 * Its texts are those of its members. The name is a literal. False when none is in memory (then only the name is set). */
bool internal_sum(const struct queue *q, unsigned family, struct destination *out);

#endif
