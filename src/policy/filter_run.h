/*
 * Running filters over a message: message filters all at once, and what content filters share with them.
 *
 * Called by scan (stages of message filters and content filters) and `trace`.
 */
#ifndef POLICY_FILTER_RUN_H
#define POLICY_FILTER_RUN_H

#include "policy/action.h"
#include "policy/filters.h"

/* Runs all active and valid filters on the message: conditions, actions, the kept actions at the end, one event for the CEF
 * line, one step of the outcome. Nothing when the message skips them. */
void filters_run(struct message *m);

/* --- for both kinds of filters (filter_run.c) ----------------------------------------------------------------------- */
/* `act` does the actions: action_do (policy/action.h); tests look on with their own. */
void filter_run_begin(struct filter_run *r, bool content, struct str table, filter_action_fn *act);
/* The branch that is true, its actions. False: none was (an else is no match). */
bool filter_run_block(struct message *m, const struct filter_block *b, struct filter_run *r);
void filter_run_action(struct message *m, const struct filter_action *a, struct filter_run *r);
/* The kept actions; none of them when the message is dropped or bounced. */
void filter_run_end(struct message *m, struct filter_run *r);

#endif
