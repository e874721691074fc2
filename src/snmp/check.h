/* Can the URL of snmpconfig be reached? A connection each minute, and over plain HTTP a question (trap connectivityFailure).
 */
#ifndef SNMP_ROOM_CHECK_H
#define SNMP_ROOM_CHECK_H

#include "net/loop.h"

struct snmp_url {
    bool http; /* ask with GET; else a connection that opens is enough */
    struct str host, port, path;
};

/* "http://host[:port]/path", "https://...", "tcp://host:port". False on anything else. The parts point into `url`. */
bool snmp_url_parse(struct str url, struct snmp_url *out);
/* Status line of an HTTP answer as far as it came (RFC 9112 4): 0 = not whole yet, -1 = no HTTP, else the code. */
int snmp_http_status(struct str octets);

struct check;

/* told(ctx, works, why) after each try. The first try is made at once when a URL is set, then one every 60 s. */
struct check *check_new(struct loop *l, void (*told)(void *ctx, bool works, const char *why), void *ctx);
void check_url(struct check *c, struct str url); /* empty = stop checking */
void check_free(struct check *c);

#endif
