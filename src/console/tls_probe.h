/*
 * What a TLS port of ours takes that it must refuse (HD-11): it is offered anonymous, null and export suites and versions
 * before 1.2, one after the other, with greetings made by hand, because the TLS library itself would not offer all of them.
 */
#ifndef CONSOLE_TLS_PROBE_H
#define CONSOLE_TLS_PROBE_H

#include "console/session.h"
#include "policy/hardening.h"

struct tls_offer {
    const char *name;
    uint16_t version;
    const uint16_t *suites;
    size_t n;
};
const struct tls_offer *tls_offer(size_t i); /* NULL beyond the last */

/* The record with the ClientHello (RFC 5246 7.4.1.2, RFC 4346). */
void tls_hello(const struct tls_offer *o, struct buf *out);
/* The first octets of the answer: a ServerHello takes the offer; an alert or the end refuses it. */
bool tls_taken(struct str answer);

/* Connects for each offer and fills in p->taken or p->why. A port that nothing listens on takes nothing. Ctrl-C leaves. */
void tls_probe(struct session *s, struct hardening_port *p);

#endif
