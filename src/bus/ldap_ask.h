/*
 * Asking directories and waiting for the answers: for workers that judge one message at a time (scan).
 */
#ifndef BUS_LDAP_ASK_H
#define BUS_LDAP_ASK_H

#include "bus/bus.h"
#include "mail/ldap.h"

enum { LDAP_ASK_MS = 60000 };

/* n (1..LDAP_QUESTIONS_MAX) questions, n answers in their order, from the arena. Whatever goes wrong, lookup away or slow,
 * is LDAP_TEMPORARY with a text. `bus` may be NULL: so are all answers. */
const struct ldap_answer *ldap_ask_wait(struct bus *bus, struct arena *a, const struct ldap_question *q, size_t n,
                                        uint64_t timeout_ms);

#endif
