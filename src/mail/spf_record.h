/* Inside spf: a v=spf1 record as terms (RFC 7208 4.5, 4.6, 5, 6, 12). Views into the record, arrays from the arena. */
#ifndef MAIL_SPF_RECORD_H
#define MAIL_SPF_RECORD_H

#include "base/err.h"
#include "mail/auth.h"

/* ROW(constant, name, argument, cidr, asks): what follows the name, whether "/n//m" may, whether it asks the DNS. */
#define SPF_MECHANISM_ROWS(ROW) \
    ROW(ALL, "all", NONE, false, false) \
    ROW(INCLUDE, "include", DOMAIN, false, true) \
    ROW(A, "a", DOMAIN_OR_NONE, true, true) \
    ROW(MX, "mx", DOMAIN_OR_NONE, true, true) \
    ROW(PTR, "ptr", DOMAIN_OR_NONE, false, true) \
    ROW(IP4, "ip4", NETWORK4, false, false) \
    ROW(IP6, "ip6", NETWORK6, false, false) \
    ROW(EXISTS, "exists", DOMAIN, false, true)

enum spf_mechanism {
#define SPF_ENUM(constant, name, argument, cidr, asks) SPF_##constant,
    SPF_MECHANISM_ROWS(SPF_ENUM)
#undef SPF_ENUM
        SPF_MECHANISM_COUNT
};

struct spf_term {
    enum spf_mechanism mechanism;
    enum auth_result result; /* of the qualifier: pass, fail, softfail, neutral */
    struct str text;         /* as written, with the qualifier */
    struct str domain;       /* domain-spec before expansion; empty = the current domain */
    unsigned char ip[16];    /* ip4 (first 4 octets), ip6 */
    unsigned bits4, bits6;   /* prefix lengths */
};

struct spf_record {
    const struct spf_term *terms;
    size_t n;
    struct str redirect, explanation; /* domain-specs; .p NULL = no such modifier */
};

/* "v=spf1" alone or with a space behind it (4.5); case ignored. */
bool spf_is_record(struct str txt);
/* Reads the whole record; RC_SYNTAX with what is wrong and where: permerror (4.6). */
enum rc spf_record_parse(struct arena *a, struct str txt, struct spf_record *out, struct err *e);
/* True for mechanisms that count as look-ups (4.6.4). */
bool spf_mechanism_asks(enum spf_mechanism m);

#endif
