/*
 * Safelists and blocklists from this manager to its gateways (central.md 10): each change at once, after absence the deltas
 * since then, else a full copy.
 */
#ifndef CENTRAL_SLBL_H
#define CENTRAL_SLBL_H

#include "central/inside.h"

/* Listens to control for the master's number. */
void slbls_begin(struct central *c);
void slbls_free(struct central *c);
/* Settings changed: gateways whose spam is taken here, and those whose is no longer. */
void slbls_sweep(struct central *c);
/* A gateway said in hello which version it has. */
void slbl_contact(struct central *c, struct str appliance, uint64_t version);
/* slbl_status: a line for each gateway; slbl_sync: a full copy to each. */
void verb_slbl_status(struct central_call *call);
void verb_slbl_sync(struct central_call *call);

#endif
