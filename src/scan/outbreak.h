/* How threatening a message looks: rules of known outbreaks, and adaptive ones. Pure but for the message's arena. */
#ifndef SCAN_OUTBREAK_H
#define SCAN_OUTBREAK_H

#include "policy/message.h"

struct outbreak_threat {
    uint64_t level;            /* 0 = none, 1 to 5 */
    bool viral;                /* held for the time of viral threats */
    struct str rule;           /* id: the rule's name, or "ADAPTIVE_..." */
    struct str category, type; /* words of the log: "Viral", "Phish" ... */
    struct str matched;        /* attachment, URL or subject it was seen in */
};

/* The highest level of the rules that fit (section outbreak_rule). */
struct outbreak_threat outbreak_rules(struct message *m);
/* By the look of attachments and URLs. */
struct outbreak_threat outbreak_adaptive(struct message *m);
/* The highest level that fits, adaptive looks too when those are on. */
struct outbreak_threat outbreak_highest(struct message *m);
/* How long the message's policy holds such a threat. */
uint64_t outbreak_keep_ms(const struct message *m, const struct outbreak_threat *t);
/* The part of a file name behind its last dot, at most 10 octets; empty = none. */
struct str outbreak_ending(struct str name);
/* Host of a URL without user and port. */
struct str outbreak_host(struct str url);
/* Is this attachment passed over by the policy (outbreak_bypass_types)? */
bool outbreak_bypassed(const struct message *m, const struct mime_part *p);

#endif
