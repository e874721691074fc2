/*
 * Regular expressions of filters, dictionaries and DLP (PCRE2): compiled once with the filter, bounded whenever they are
 * used.
 *
 * Letters match in either case unless the expression says (?-i). Text is UTF-8; octets that are no UTF-8 match nothing. A
 * search ends at a number of backtracks or after some time of the processor: it then has no answer, which callers treat as
 * no match, log and alert.
 */
#ifndef POLICY_FILTER_REGEX_H
#define POLICY_FILTER_REGEX_H

#include "base/arena.h"
#include "base/err.h"

struct filter_regex;

enum filter_found { FILTER_NOT_FOUND, FILTER_FOUND, FILTER_GAVE_UP };

enum { FILTER_REGEX_MOST = 8192, FILTER_REGEX_MS = 250 };

/* Freed with the arena. RC_SYNTAX: why, and *offset_out where in the pattern. `octets`: text is octets, not UTF-8. */
enum rc filter_regex_new(struct arena *a, struct str pattern, bool octets, const struct filter_regex **out,
                         size_t *offset_out, struct err *e);
struct str filter_regex_source(const struct filter_regex *r);
/* First match at or behind `from`; *start, *end (may be NULL) its place. *left_ms (may be NULL) is time that several
 * searches share: what this one took is taken off. Not for two threads at once. */
enum filter_found filter_regex_find(const struct filter_regex *r, struct str text, size_t from, size_t *start, size_t *end,
                                    uint64_t *left_ms);
/* The text with each match replaced; "\1" or "$1" in `by` are groups. *changed_out = how many. The text itself when nothing
 * matched or room ran out. */
struct str filter_regex_replace(const struct filter_regex *r, struct arena *a, struct str text, struct str by,
                                size_t *changed_out);

#endif
