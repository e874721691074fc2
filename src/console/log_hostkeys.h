/* logconfig HOSTKEYCONFIG: host keys of servers that logs are pushed to (setting ssh.known_hosts). */
#ifndef CONSOLE_LOG_HOSTKEYS_H
#define CONSOLE_LOG_HOSTKEYS_H

#include "console/session.h"

enum rc log_hostkeys(struct session *s, void *ctx);

#endif
