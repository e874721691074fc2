/*
 * DNS questions and answers as data: what rooms ask `lookup` for, and how lists of both travel on the bus.
 *
 * Pure coding, no I/O. Names are given without trailing dot; A-labels for IDNs. The answer says apart: no such name, no such
 * record, temporary failure, bogus. A role asks through bus/ask.h (dns_ask), tests answer with canned records.
 */
#ifndef MAIL_DNS_H
#define MAIL_DNS_H

#include "base/arena.h"
#include "base/buf.h"
#include "base/err.h"

enum { DNS_A = 1, DNS_PTR = 12, DNS_MX = 15, DNS_TXT = 16, DNS_AAAA = 28, DNS_TLSA = 52 };

enum dns_result {
    DNS_OK,     /* records there */
    DNS_NODATA, /* the name exists, this type does not */
    DNS_NXDOMAIN,
    DNS_TEMPORARY, /* no answer, SERVFAIL, deadline */
    DNS_BOGUS      /* DNSSEC says no: never used as if insecure */
};

struct dns_question {
    uint64_t type;
    struct str name;
};

struct dns_record {
    struct str data;     /* A 4 octets, AAAA 16, TXT joined text, TLSA raw rdata; MX/PTR: the name without trailing dot */
    uint64_t preference; /* MX */
};

struct dns_answer {
    struct dns_question question;
    enum dns_result result;
    bool secure;    /* validated by DNSSEC */
    uint64_t ttl;   /* seconds */
    struct str why; /* text of a failure */
    const struct dns_record *records;
    size_t n;
};

enum { DNS_QUESTIONS_MAX = 256, DNS_RECORDS_MAX = 1024 }; /* in one list; decoding refuses more */

/* "MX", "A", ...; "TYPE99" forms are not made: an unknown type is "?". */
const char *dns_type_name(uint64_t type);
/* Type by name, 0 = unknown. */
uint64_t dns_type_of(struct str name);

void dns_questions_encode(const struct dns_question *q, size_t n, struct buf *out);
enum rc dns_questions_decode(struct arena *a, struct str in, const struct dns_question **out, size_t *n_out);
void dns_answers_encode(const struct dns_answer *answers, size_t n, struct buf *out);
enum rc dns_answers_decode(struct arena *a, struct str in, const struct dns_answer **out, size_t *n_out);

/* "4.3.2.1.in-addr.arpa" / nibble form under ip6.arpa (RFC 3596 2.5); octets is 4 or 16 long. */
struct str dns_reverse_name(struct arena *a, struct str octets);

#endif
