/* The other end of a session: a terminal in raw mode with an editor of lines, or a pipe. Only console/ includes this. */
#ifndef CONSOLE_TERMINAL_H
#define CONSOLE_TERMINAL_H

#include "console/session.h"

/* Takes the terminal over (no echo, keys at once) and gives it back; does nothing without one. */
void terminal_begin(struct session *s);
void terminal_end(struct session *s);
/* Size of the window as it is now. */
void terminal_size(struct session *s);
/* One key of the pager. */
char terminal_key(struct session *s);
/* Reads what comes into s->ahead, waiting at most ms (-1 = the idle time). Ctrl-C, the end of a terminal and idleness leave.
 * True when the descriptor `also` (-1 = none) can be read. */
bool terminal_fill(struct session *s, int ms, int also);
/* The editor: a line with cursor keys, history and completion (console/editor.c). */
bool terminal_edit(struct session *s, struct arena *a, struct str prompt, bool secret, struct str *out);
/* Completes `word` as the first of a line: adds the rest to out; false when it is not unique. */
bool terminal_complete(const struct session *s, struct str word, struct buf *out);

#endif
