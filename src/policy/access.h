/*
 * From where the machine may be managed (adminaccessconfig IPACCESS): SSH, FTP, web pages and API ask the same question at
 * the door. Settings: access.mode, access.allowed, access.proxies.
 */
#ifndef POLICY_ACCESS_H
#define POLICY_ACCESS_H

#include "conf/conf.h"
#include "net/ip.h"

struct access;

/* Compiled from one snapshot; the caller frees it. Lines that are no addresses, ranges or networks fit nobody. */
enum rc access_new(const struct conf_access *c, struct access **out, struct err *e);
void access_free(struct access *a);
/* `peer` is who connects. `client` is whom a proxy names in access.proxy_header, NULL when nobody is named (SSH and FTP
 * always). Modes: all; restrict = peer is listed; proxy = peer is a listed proxy, and the client that it names is listed;
 * restrict_or_proxy = either. A proxy that names nobody, as a jump host of SSH, passes. No compiled list (NULL) refuses. */
bool access_allows(const struct access *a, const struct address_ip *peer, const struct address_ip *client);
/* Is this address a listed proxy, one whose origin header is believed? */
bool access_is_proxy(const struct access *a, const struct address_ip *peer);

#endif
