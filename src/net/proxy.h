/*
 * The PROXY protocol, versions 1 and 2: what a load balancer in front of us says about the real peer.
 *
 * Pure: looks at octets, keeps nothing. Source: HAProxy's proxy-protocol.txt. Only for peers that are trusted to say it.
 */
#ifndef NET_PROXY_H
#define NET_PROXY_H

#include "base/err.h"
#include "net/socket.h"

enum { PROXY_MOST = 536 }; /* a longer header is refused (v1: 107 octets, v2: 16 + 520) */

struct proxy_header {
    unsigned version; /* 1 or 2 */
    bool local;       /* v2 LOCAL or v1 UNKNOWN: the balancer itself speaks (health check), no addresses */
    struct address_ip source, destination; /* family 0 when local or of an unknown family */
};

/* RC_OK: *out and the octets the header took; RC_UNAVAILABLE: the beginning of a header, more is needed; RC_SYNTAX: this is
 * no (valid) header. */
enum rc proxy_parse(struct str in, struct proxy_header *out, size_t *used_out);

#endif
