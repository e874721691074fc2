/*
 * What is refused before a commit, of all that judging compiles: called by control (admin/checks.c). Nothing is kept.
 */
#ifndef POLICY_CHECK_H
#define POLICY_CHECK_H

#include "conf/conf.h"

/* Mail policies: addresses that are none, filters of the other direction. mail_policy.c */
enum rc policies_check(const struct conf *c, struct err *e);
/* Content filters: conditions and actions that cannot be read (entry, line, column, what was expected), names in them that
 * lead nowhere. content.c */
enum rc contents_check(const struct conf *c, struct err *e);

/* Dictionaries: terms that are empty or cannot be compiled, weights beyond their range. dictionary.c */
enum rc dictionaries_check(const struct conf *c, struct err *e);
/* DLP: rules and actions that cannot be read, names that lead nowhere, thresholds out of order. dlp_check.c */
enum rc dlp_check(const struct conf *c, struct err *e);

#endif
