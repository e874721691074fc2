/*
 * Where links of gateways come in on a manager: carriers smtp and tls, up to the place where SSH begins. See link_door.c.
 */
#ifndef CENTRAL_LINK_DOOR_H
#define CENTRAL_LINK_DOOR_H

#include "central/inside.h"

struct doors;

struct doors *doors_new(struct central *c);
/* The whole list of listening sockets, "link.CARRIER.4"; what is no longer listed is closed. */
void doors_sockets(struct doors *d, const struct central_socket *list, size_t n);
void doors_free(struct doors *d); /* ends all threads */
/* Round trip of the connection with that number (link_carried.id), microseconds; 0 = unknown. */
uint64_t doors_rtt_us(struct doors *d, uint64_t id);

#endif
