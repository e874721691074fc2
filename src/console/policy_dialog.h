/* Between the files of policyconfig: one of the two tables, and names in it. */
#ifndef CONSOLE_POLICY_DIALOG_H
#define CONSOLE_POLICY_DIALOG_H

#include "console/ops.h"
#include "policy/policy_name.h"

struct policy_table {
    bool outgoing;
};

/* The name an item of the table has in its section, in the arena. */
struct str policy_full_name(struct session *s, const struct policy_table *t, struct str shown);
/* Items of the table in a section: how many, and the n-th (from 0) as index in the section, SIZE_MAX = none. */
size_t policy_items(const struct session *s, const struct policy_table *t, const char *section);
size_t policy_item(const struct session *s, const struct policy_table *t, const char *section, size_t n);
/* Asks which item by number or name as shown; its name in the section. */
struct str policy_pick(struct session *s, const struct policy_table *t, const char *section, const char *noun,
                       const char *what);
/* Asks a name that is free in the table and makes the item; its name in the section. */
struct str policy_new(struct session *s, const struct policy_table *t, const char *section, const char *noun);
/* To its n-th place (from 1) in the table. */
bool policy_move(struct session *s, const struct policy_table *t, const char *section, struct str name, uint64_t to);

/* FILTERS of policyconfig: content filters. */
enum rc policy_filters(struct session *s, struct policy_table *t);

#endif
