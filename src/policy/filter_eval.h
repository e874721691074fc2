/*
 * Conditions of the filter language, evaluated over one message.
 *
 * Called by the runners of message filters and content filters, and by whoever has a condition. Answers of rules that cost
 * something are kept for the message until it is changed. A rule that cannot be answered (no such service, a time-out) is
 * false. All memory is the message's arena.
 */
#ifndef POLICY_FILTER_EVAL_H
#define POLICY_FILTER_EVAL_H

#include "policy/filter.h"
#include "policy/message.h"

bool filter_true(struct message *m, const struct filter_rule *r);
/* What the last rule that was true of a text found in it, for $MatchedContent and holds; cut; may be empty. */
struct str filter_matched(const struct message *m);
/* How many tests were evaluated, not taken from memory: for tests and figures. */
uint64_t filter_evaluated(const struct message *m);

#endif
