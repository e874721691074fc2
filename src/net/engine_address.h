/* Where a scan engine listens: "IP:port", "[IPv6]:port", "unix:/path". Pure. */
#ifndef NET_ENGINE_ADDRESS_H
#define NET_ENGINE_ADDRESS_H

#include "net/socket.h"

enum { ENGINE_PATH_MAX = 108 }; /* sun_path, with the NUL */

struct engine_address {
    struct address_ip ip;       /* family 0: the path */
    char path[ENGINE_PATH_MAX]; /* empty: the IP address */
};

/* False: none of the three forms. Names are not looked up, "localhost" is 127.0.0.1. */
bool engine_address_parse(struct str text, struct engine_address *out);
/* On this machine: a path or a loopback address. */
bool engine_address_local(const struct engine_address *a);

#endif
