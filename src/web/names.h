/*
 * Under which names requests are taken (adminaccessconfig HOSTHEADER), and whom a proxy speaks for.
 */
#ifndef WEB_NAMES_H
#define WEB_NAMES_H

#include "policy/access.h"

/* The last address in the value of the origin header that is no listed proxy; false when there is none. */
bool names_client(const struct access *a, struct str origin, struct address_ip *client_out);
bool names_loopback(const struct address_ip *ip);
/* The name of this machine that a Host value means, as configured (or the address itself): for links. Empty when it is none:
 * neither a host name of the settings nor an address of ours. `local` = our end of the connection. */
struct str names_ours(const struct conf *c, struct str host, const struct address_ip *local, char text[46]);

#endif
