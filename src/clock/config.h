/* What chronyd reads, made from section ntp of the settings. Pure. */
#ifndef CLOCK_ROOM_CONFIG_H
#define CLOCK_ROOM_CONFIG_H

#include "base/buf.h"
#include "conf/conf.h"

/* HOME/clock/chrony.conf. `home` is absolute. */
void clock_config_text(const struct conf *c, const char *home, struct buf *out);
/* HOME/clock/chrony.keys: one line, or none. */
void clock_keys_text(const struct conf_ntp *n, struct buf *out);
/* A server "host", "host:port", "[v6]:port", "v6": its parts. False when chronyd could take it for something else. */
bool clock_server(struct str server, struct str *host_out, uint64_t *port_out);

#endif
