/*
 * DNS messages as they go over the wire (RFC 1035 4), for tools that ask a name server themselves and show what it said.
 * Roles never use this: they ask lookup (mail/dns.h).
 *
 * Pure coding. What parses lies in the caller's arena; names are in presentation form (RFC 1035 5.1) with the trailing dot.
 */
#ifndef MAIL_DNS_MESSAGE_H
#define MAIL_DNS_MESSAGE_H

#include "base/arena.h"
#include "base/buf.h"
#include "base/err.h"

enum { DNS_PORT = 53, DNS_UDP_SIZE = 1232, DNS_MESSAGE_MAX = 65535, DNS_MESSAGE_RECORDS = 4096 };

enum dns_section { DNS_ANSWER, DNS_AUTHORITY, DNS_ADDITIONAL, DNS_SECTIONS };

struct dns_entry {
    struct str owner;
    uint16_t type, class;
    uint32_t ttl;
    struct str data;     /* as on the wire; names in it may be compressed */
    struct str text;     /* in presentation form */
    struct str target;   /* MX, CNAME, NS, PTR, SRV: the name */
    uint16_t preference; /* MX */
};

struct dns_message {
    uint16_t id;
    bool reply, authoritative, truncated, wants_recursion, recursion, authentic, unchecked;
    unsigned opcode, rcode; /* rcode with its extension from EDNS */
    bool edns;
    uint16_t edns_size;
    struct str question; /* empty = none came back */
    uint16_t question_type, question_class;
    struct {
        struct dns_entry *entries; /* without the OPT record */
        size_t n;
    } section[DNS_SECTIONS];
};

/* A question with EDNS (RFC 6891). RC_INVALID: no name that DNS can carry. `name` with or without trailing dot; "\DDD" and
 * "\X" are taken. */
enum rc dns_message_ask(struct buf *out, uint16_t id, struct str name, uint16_t type, struct err *e);
/* RC_CORRUPT: cut, a name that loops, a count that does not fit. */
enum rc dns_message_parse(struct arena *a, struct str in, struct dns_message *out, struct err *e);

/* "MX", "TYPE4711"; 0 = unknown. "ANY" is 255. */
struct str dns_message_type(struct arena *a, uint16_t type);
uint16_t dns_message_type_of(struct str name);
/* "NOERROR", "NXDOMAIN", ...; "RCODE" for others. */
const char *dns_message_rcode(unsigned rcode);
/* First answer of the type, following CNAMEs is the server's work; NULL = none. *from walks on. */
const struct dns_entry *dns_message_next(const struct dns_message *m, uint16_t type, size_t *from);

#endif
