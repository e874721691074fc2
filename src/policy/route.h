/*
 * Where mail for a domain goes by the settings: SMTP routes and the row of the destination controls (central.md 16).
 *
 * Pure reading of a snapshot; nothing is asked of the DNS here.
 */
#ifndef POLICY_ROUTE_H
#define POLICY_ROUTE_H

#include "base/arena.h"
#include "base/err.h"
#include "conf/conf.h"
#include "net/ip.h"

enum { ROUTE_HOSTS_MAX = 16 };

struct route_host {
    struct str host;      /* name or address text without brackets */
    struct address_ip ip; /* family 0 = a name */
    uint16_t port;
    uint64_t priority;
};
enum route_kind { ROUTE_MX, ROUTE_HOSTS, ROUTE_DROP };
struct route {
    enum route_kind kind;
    const struct conf_route *row; /* NULL = no row fits */
    struct route_host *hosts;     /* by priority, equal ones in random order */
    size_t n;
};
/* Row for a domain: itself, else .parent (nearest first), else ALL. */
const struct conf_route *route_row(const struct conf *c, struct str domain);
/* "host", "host:port", "[v6]:port", "USEDNS", "/dev/null", each with " /pri=N". RC_SYNTAX. */
enum rc route_host_parse(struct str text, uint16_t default_port, struct route_host *out, enum route_kind *kind_out);
void route_find(struct arena *a, const struct conf *c, struct str domain, struct route *out);
/* The row of the destination controls for a domain: itself, else .parent (nearest first), else `default`. */
const struct conf_destination *destination_settings(const struct conf *c, struct str name);

#endif
