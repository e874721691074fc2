/*
 * What a line of a mail log is about: the texts of logs.md 3 to 8 read back, for showing only.
 */
#ifndef CONSOLE_LOG_LINE_H
#define CONSOLE_LOG_LINE_H

#include "base/str.h"

struct log_line {
    struct str whole, date, text; /* date: 24 octets, ctime form; text: behind the level */
};
/* False for lines that are not framed as logs.md 3 says. */
bool log_line_read(struct str line, struct log_line *out);

/* Cuts `prefix` and the number behind it off the front. */
bool log_number(struct str *text, struct str prefix, uint64_t *out);
/* The message a text belongs to: the number behind its first `MID `, unless a peer's words may stand before it. */
bool log_line_mid(struct str text, uint64_t *mid_out);
/* `MID a was split creating MID b`, `MID a rewritten to MID b`, `MID b was generated ... MID a`: old a, new b. */
bool log_line_relation(struct str text, uint64_t *old_out, uint64_t *new_out);

#endif
