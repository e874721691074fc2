/*
 * How pure codecs that need the DNS ask for it: a callback that waits for the answers. Rooms that judge mail (scan) give one
 * that asks lookup over the bus, tests give canned records.
 */
#ifndef MAIL_DNS_ASK_H
#define MAIL_DNS_ASK_H

#include "mail/dns.h"

struct dns_source {
    /* Asks n questions at once and waits; *out has n answers in the order of the questions, from the arena. RC_UNAVAILABLE
     * or RC_TIMEOUT: nobody could be asked (all temporary). */
    enum rc (*ask)(void *ctx, struct arena *a, const struct dns_question *questions, size_t n,
                   const struct dns_answer **out);
    void *ctx;
};

#endif
