/*
 * The directories of the settings: for each host of a server a few connections, for each search the host whose turn it is.
 */
#ifndef LOOKUP_LDAP_POOL_H
#define LOOKUP_LDAP_POOL_H

#include "conf/conf.h"
#include "event/event.h"
#include "lookup/ldap_link.h"
#include "lookup/sts.h"

struct ldap_pool;

/* `dns` (as for sts_new) finds the addresses of hosts. `events` may be NULL. */
struct ldap_pool *ldap_pool_new(struct loop *loop, struct events *events, sts_dns_fn *dns, void *owner);
/* Searches and log-ins under way end without their callbacks being called after this returns (they are told RC_CLOSED). */
void ldap_pool_free(struct ldap_pool *p);
/* Other settings: servers that changed begin anew, their connections end when what they do is done. */
void ldap_pool_set(struct ldap_pool *p, const struct conf *conf);

/* Searches at the server of that name; fn runs once, perhaps inside the call. When a host fails the next one is asked. */
void ldap_pool_search(struct ldap_pool *p, struct str server, const struct ldap_search *s, ldap_found_fn *fn, void *ctx);
/* Logs in at the server as `dn` on a connection of its own: found->rc RC_OK and code 0 = right, code 49 = wrong. An empty
 * password is never tried (RFC 4513 5.1.2 would let everybody in). */
void ldap_pool_login(struct ldap_pool *p, struct str server, struct str dn, struct str password, ldap_found_fn *fn,
                     void *ctx);

#endif
