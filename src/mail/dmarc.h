/*
 * DMARC (RFC 7489, and RFC 9989 where the setting says so): what the owner of the author domain asks for, and whether the
 * message is aligned with what SPF and DKIM proved.
 *
 * Called by scan after SPF and DKIM, by trace. Pure but for the questions it asks through mail/dns_ask.h. Never fails: what
 * cannot be evaluated is none, temperror or permerror with a reason.
 */
#ifndef MAIL_DMARC_H
#define MAIL_DMARC_H

#include "mail/auth.h"
#include "mail/dns_ask.h"
#include "mail/orgdomain.h"

enum { DMARC_URIS_MAX = 10, DMARC_AUTHORS_MAX = 10 };

enum dmarc_psd { DMARC_PSD_UNKNOWN, DMARC_PSD_YES, DMARC_PSD_NO };

/* One place for aggregate reports: "mailto:a@b!10m". */
struct dmarc_uri {
    struct str address;
    uint64_t max_bytes; /* 0 = no limit given */
};

/* A record as published (RFC 7489 6.3, RFC 9989 4.7); what is missing or broken has its default. */
struct dmarc_record {
    struct str text;
    bool has_policy; /* a valid p= was there; else p is none because there is an rua= (6.6.3) */
    enum dmarc_policy p, sp, np;
    bool has_sp, has_np;
    bool strict_dkim, strict_spf;
    unsigned percent; /* pct=, 0 to 100 */
    bool testing;     /* t=y */
    enum dmarc_psd psd;
    struct str fo; /* empty = "0" */
    struct dmarc_uri rua[DMARC_URIS_MAX];
    size_t n_rua;
};

/* "_dmarc.NAME"; when that is too long for the DNS a name that never exists (RFC 6761 6.4). */
struct str dmarc_name(struct arena *a, struct str domain);
/* NULL: no DMARC record (no v=DMARC1 in front), or none that can be used: no p= and nowhere to report to. */
const struct dmarc_record *dmarc_record_parse(struct arena *a, struct str txt);
/* The record of an answer; NULL when there is none, or more than one. */
const struct dmarc_record *dmarc_record_select(struct arena *a, const struct dns_answer *d);

/*
 * Author domains: the domains of all addresses in all From fields of a header section, A-labels, each once. An address that
 * two clients could read differently gives every domain that one of them might show. *n_out 0: no From, or nothing usable in
 * it. False: more than DMARC_AUTHORS_MAX.
 */
bool dmarc_author_domains(struct arena *a, struct str headers, struct str out[DMARC_AUTHORS_MAX], size_t *n_out);

/* How organizational domains and policies are found: the one switch between the two RFCs. */
enum dmarc_method {
    DMARC_BY_LIST, /* RFC 7489: public suffix list; pct= counts */
    DMARC_BY_WALK  /* RFC 9989: tree walk; t= instead of pct= */
};

struct dmarc_query {
    struct str headers;              /* header section of the message */
    const struct auth_spf *mailfrom; /* NULL or not checked: no SPF */
    const struct auth_dkim *dkim;
    size_t n_dkim;
    enum dmarc_method method;
    const struct suffixes *suffixes; /* by list */
    unsigned sample;                 /* 0 to 99, even: below pct= the policy is applied */
};

/* With several author domains each is judged, and the worst outcome counts (RFC 7489 6.6.1). */
void dmarc_check(struct arena *a, const struct dns_source *dns, const struct dmarc_query *q, struct auth_dmarc *out);

#endif
