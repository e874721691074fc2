/*
 * A pattern that picks lines: regular expressions in the syntax operators know from Python (PCRE2), plain texts by a faster
 * way. Never sees more than a line at a time in effect: no match reaches over a line end.
 */
#ifndef CONSOLE_LOG_MATCH_H
#define CONSOLE_LOG_MATCH_H

#include "base/err.h"

struct log_match;

/* RC_SYNTAX: the pattern does not compile, the error says why and where. */
enum rc log_match_new(struct str pattern, bool ignore_case, struct log_match **out, struct err *e);
void log_match_free(struct log_match *m);
/* Whether the line has a match. A line that costs more than the limits allow has none and is counted. */
bool log_match_line(struct log_match *m, struct str line);
/* Where the first line with a match begins, in a block of whole lines; block.n when there is none. */
size_t log_match_find(struct log_match *m, struct str block);
/* Lines that were given up. */
uint64_t log_match_given_up(const struct log_match *m);

#endif
