/*
 * All aliases as text, for files that operators import and export, in the form of an aliases file:
 *
 *   # comment: the sales team
 *   # listeners: InboundMail
 *   sales@example.org: ann@example.org, bob@example.net
 *   old@example.org: /dev/null
 *
 * Each alias is `name: target, target`; a line that begins with a space goes on with the targets. `# comment:` and
 * `# listeners:` belong to the alias that follows; other lines that begin with # are remarks. Written text reads back to the
 * same aliases.
 */
#ifndef CONSOLE_ALIAS_TEXT_H
#define CONSOLE_ALIAS_TEXT_H

#include "conf/draft.h"

void alias_text_write(const struct conf *c, struct buf *out);
/* The aliases become those of the text. The error names the line, and d is to be thrown away. */
enum rc alias_text_read(struct conf_draft *d, struct str text, struct err *e);

#endif
