/* Tests of this room: a DNS of canned records behind mail/dns_ask.h, one line each: "name TYPE value", "name MX 10 host",
 * "name TEMPORARY", "name EXISTS". Every question is counted. */
#ifndef MAIL_DNS_CANNED_H
#define MAIL_DNS_CANNED_H

#include "mail/dns_ask.h"

struct dns_canned {
    const char *lines; /* separated by \n */
    size_t asked;
    bool away; /* nobody can be asked */
};

struct dns_source dns_canned(struct dns_canned *c);

#endif
