/*
 * What SPF, DKIM, DMARC and ARC say about one message: the one struct that the evaluators fill and that the header writer,
 * the log lines, the reports, the filters and trace read.
 *
 * Pure data: every text is a view into the message or lies in the arena of whoever evaluated. Words of RFC 8601 2.7.
 */
#ifndef MAIL_AUTH_H
#define MAIL_AUTH_H

#include "base/arena.h"

/* ROW(constant, word in Authentication-Results, word in the logs). Not every method uses every word. */
#define AUTH_RESULT_ROWS(ROW) \
    ROW(NONE, "none", "None") \
    ROW(NEUTRAL, "neutral", "Neutral") \
    ROW(PASS, "pass", "Pass") \
    ROW(FAIL, "fail", "Fail") \
    ROW(SOFTFAIL, "softfail", "SoftFail") \
    ROW(TEMPERROR, "temperror", "TempError") \
    ROW(PERMERROR, "permerror", "PermError") \
    ROW(POLICY, "policy", "Policy")

enum auth_result {
#define AUTH_RESULT_ENUM(constant, word, log) AUTH_##constant,
    AUTH_RESULT_ROWS(AUTH_RESULT_ENUM)
#undef AUTH_RESULT_ENUM
        AUTH_RESULT_COUNT
};

const char *auth_result_word(enum auth_result result); /* "softfail" */
const char *auth_result_log(enum auth_result result);  /* "SoftFail" */
/* False when `word` is no result word (case ignored). */
bool auth_result_of(struct str word, enum auth_result *out);

/* One identity of SPF (RFC 7208 2.3, 2.4). */
struct auth_spf {
    bool checked; /* false: this identity was not looked at, the rest means nothing */
    enum auth_result result;
    struct str identity;    /* the address judged: MAIL FROM, or postmaster@HELO */
    struct str domain;      /* the domain of it; for DMARC alignment */
    struct str explanation; /* of the domain's owner, on fail: text of a stranger, ASCII */
    struct str problem;     /* why permerror or temperror, in our words */
    struct str mechanism;   /* what matched, as written ("include:example.net"); empty = default */
    bool has_record;        /* a v=spf1 record was found */
};

/* One DKIM-Signature (RFC 6376), in the order of the message, topmost first. */
struct auth_dkim {
    enum auth_result result;
    struct str domain;    /* d= */
    struct str selector;  /* s= */
    struct str identity;  /* i=, "@d" when the tag is absent */
    struct str algorithm; /* a= */
    struct str b;         /* the first 8 octets of b= (RFC 6008), without white space */
    struct str reason;    /* "signature verified", "body hash did not verify", ... */
    uint64_t key_bits;    /* 0 = no key seen */
    bool testing;         /* t=y in the key record */
    bool partial;         /* l= leaves octets of the body unsigned */
};

enum dmarc_policy { DMARC_NONE, DMARC_QUARANTINE, DMARC_REJECT, DMARC_POLICY_COUNT };

struct dmarc_record;

/* DMARC (RFC 7489, RFC 9989) of the author domain. */
struct auth_dmarc {
    bool checked;
    enum auth_result result;       /* none: no record, or no single author domain */
    struct str from_domain;        /* domain of the From field, A-labels, lower case */
    struct str record_domain;      /* where the record was found */
    struct str org_domain;         /* organizational domain of from_domain */
    enum dmarc_policy policy;      /* what the owner asks for this domain (p, sp or np) */
    enum dmarc_policy disposition; /* what remains after pct, t= and overrides; NONE on pass */
    struct str override;           /* reason type of the aggregate report when disposition differs, else empty */
    bool spf_aligned, dkim_aligned;
    struct str problem;                /* of none, temperror, permerror */
    const struct dmarc_record *record; /* mail/dmarc.h; NULL = none found */
};

/* The chain of ARC sets (RFC 8617). */
struct auth_arc {
    enum auth_result result;  /* none, pass, fail (temperror: an answer was missing) */
    uint64_t instances;       /* number of sets */
    struct str sealer;        /* d= of the newest seal */
    struct str selector;      /* s= of it */
    struct str oldest_pass;   /* oldest-pass of RFC 8617 4.1.2 as digits, or empty */
    struct str results;       /* value of the ARC-Authentication-Results of the newest set */
    struct str first_results; /* the same of set 1: what the first sealer saw */
    bool trusted;             /* every sealer of the chain is on the list of trusted sealers */
    struct str reason;
};

struct auth_results {
    struct auth_spf spf_helo, spf_mailfrom;
    struct auth_spf spf_pra;  /* purported responsible address, where the mail flow policy wants it */
    struct str spf_pra_field; /* the field it came from */
    const struct auth_dkim *dkim;
    size_t n_dkim;
    bool dkim_checked;
    struct auth_dmarc dmarc;
    bool dmarc_bypassed; /* by the settings: not checked */
    struct auth_arc arc;
    bool arc_checked;
};

const char *dmarc_policy_word(enum dmarc_policy policy); /* "none", "quarantine", "reject" */
bool dmarc_policy_of(struct str word, enum dmarc_policy *out);

#endif
