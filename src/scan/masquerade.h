/* Masquerading: the addresses of senders as the world is to see them. Part of stage_ldap.c. */
#ifndef SCAN_MASQUERADE_H
#define SCAN_MASQUERADE_H

#include "scan/world.h"

/* Envelope sender and header fields as the listener says, by its table and its LDAP query. False: a directory could not be
 * asked, nothing was changed and the message is to wait (message_later was called). */
bool masquerade_message(struct scan_world *w, struct message *m, const struct conf_listener *l);

#endif
