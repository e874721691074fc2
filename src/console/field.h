/* Settings as questions: a row of spec/settings asks itself, so a new row needs no dialogue code. */
#ifndef CONSOLE_FIELD_H
#define CONSOLE_FIELD_H

#include "console/ask.h"

/* Asks the row's question with the present value as default and puts the answer into the working copy. `name` is the item's
 * ("" in a section that is no list). */
void field_ask(struct session *s, const struct conf_section *section, struct str name, const struct conf_setting *f);
/* The rows named (separated by spaces), all rows of the section when empty, all but those named after a leading `-`. Rows
 * `x_...` are left out when the BOOL row `x` before them is no. */
void fields_ask(struct session *s, const struct conf_section *section, struct str name, const char *fields);
/* "Question text: value" lines of an item. */
void fields_show(struct session *s, const struct conf_section *section, struct str name);
/* Sets one field in batch form ("field=value"); false when that was said to be wrong. */
bool field_set(struct session *s, const struct conf_section *section, struct str name, struct str assignment);
/* Value as text, secrets masked; in the arena. */
struct str field_text(struct session *s, const struct conf_section *section, struct str name, const char *field);
/* Puts a value into the working copy; the error is said. */
bool field_put(struct session *s, const struct conf_section *section, struct str name, const char *field, struct str value);

#endif
