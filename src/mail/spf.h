/*
 * SPF (RFC 7208): may this host send mail for that domain?
 *
 * Called by scan for each message, by trace and by filters that ask again. Own code: record parser (spf_record), macros
 * (spf_macro), the evaluation of check_host() with every limit of 4.6.4 (spf). Pure but for the questions it asks through
 * mail/dns_ask.h; whoever gives the callback sets the deadline (20 s at least, 4.6.4): past it the callback fails and the
 * result is temperror. Never fails otherwise: what cannot be evaluated is one of the seven results.
 */
#ifndef MAIL_SPF_H
#define MAIL_SPF_H

#include "mail/auth.h"
#include "mail/dns_ask.h"

enum {
    SPF_LOOKUPS_MAX = 10, /* mechanisms and modifiers that ask the DNS, per check */
    SPF_NAMES_MAX = 10,   /* MX names of one mechanism; PTR names that are looked at */
    SPF_VOIDS_MAX = 2,    /* terms whose questions found nothing */
    SPF_EXPLANATION_MAX = 500
};

struct spf_query {
    struct str ip;       /* 4 or 16 octets; a mapped IPv4 address counts as IPv4 */
    struct str helo;     /* as the client said it */
    struct str sender;   /* reverse path without brackets; empty for <> */
    struct str receiver; /* our host name, macro r of explanations; empty = "unknown" */
    uint64_t now;        /* seconds since 1970, macro t */
};

/* HELO identity (2.3): postmaster@HELO. */
void spf_check_helo(struct arena *a, const struct dns_source *dns, const struct spf_query *q, struct auth_spf *out);
/* MAIL FROM identity (2.4); for <> that is postmaster@HELO too. */
void spf_check_mailfrom(struct arena *a, const struct dns_source *dns, const struct spf_query *q, struct auth_spf *out);
/* Any other address as identity (the purported responsible address of older practice, a filter's own). */
void spf_check_address(struct arena *a, const struct dns_source *dns, const struct spf_query *q, struct str address,
                       struct auth_spf *out);

#endif
