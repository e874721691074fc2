/*
 * Data loss prevention: classifiers over the texts of a message, risk and severity (central.md 16).
 *
 * Compiled with the snapshot: the patterns of all classifiers are looked for in one pass over each text.
 */
#ifndef POLICY_DLP_H
#define POLICY_DLP_H

#include "policy/message.h"

enum dlp_severity { DLP_NONE, DLP_LOW, DLP_MEDIUM, DLP_HIGH, DLP_CRITICAL };

struct compiled_dlp;
struct compiled_words; /* policy/dictionary.h */

/* What one policy says of a message. */
struct dlp_hit {
    const struct conf_dlp_policy *policy;
    struct str classifier; /* the one with the highest risk */
    uint64_t count;        /* matches of it */
    uint64_t risk;         /* 0-100 */
    enum dlp_severity severity;
    struct str matched; /* the first match, for the privileged view */
    bool limited;       /* a limit ended the search: more may be there */
};

/* "LOW" ... */
const char *dlp_severity_name(enum dlp_severity s);
/* RC_INVALID names classifier and rule; the others are there. */
enum rc dlp_compile(struct arena *a, const struct conf *conf, struct compiled_words *words, struct compiled_dlp **out,
                    struct err *e);
/* The policies named, in the order of their section: one hit each for those whose filters fit and whose risk reaches LOW.
 * Array from the message's arena. */
size_t dlp_scan(struct compiled_dlp *d, struct message *m, struct strs policies, const struct dlp_hit **out);

#endif
