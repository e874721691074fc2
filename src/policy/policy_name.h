/* Two tables in one section: "out/NAME" is NAME of the outgoing table; mail policies and content filters. */
#ifndef POLICY_POLICY_NAME_H
#define POLICY_POLICY_NAME_H

#include "base/str.h"

#define POLICY_OUT "out/"

static inline bool policy_name_outgoing(struct str name)
{
    return str_startsi(name, str_lit(POLICY_OUT));
}

/* As logs and operators see it. */
static inline struct str policy_name_shown(struct str name)
{
    return policy_name_outgoing(name) ? str_from(name, sizeof POLICY_OUT - 1) : name;
}

#endif
