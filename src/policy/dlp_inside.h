/* Shared by the files of DLP: compiled classifiers, and the matches found in a message. */
#ifndef POLICY_DLP_INSIDE_H
#define POLICY_DLP_INSIDE_H

#include "policy/dictionary.h"
#include "policy/dlp.h"
#include "policy/entity.h"
#include "policy/patterns.h"

enum { DLP_MATCHES_MAX = 20000, DLP_RULES_MAX = 100 };

struct dlp_rule {
    uint64_t weight, max;
    const struct entity *entity;   /* check of its matches, NULL = none */
    struct dictionary *dictionary; /* looked for by itself, NULL = its pattern is among all */
};

struct dlp_classifier {
    const struct conf_dlp_classifier *conf;
    struct dlp_rule *rules;
    size_t n;
};

struct compiled_dlp {
    const struct conf *conf;
    struct dlp_classifier *classifiers;
    size_t n;
    struct patterns *patterns;
    struct dlp_owner {
        uint32_t classifier, rule;
    } * owners; /* of each pattern */
};

struct dlp_match {
    uint32_t classifier, rule, text;
    size_t from, to;
    uint64_t weight; /* of dictionaries: their score; else 1 */
};

struct dlp_found {
    struct dlp_match *items;
    size_t n;
    bool limited;
    struct str *texts;
    const struct mime_part **parts; /* the part of each text */
    size_t n_texts;
};

/* Everything the classifiers look for in the texts of the message. */
void dlp_find(struct compiled_dlp *d, struct message *m, struct dlp_found *out);

#endif
