/*
 * One thread for each gateway that has an SSH connection to it, and jobs for that thread (central.md 4: one connection, one
 * verb after the other). The loop gives jobs and hears of their end; only jobs touch the connection.
 */
#ifndef CENTRAL_LINE_H
#define CENTRAL_LINE_H

#include "central/ssh_line.h"

struct central;

/* In the thread, on a connection that is up: verbs, by ssh_line_verb(). Touches `ctx` and nothing else of ours. Runs again
 * on a new connection when the one from before turns out to be dead at its first word, so it begins anew each time. */
typedef enum rc line_fn(struct ssh_line *l, void *ctx, struct err *e);
/* On the loop, exactly once, never inside line_job(): also when there was no connection (e says why), the appliance is not
 * known, or the role ends (RC_UNAVAILABLE). Not to be called any more once central_stop() has
 * told its end. */
typedef void line_done(void *ctx, enum rc rc, const struct err *e);

enum line_urgency { LINE_BULK, LINE_SOON }; /* SOON goes before all BULK that waits */

/* Over the connection of this item of `appliance`, which is made when there is none. fn NULL: nothing but a new
 * connection and its hello. */
void line_job(struct central *c, struct str appliance, enum line_urgency urgency, line_fn *fn, line_done *done, void *ctx);
/* A hello: over the connection there is, or that of a new one. */
void line_hello(struct central *c, struct str appliance, line_done *done, void *ctx);
/* Closes the connection of this appliance when its jobs are done: the next job makes a new one, with a new hello. */
void line_renew(struct central *c, struct str appliance);

/* A connection for this job alone, without hello (enrolment): `dial` is copied, the address may be a host name. fn is called
 * with NULL when dial->host_key is empty; the server's key is in `host_key` (malloc, or NULL) of the job's end. */
typedef void line_once_done(void *ctx, enum rc rc, const struct err *e, const char *host_key);
void line_once(struct central *c, const struct ssh_dial *dial, line_fn *fn, line_once_done *done, void *ctx);

/* For central.c. */
void lines_begin(struct central *c);
/* Settings changed: lines of appliances that are gone end. */
void lines_sweep(struct central *c);
/* All end; emptied(ctx) runs once none is left, later. */
void lines_stop(struct central *c, void (*emptied)(void *ctx), void *ctx);
void lines_free(struct central *c);

#endif
