/*
 * Look-ups for all roles: DNS with DNSSEC validation (libunbound), MTA-STS policies (RFC 8461), directories (LDAP).
 *
 * Bus in: dns_questions (several questions, one reply when all answers are there or dns.timeout_ms has passed),
 * sts_question, dns_flush. Whatever goes wrong is a temporary answer: nobody waits for ever.
 */
#ifndef LOOKUP_LOOKUP_H
#define LOOKUP_LOOKUP_H

#include "base/board.h"
#include "bus/bus.h"
#include "conf/conf.h"
#include "event/event.h"

struct lookup;

struct lookup_options {
    struct loop *loop;
    struct bus *bus;
    struct conf_source *conf;
    struct board *board;
    struct events *events;
};

enum rc lookup_new(const struct lookup_options *o, struct lookup **out, struct err *e);
void lookup_free(struct lookup *l);
/* Forgets every cached answer, here and in the roles that ask. */
void lookup_flush(struct lookup *l);

#endif
