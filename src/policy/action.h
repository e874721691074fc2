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

/* For whom an action acts: message filter, content filter, or DLP policy. */
struct filter_run {
    bool content;       /* a content filter, else a message filter */
    bool dlp;           /* a DLP policy: `matched` is given, not asked for */
    struct str filter;  /* name of the filter at work, for logs, copies and holds */
    struct str table;   /* content filters: "inbound" or "outbound" */
    struct str matched; /* text that its rules matched last; for $MatchedContent and holds; may be empty */
    struct str dropped_names, dropped_types; /* of attachments that actions of this run dropped, ", " between */
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

/* --- between the files of the actions -------------------------------------------------------------------------------- */

/* Argument i with variables filled in (policy/variables.h); empty when it was not given. */
struct str action_text(struct message *m, const struct filter_action *a, const struct filter_run *r, size_t i);
struct str action_filled(struct message *m, const struct filter_run *r, struct str text, bool html);
/* A text resource above or below what readers see. */
void action_frame(struct message *m, const struct filter_run *r, const struct conf_text_resource *t, bool above);
/* A further message made from this one, as the log tells it ("was generated based on ... by `by`"). */
struct action_new {
    struct str by;
    struct carried carried; /* its edits and holds are filled in */
    bool same;              /* to the recipients of this message; else to `recipients` */
    struct strs recipients;
    bool other_sender; /* from `sender`, which may be empty (<>) */
    struct str sender;
    struct str body;        /* its whole text; empty: this message's octets with the changes of `patch` */
    struct patch *patch;    /* NULL: those made so far */
    struct str destination; /* where it goes at once; empty = by its recipients */
};
enum rc action_generate(struct message *m, const struct filter_run *r, struct action_new *n, struct err *e);
/* A text resource; NULL and the error when it is gone. */
const struct conf_text_resource *action_resource(struct message *m, struct str name, struct err *e);

#endif
