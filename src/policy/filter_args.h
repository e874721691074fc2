/* Arguments of rules and actions against their signature: between filter_args.c and filter_parse.c. */
#ifndef POLICY_FILTER_ARGS_H
#define POLICY_FILTER_ARGS_H

#include "policy/filter_lex.h"

/* A value as it was read: one token, or the strings of a list in brackets. */
struct filter_raw {
    struct filter_token token; /* of a list: its bracket */
    struct strs list;
    bool bracket;
};

/* All arguments of `name`: how many there may be, and each by its letter. `end` is what follows the last one. */
enum rc filter_args_check(struct arena *a, const char *name, const char *signature, const struct filter_raw *raw, size_t n,
                          const struct filter_token *end, const struct filter_value **out, struct err *e);
/* One value by its letter; what is compared with == may be a list "a, b" in one string. */
enum rc filter_value_check(struct arena *a, char letter, const struct filter_raw *raw, struct filter_value *out,
                           struct err *e);

#endif
