/* What settings mean for the central quarantines: which hidden listeners are open, who takes the mail. */
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

/* The manager that takes a gateway's mail for quarantines; NULL: none. */
static inline const struct conf_manager *conf_destination(const struct conf *c)
{
    for (size_t i = 0; i < c->manager.n; i++)
        if (c->manager.items[i].destination)
            return &c->manager.items[i];
    return NULL;
}

#endif
