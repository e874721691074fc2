/* Which hidden listeners of the central quarantines these settings open. */
#ifndef CONF_HIDDEN_H
#define CONF_HIDDEN_H

#include "conf/conf.h"

enum { CONF_ROLE_GATEWAY, CONF_ROLE_MANAGER /* system.role */ };

static inline bool conf_is_manager(const struct conf *c)
{
    return c->system.role == CONF_ROLE_MANAGER;
}

/* Released mail comes back to a gateway, held mail to a manager. */
static inline bool conf_listens_cpq(const struct conf *c)
{
    return conf_is_manager(c) ? c->pvo.enabled : c->cpq_listener.enabled;
}

/* Spam comes to a manager. */
static inline bool conf_listens_euq(const struct conf *c)
{
    return conf_is_manager(c) && c->euq_listener.enabled;
}

#endif
