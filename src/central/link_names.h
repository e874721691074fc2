/*
 * The link's fixed names: channels, carriers, socket files (central.md 8). Pure.
 */
#ifndef CENTRAL_LINK_NAMES_H
#define CENTRAL_LINK_NAMES_H

#include "base/err.h"
#include "conf/conf.h"

/* --- channels: nothing else is ever opened ------------------------------------------------------------------------ */

enum link_channel {
    LINK_MGMT,    /* manager -> mgmt.gateway:22: the management account */
    LINK_RELEASE, /* manager -> cpq.gateway:7025: released mail */
    LINK_PVO,     /* gateway -> cpq.manager:7025: held mail */
    LINK_SPAM,    /* gateway -> euq.manager:6025: spam */
    LINK_ENROL,   /* gateway -> enrol.manager:1: enrolment by token, nothing else with it */
    LINK_CHANNELS
};

struct link_name {
    const char *host;
    uint16_t port;
    bool by_gateway;  /* who opens it */
    const char *file; /* of its socket in HOME/run/link/WHO */
};
const struct link_name *link_name(enum link_channel c);
/* LINK_CHANNELS when there is no such channel. */
enum link_channel link_channel_find(struct str host, uint64_t port);
enum link_channel link_channel_named(struct str host);
/* Whether this appliance takes such a channel now: the service is on and not suspended. why_out: a literal. */
bool link_channel_taken(const struct conf *c, enum link_channel channel, const char **why_out);

/* --- carriers --------------------------------------------------------------------------------------------------------- */

enum link_carrier { LINK_SMTP, LINK_TLS, LINK_SSH, LINK_CARRIERS };
const char *link_carrier_name(enum link_carrier c);

struct link_port {
    enum link_carrier carrier;
    uint16_t port;
};
/* "PORT" or "CARRIER:PORT"; without a word 22 is ssh, 25 and 587 are smtp, all others tls. */
bool link_port_parse(struct str text, struct link_port *out);

/* --- socket files -------------------------------------------------------------------------------------------------------
 */

/* HOME/run/link/WHO[/FILE]; `who` is a serial number, on a gateway "manager". RC_INVALID: longer than a socket's path may
 * be, or no plain name. */
enum { LINK_PATH_MAX = 108 };
enum rc link_path(const char *home, struct str who, const char *file, char out[LINK_PATH_MAX], struct err *e);

#endif
