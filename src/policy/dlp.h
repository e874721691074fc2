/*
 * Data loss prevention: classifiers over the texts of a message, risk and severity, actions (central.md 16).
 *
 * Compiled with the snapshot: the patterns of all classifiers are looked for in one pass over each text.
 */
#ifndef POLICY_DLP_H
#define POLICY_DLP_H

#include "policy/message.h"

enum dlp_severity { DLP_NONE, DLP_LOW, DLP_MEDIUM, DLP_HIGH, DLP_CRITICAL };

struct compiled_dlp;
struct compiled_words;
struct filter_action;

/* What one policy says of a message. */
struct dlp_hit {
    const struct conf_dlp_policy *policy;
    struct str classifier; /* the one with the highest risk */
    uint64_t count;        /* matches of it */
    uint64_t risk;         /* 0-100 */
    enum dlp_severity severity;
    struct str matched; /* the first match, for the privileged view; cut */
    bool limited;       /* a limit ended the search: more may be there */
};

struct dlp_result {
    const struct dlp_hit *hits; /* one for each policy that is violated, in the order of their section */
    size_t n;
    bool triggered; /* something was found for one of the policies, though too little for LOW */
    bool limited;   /* a limit ended the search: more may be there */
};

/* "LOW" ... */
const char *dlp_severity_name(enum dlp_severity s);
/* RC_INVALID names classifier and rule, or policy and action; the others are there. */
enum rc dlp_compile(struct arena *a, const struct conf *conf, struct compiled_words *words, struct compiled_dlp **out,
                    struct err *e);
/* Looks for what the policies named want to know; policies whose senders, recipients and tags do not fit the message have no
 * say. The hits are the message's arena's. */
struct dlp_result dlp_scan(struct compiled_dlp *d, struct message *m, struct strs policies);
/* The actions of a policy at a severity. */
const struct filter_action *dlp_actions(const struct compiled_dlp *d, const struct dlp_hit *hit, size_t *n_out);

#endif
