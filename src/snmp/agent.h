/*
 * The AgentX subagent that answers our tree and sends our traps through snmpd.
 *
 * It runs in a thread of its own: libnetsnmp waits inside its calls (opening, registering and the ping of a connection ask
 * snmpd and wait for the answer), and an snmpd that hangs must stop neither the role's loop nor its supervision. The thread
 * shares the values behind a lock and takes traps from a pipe; nothing else of the library is used elsewhere while it runs.
 */
#ifndef SNMP_ROOM_AGENT_H
#define SNMP_ROOM_AGENT_H

#include "snmp/traps.h"

struct agent;

/* For this AgentX socket; files of the library go to `dir`. One a process. */
struct agent *agent_new(const char *socket, const char *dir);
/* snmpd runs: connects, and from then on again by itself whenever the connection is lost (each second). */
void agent_begin(struct agent *a);
/* The values that are answered from now on (copied). */
void agent_values(struct agent *a, const struct snmp_values *v);
/* Sends a trap, later when there is no connection now. False when too many wait already. */
bool agent_trap(struct agent *a, const struct snmp_trap *t);
bool agent_connected(const struct agent *a);
uint64_t agent_requests(const struct agent *a); /* answered so far */
/* What the library said last, "" = nothing. */
void agent_error(struct agent *a, char out[256]);

#endif
