/*
 * Many patterns over one text in one pass: words of dictionaries, expressions of DLP classifiers, expressions of many
 * filters.
 *
 * Made once for a snapshot, used by one worker (one scan at a time). Literals and expressions go to libhs; what libhs cannot
 * do is looked for with PCRE2, under a match limit, only where libhs says it may be. Texts are octets, usually UTF-8;
 * letters without case mean ASCII letters.
 */
#ifndef POLICY_PATTERNS_H
#define POLICY_PATTERNS_H

#include "base/arena.h"
#include "base/err.h"

enum { PATTERNS_MAX = 200000, PATTERN_MAX = 4096, PATTERN_MATCH_LIMIT = 100000 };

struct pattern {
    struct str text;
    bool literal; /* every octet stands for itself */
    bool match_case;
    bool whole_word; /* no letter, digit or octet above 127 right before or behind it */
    bool want_from;  /* where a match begins is asked for; else `from` of an expression is its end */
};

struct patterns;

/* RC_INVALID: an expression that nobody can compile, with its number in *bad_out and the reason in *e. Everything is given
 * back with the arena. */
enum rc patterns_new(struct arena *a, const struct pattern *items, size_t n, struct patterns **out, size_t *bad_out,
                     struct err *e);
/* Can it be compiled? Cheap; patterns_new takes what this takes. RC_INVALID with the reason. */
enum rc pattern_check(struct arena *a, const struct pattern *p, struct err *e);
/* One match: octets [from, to). Of an expression every end may be told. False ends the scan. */
typedef bool patterns_fn(void *ctx, size_t pattern, size_t from, size_t to);
/* RC_OK also when fn ended it; RC_LIMIT: a match limit was reached somewhere: the rest was looked at. */
enum rc patterns_scan(struct patterns *p, struct str text, patterns_fn *fn, void *ctx);
/* Has the text none of the characters that mean something in an expression? */
bool pattern_is_literal(struct str text);

#endif
