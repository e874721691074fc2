/* Shared by the files of DLP: compiled classifiers and policies, and the matches found in a message. */
#ifndef POLICY_DLP_INSIDE_H
#define POLICY_DLP_INSIDE_H

#include "policy/dictionary.h"
#include "policy/dlp.h"
#include "policy/entity.h"
#include "policy/filter.h"
#include "policy/patterns.h"

enum { DLP_MATCHES_MAX = 20000, DLP_RULES_MAX = 100, DLP_PATTERNS_MAX = PATTERNS_MAX };

enum dlp_kind { DLP_ENTITY, DLP_DICTIONARY, DLP_WORD, DLP_REGEX };

struct dlp_rule {
    enum dlp_kind kind;
    struct str value; /* name, word or expression */
    uint64_t weight, max;
    const struct entity *entity; /* DLP_ENTITY */
};

struct dlp_classifier {
    const struct conf_dlp_classifier *conf;
    struct dlp_rule *rules;
    size_t n, first; /* first: number of its first rule among all */
};

struct dlp_policy {
    const struct conf_dlp_policy *conf;
    struct filter_action *actions[DLP_CRITICAL + 1];
    size_t n_actions[DLP_CRITICAL + 1];
};

/* Whose pattern it is. */
struct dlp_owner {
    uint32_t classifier, rule;
    const struct entity *entity; /* check of its matches, NULL = none */
    uint64_t weight;             /* of a dictionary's term, else 1 */
};

struct compiled_dlp {
    const struct conf *conf;
    struct dlp_classifier *classifiers;
    size_t n, n_rules;
    struct dlp_policy *policies;
    size_t n_policies;
    struct patterns *patterns;
    struct dlp_owner *owners; /* of each pattern */
};

struct dlp_match {
    uint32_t classifier, rule, text;
    bool company; /* a match of another rule of the classifier is within its proximity; always, when it has none */
    size_t from, to;
    uint64_t weight; /* of dictionaries: their term's; else 1 */
};

struct dlp_found {
    struct dlp_match *items; /* by text, classifier, place */
    size_t n;
    bool limited;
    struct str *texts;
    const struct mime_part **parts; /* the part of each text */
    size_t n_texts;
};

/* One line of a classifier; memory of copies is a's. RC_INVALID says what was expected. dlp_compile.c */
enum rc dlp_rule_read(struct arena *a, const struct conf *conf, struct str line, struct dlp_rule *out, struct err *e);
/* The pattern of any rule but of a dictionary. */
struct pattern dlp_rule_pattern(const struct dlp_rule *rule);
/* The lines of actions of a severity. */
struct strs dlp_action_lines(const struct conf_dlp_policy *p, enum dlp_severity severity);
/* Everything the classifiers marked in `wanted` look for in the texts of the message. dlp_find.c */
void dlp_find(struct compiled_dlp *d, struct message *m, const bool *wanted, struct dlp_found *out);

#endif
