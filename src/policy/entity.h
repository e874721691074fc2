/*
 * Numbers that can be told from other numbers by their form and check digit: cards, bank accounts, identity numbers. Table:
 * spec/entities.def.
 */
#ifndef POLICY_ENTITY_H
#define POLICY_ENTITY_H

#include "base/str.h"

struct entity {
    const char *name, *smart;
    bool (*check)(struct str candidate);
    const char *expression, *help;
};

/* Row i, NULL behind the last. */
const struct entity *entity_row(size_t i);
/* By name ("credit-card") or smart term ("*credit"); NULL = none. */
const struct entity *entity_find(struct str name);
/* Does the candidate, as its expression found it, stand alone in the text and pass its check? */
bool entity_fits(const struct entity *e, struct str text, size_t from, size_t to);
/* The same for a candidate that may begin too early, in a number before it ("50 4111 1111 1111 1111"): *from moves to where
 * the number begins that fits. */
bool entity_fits_end(const struct entity *e, struct str text, size_t *from, size_t to);

#endif
