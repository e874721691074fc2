/* Long answers of the queue, which come in parts: `VERB ARGS at TOKEN` until the reply names no next token. */
#ifndef CONSOLE_PARTS_H
#define CONSOLE_PARTS_H

#include "console/session.h"

/* Shows each part as it comes, a page at a time when someone sits there. */
enum rc parts_show(struct session *s, const char *verb, struct strs args);
/* All of them; on failure what was said. */
enum rc parts_take(struct session *s, const char *verb, struct strs args, struct buf *out);
/* The value of "next" at the front of a reply's object; empty when there is none. */
struct str parts_next(struct str json);

#endif
