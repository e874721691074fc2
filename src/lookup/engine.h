/*
 * Connections to scan engines for scan workers, which may make no sockets themselves.
 *
 * Bus in: engine_open; out: engine_socket with the connected descriptor (not blocking), or why there is none. Each question
 * gets one answer, at the latest after its own time-out. Bounded: beyond ENGINE_CONNECTS at once the answer is RC_LIMIT.
 */
#ifndef LOOKUP_ENGINE_H
#define LOOKUP_ENGINE_H

#include "bus/bus.h"

enum { ENGINE_CONNECTS = 512 };

struct engine_connector;

struct engine_connector *engine_connector_new(struct loop *loop, struct bus *bus);
void engine_connector_free(struct engine_connector *c);

#endif
