/*
 * What stages decided about a message so far. Stages and actions record here and in the message's patch; they do nothing
 * else. At the end scan makes the verdict from it (scan/verdict.c).
 *
 * Memory is the message's arena. Lists are bounded; beyond a bound the message counts as unscannable (`overflow`).
 */
#ifndef POLICY_OUTCOME_H
#define POLICY_OUTCOME_H

#include "mail/carried.h"
#include "policy/verdict.h"

enum { OUTCOME_LIST_MAX = 1000 };

enum final { FINAL_NONE, FINAL_DELIVER, FINAL_DROP, FINAL_BOUNCE };

/* One quarantine that is to hold the message. */
struct hold {
    struct str quarantine;
    struct str kind;    /* central.md 7.3: policy virus outbreak file-analysis unclassified */
    struct str reason;  /* as in the log: "content filter:NAME", "a/v verdict:VIRAL", "Outbreak rule:ID", "DLP violation" */
    struct str rule;    /* name of the filter or rule */
    uint64_t level;     /* outbreak threat level, 0 = none */
    uint64_t exit_ms;   /* scheduled exit, 0 = by the quarantine's retention */
    struct str matched; /* text that matched, for the view; may be empty */
};

/* What one stage said, for `trace`, the CEF line and the metadata of holds. */
struct step {
    struct str stage;   /* "antispam", "antivirus", "message filters", ... as in central.md 14 */
    struct str verdict; /* "negative", "positive", "suspect", "clean", ... */
    double score;
    bool has_score;
    struct str detail; /* name of a virus, symbols, filter names */
};

struct outcome {
    enum final final;
    struct str final_stage; /* who decided: word for "Dropped by ..." */
    struct str bounce_text; /* "5.7.1 text", for FINAL_BOUNCE */

    struct hold *holds;
    size_t n_holds, cap_holds;
    struct str later;     /* an engine is away: the message is to wait, for this reason; nothing else counts. Empty = no */
    struct str spam_hold; /* "positive 97": for the spam quarantine; empty = no */

    struct verdict_copy *copies;
    size_t n_copies, cap_copies;

    struct strs new_recipients; /* alt-rcpt-to: the message goes to these instead */
    struct str new_recipients_by, new_recipients_filter;
    struct str new_sender; /* masquerading, alt-src: empty = as it came (see has_new_sender) */
    bool has_new_sender;

    struct step *steps;
    size_t n_steps, cap_steps;
    bool overflow;
};

#endif
