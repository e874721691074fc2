/* What alias.c and alias_check.c share: a compiled table. Nobody else includes this. */
#ifndef POLICY_ALIAS_TABLE_H
#define POLICY_ALIAS_TABLE_H

#include "mail/address.h"
#include "policy/alias.h"
#include "policy/name_table.h"

struct alias_target {
    struct str address; /* domain lower case; empty = /dev/null */
    uint32_t alias;     /* what this address is an alias of in turn, or ALIAS_NONE */
};

struct alias {
    struct str name;
    struct alias_target *targets;
    size_t n;
    bool nested; /* some target is an alias */
};

struct aliases {
    struct name_table names;
    struct str own_domain; /* of names without one */
    struct alias *items;
    size_t n;
};

bool alias_drops(struct str target); /* /dev/null */

#endif
