/*
 * Actions of filters: what each does to a message. One function a row of spec/filter_actions.def.
 *
 * Called by the runner of message filters (filters.c) and of content filters, in the order of the filters. A function
 * records in the message's outcome, patch and `carried`, emits its events, and does nothing else. What it cannot do (a name
 * that vanished) it says by an error: the runner logs it and goes on.
 */
#ifndef POLICY_ACTION_H
#define POLICY_ACTION_H

#include "policy/filter.h"
#include "policy/message.h"

struct filter_run;

typedef enum rc filter_action_fn(struct message *m, const struct filter_action *a, struct filter_run *r, struct err *e);

enum { FILTER_KEPT = 64 };

/* For whom an action acts. */
struct filter_run {
    bool content;       /* a content filter, else a message filter */
    struct str filter;  /* name of the filter at work, for logs, copies and holds */
    struct str table;   /* content filters: "inbound" or "outbound" */
    struct str matched; /* text that its rules matched last; for $MatchedContent and holds; may be empty */
    /* of the runner */
    filter_action_fn *act;                         /* action_do; tests look on with their own */
    const struct filter_action *kept[FILTER_KEPT]; /* LAST actions, in the order they act */
    struct str kept_filter[FILTER_KEPT];
    size_t n_kept;
    bool ended; /* FINAL or SKIP was met */
};

#define FACTION(name, arguments, when, function) filter_action_fn action_##function;
#include "spec/filter_actions.def"
#undef FACTION

/* Calls the row's function. */
enum rc action_do(struct message *m, const struct filter_action *a, struct filter_run *r, struct err *e);

#endif
