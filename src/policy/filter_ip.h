/* Addresses of peers as texts, for rules. Apart from rules.h since the headers of net and policy both have a struct step. */
#ifndef POLICY_FILTER_IP_H
#define POLICY_FILTER_IP_H

#include "base/arena.h"

struct ip_table;

/* Is the address (a text; nothing, or no address: no) in the table? */
bool filter_ip_in(const struct ip_table *t, struct str text);
/* Its 4 or 16 octets, empty when it is none. */
struct str filter_ip_octets(struct arena *a, struct str text);

#endif
