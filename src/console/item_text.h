/*
 * Items of a section as text, for files that operators import and export: `[name]` lines, below each `setting = value` lines
 * in exchange form. Secrets are left out. Lines that begin with # are remarks.
 */
#ifndef CONSOLE_ITEM_TEXT_H
#define CONSOLE_ITEM_TEXT_H

#include "conf/draft.h"

void item_text_write(const struct conf *c, const struct conf_section *s, struct buf *out);
/* The section's items become those of the text; settings that are left out have their defaults, an item that always exists
 * is kept. The error names the line, and d is to be thrown away. */
enum rc item_text_read(struct conf_draft *d, const struct conf_section *s, struct str text, struct err *e);

#endif
