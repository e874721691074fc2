/* What snmpd reads: our settings as its configuration, and the keys of the v3 user. */
#ifndef SNMP_ROOM_CONFIG_H
#define SNMP_ROOM_CONFIG_H

#include "base/buf.h"
#include "conf/conf.h"

enum { SNMP_KEY_MAX = 64, SNMP_ENGINE_MAX = 32, SNMP_WATCHER_KEY = 20 };

/* RFC 3411 snmpEngineID and the keys of user v3get made for it (RFC 3414 2.6): what the files hold instead of passphrases.
 */
struct snmp_keys {
    unsigned char engine[SNMP_ENGINE_MAX], auth[SNMP_KEY_MAX], privacy[SNMP_KEY_MAX];
    size_t engine_n, auth_n, privacy_n; /* 0 = no usable passphrase: nobody is let in */
    unsigned char
        watcher[SNMP_WATCHER_KEY]; /* of the user that snmpd asks itself as, for linkUp and linkDown; nobody has it */
    bool has_watcher;
};

/* keys.c: the engine is named after the serial number, so it stays the same for the life of the installation. */
void snmp_keys_make(const struct conf *c, struct snmp_keys *out);

/* HOME/snmp/snmpd.conf. `home` is absolute. */
void snmp_config_text(const struct conf *c, const struct snmp_keys *keys, const char *home, struct buf *out);
/* A fresh key for the watcher: for the state file alone, so that it does not count as a change of settings. */
void snmp_keys_watcher(struct snmp_keys *k);
/* HOME/snmp/state/snmpd.conf, which snmpd rewrites: the user, and how often the engine has started (RFC 3414 2.2), taken
 * over from `old`, the file as snmpd left it. */
void snmp_state_text(const struct conf *c, const struct snmp_keys *keys, struct str old, struct buf *out);

/* sysDescr.0 (spec/snmp.md 1). */
void snmp_description(const struct conf *c, struct buf *out);
/* Address and port of a trap target "host", "host:port", "[v6]:port", "v6" (port 162 when it has none) in snmpd's form:
 * "udp:host:port", "udp6:[v6]:port". False when it is nothing of that kind. */
bool snmp_target(struct str target, struct buf *out);

/* Is this trap sent? `name` of spec/snmp.md 3, linkUpDown, authenticationFailure. */
bool snmp_trap_on(const struct conf_snmp *s, const char *name);

#endif
