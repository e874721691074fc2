/*
 * Role `push`: carries logs away (logs.md 10 and 13).
 *
 * For each subscription `log.NAME` whose retrieval is ftp or scp the saved files are sent to a server, oldest first, at each
 * roll-over and again until it works; record then unlinks them here. For syslog each line is sent as it is written. What was
 * sent is kept in HOME/push/NAME.state, so nothing is left out over restarts. Servers that are down cost a try now and then.
 */
#ifndef PUSH_PUSH_H
#define PUSH_PUSH_H

#include "bus/bus.h"
#include "conf/conf.h"
#include "event/event.h"
#include "net/loop.h"

/* HOME/keys/..., the key that SCP logs in with; the public line is what an administrator installs on the server. */
#define PUSH_KEY "keys/log_push_key"
#define PUSH_KEY_PUBLIC "keys/log_push_key.pub"

struct push;

struct push *push_new(struct loop *loop, struct bus *bus, struct conf_source *conf, struct events *events, const char *home);
/* Ends transfers and saves how far everything is; stopped(ctx) runs then. */
void push_stop(struct push *p, void (*stopped)(void *ctx), void *ctx);

#endif
