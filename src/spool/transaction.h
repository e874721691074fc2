/*
 * Transactions between MAIL and their record, oldest first: input of the commit window rule (B3). Only spool/ includes this.
 */
#ifndef SPOOL_TRANSACTION_H
#define SPOOL_TRANSACTION_H

#include "base/str.h"

struct transaction;

struct transactions {
    struct transaction *items; /* items[0] heads the list of those in use; unused ones are chained by `next` */
    uint32_t n, unused;
};

void transactions_init(struct transactions *t);
void transactions_done(struct transactions *t);
/* 0 when there is no memory: the transaction is not counted. */
uint64_t transactions_begin(struct transactions *t, uint64_t now_ms);
/* A token that ended already (or 0) does nothing. */
void transactions_end(struct transactions *t, uint64_t token);
/* Whether any that began at or after `since_ms` has not ended. */
bool transactions_recent(const struct transactions *t, uint64_t since_ms);

#endif
