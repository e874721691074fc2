/*
 * Content filters: conditions and actions in the language of filters, run for the messages of one mail policy.
 *
 * Compiled with a snapshot (policy/compiled.h); run by the stage `content` of scan once a message belongs to a policy. All
 * filters that the policy names run in the order of their section; a final action ends them at once, what was to wait is
 * done behind the last one.
 */
#ifndef POLICY_CONTENT_H
#define POLICY_CONTENT_H

#include "policy/message.h"

struct compiled_contents;
struct filter_gate;

/* Filters with an error are left out (they were refused at commit); the first is told in *e: RC_INVALID. *out is set. */
enum rc contents_compile(struct arena *a, const struct conf *c, struct compiled_contents **out, struct err *e);
/* Adds their expressions to those that share one pass over a text (policy/filter_gate.h). */
void contents_gather(const struct compiled_contents *all, struct filter_gate *g);
/* Runs the filters of m->policy; records verdict and matches as a step "content filters". */
void content_run(struct message *m);
/* Disclaimers of the listener that took the message: above and below the text. */
void content_disclaimers(struct message *m);

#endif
