/* Parts of listenerconfig that have tables of their own. Each is the dialogue of one listener. */
#ifndef CONSOLE_LISTENER_H
#define CONSOLE_LISTENER_H

#include "console/ops.h"

/* HOSTACCESS over sender_group and mail_flow_policy, RCPTACCESS over listener.rat. */
enum rc listener_hostaccess(struct session *s, struct str listener);
enum rc listener_rcptaccess(struct session *s, struct str listener);

/* The sender groups a new listener begins with; `hosts`: who may relay (private listeners), `policy`: of everybody else on a
 * public one. */
enum rc listener_groups(struct session *s, struct str listener, struct strs hosts, struct str policy);
/* Hosts as members of a sender group, domains as lines of a recipient access table: checks of questions. */
bool listener_hosts_fit(struct session *s, void *ctx, struct str answer);
bool listener_recipients_fit(struct session *s, void *ctx, struct str answer);

#endif
