/* Inside dns_message.c: reading names and numbers of a DNS message, and what a record says in presentation form. */
#ifndef MAIL_DNS_RDATA_H
#define MAIL_DNS_RDATA_H

#include "mail/dns_message.h"

struct dns_wire {
    struct str all; /* the whole message: names point into it */
    size_t at;
};

bool dns_wire_u16(struct dns_wire *w, uint16_t *out);
bool dns_wire_u32(struct dns_wire *w, uint32_t *out);
/* A name, perhaps compressed, in presentation form with trailing dot. */
bool dns_wire_name(struct arena *a, struct dns_wire *w, struct str *out);

/* Fills text, target and preference of a record whose data are `n` octets at `at`. Data that are not as their type says are
 * shown in the form for unknown types (RFC 3597 5). text.p NULL: no memory. */
void dns_rdata_render(struct arena *a, struct str all, size_t at, size_t n, struct dns_entry *x);

#endif
