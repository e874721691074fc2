/*
 * The message filters of a configuration, compiled once for a snapshot; running them is filter_run.h.
 *
 * Called by compiled.c, control (checks of a change) and the console. A filter that cannot be read is left out (control
 * refuses it at the commit); one that names what does not exist is not valid and does not run.
 */
#ifndef POLICY_FILTERS_H
#define POLICY_FILTERS_H

#include "policy/compiled.h"
#include "policy/filter.h"

struct compiled_filters {
    const struct filter **items; /* those that run, in order */
    size_t n;
};

/* All filters of the section, in order. RC_INVALID: some are left out; the first reason is in *e, the others run. */
enum rc filters_compile(struct arena *a, const struct conf *conf, struct compiled_filters **out, struct err *e);
/* Every text reads as one filter of the item's name: RC_SYNTAX with path, line, column otherwise. */
enum rc filters_check(const struct conf *conf, struct err *e);

/* Whether everything that it names exists in the configuration; *missing_out (may be NULL; memory from a) says what is not:
 * `dictionary "x"`. */
bool filter_valid(const struct conf *conf, struct arena *a, const struct filter *f, struct str *missing_out);
bool filter_rule_valid(const struct conf *conf, struct arena *a, const struct filter_rule *r, struct str *missing_out);
bool filter_action_valid(const struct conf *conf, struct arena *a, const struct filter_action *act, struct str *missing_out);

#endif
