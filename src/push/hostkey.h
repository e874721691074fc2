/*
 * Host keys of servers, as lines of a known_hosts file (setting ssh.known_hosts).
 */
#ifndef PUSH_HOSTKEY_H
#define PUSH_HOSTKEY_H

#include "base/buf.h"

enum hostkey { HOSTKEY_UNKNOWN, HOSTKEY_SAME, HOSTKEY_OTHER, HOSTKEY_REVOKED };

/* Line "host[,host...] type base64 [comment]"; a host is a name, an address, or [name]:port when the port is not 22;
 * `@revoked` may stand before it. Hashed names are not understood and match nothing. OTHER: the server is known, but not by
 * this key. */
enum hostkey hostkey_judge(struct strs known, struct str host, uint16_t port, struct str type, struct str base64);
/* Key types known of this server, with commas, in the form the SSH library wants; empty when there is none. */
void hostkey_types(struct strs known, struct str host, uint16_t port, struct buf *out);
/* The line that makes this key known. */
void hostkey_line(struct str host, uint16_t port, struct str type, struct str base64, struct buf *out);

#endif
