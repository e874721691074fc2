/* The first word on each connection: hello (central.md 4). */
#ifndef CENTRAL_GREET_H
#define CENTRAL_GREET_H

#include "central/ssh_line.h"

enum { CENTRAL_PROTO = 1 };

/* What a gateway said. */
struct greeting {
    uint64_t proto, epoch, slbl_version;
    int64_t clock_ms; /* its clock minus ours */
    uint64_t rtt_ms;  /* of the verb */
    char serial[65];
    char *json; /* all of it, malloc; one line */
};

/* In a line's thread. `ours` = our side as a JSON object without `time`; `serial` = the one enrolled, empty = any. RC_OK:
 * *out is filled (greeting_done() later). RC_NOT_PERMITTED: another serial; RC_NOT_IMPLEMENTED: no common protocol; e says
 * so. */
enum rc greet(struct ssh_line *l, const char *ours, const char *serial, struct greeting *out, struct err *e);
void greeting_done(struct greeting *g);
/* The reply's JSON alone: for the parser's tests. */
enum rc greeting_parse(struct str json, struct greeting *out, struct err *e);

#endif
