/*
 * One channel of the link: octets between an SSH channel and a socket.
 *
 * No loop of its own: the owner (a thread of role central, the loop of role shell) says when to move. Both ends of the link
 * use it. A slow reader on one side makes the other wait: the channel's window stays closed, the socket is not read.
 */
#ifndef CENTRAL_LINK_BRIDGE_H
#define CENTRAL_LINK_BRIDGE_H

#include "base/buf.h"
#include "central/link_names.h"

#include <libssh/libssh.h>

struct link_bridge;

/* Takes the channel and fd (not blocking). `opens`: the channel is still to be opened, to the fixed name; by the client's
 * way (direct-tcpip) or, `reverse`, by the server's (forwarded-tcpip). */
struct link_bridge *link_bridge_new(ssh_channel ssh, int fd, enum link_channel name, bool opens, bool reverse);
/* At most one piece each way, so that channels have their turns. `blocked`: the connection has output that waits. Not from
 * inside a callback of libssh. */
void link_bridge_move(struct link_bridge *b, bool blocked);
/* What to watch the socket for, as in poll(2). */
short link_bridge_events(const struct link_bridge *b, bool blocked);
int link_bridge_fd(const struct link_bridge *b);
enum link_channel link_bridge_name(const struct link_bridge *b);
/* There is more to move without waiting for anything. */
bool link_bridge_eager(const struct link_bridge *b);
/* Both ways are done, or it failed; why: NULL = an ordinary end. */
bool link_bridge_over(const struct link_bridge *b, const char **why_out);
uint64_t link_bridge_octets(const struct link_bridge *b);
void link_bridge_free(struct link_bridge *b); /* closes both */

#endif
