/*
 * One value in exchange form: text to typed field and back.
 *
 * Numbers with unit ms or s accept ms s m h d, with unit bytes K M G T (powers of 1024); without suffix they are in the
 * unit. Written form: the largest suffix without remainder. Lists are separated by commas; a backslash before a comma or a
 * backslash takes it literally.
 */
#ifndef CONF_VALUE_H
#define CONF_VALUE_H

#include "conf/table.h"

/* Longest TEXT of a row that says 0..0, and most lines of a list. */
enum { CONF_TEXT_MAX = 65536, CONF_LINES_MAX = 100000 };

/* Parses `text` into the field of `item`. The error names the reason alone; the caller adds the path. Text is copied into a.
 */
enum rc conf_value_set(struct arena *a, void *item, const struct conf_setting *f, struct str text, struct err *e);
/* Adds one line to a TEXTS field, taken as it is (no commas split). */
enum rc conf_value_add_line(struct arena *a, void *item, const struct conf_setting *f, struct str line, struct err *e);
/* Is what the field holds within the row's range? For values that came by a snapshot or a file. */
enum rc conf_value_check(const void *item, const struct conf_setting *f, struct err *e);
/* Appends the exchange form; a SECRET that is set prints as ******** unless `secrets`. */
void conf_value_format(const void *item, const struct conf_setting *f, bool secrets, struct buf *out);
/* The n-th choice of an ENUM's unit text; false beyond the last. */
bool conf_choice(const struct conf_setting *f, uint64_t n, struct str *out);
bool conf_value_equal(const void *a, const void *b, const struct conf_setting *f);

#endif
