/*
 * The host access table of one listener as text: `$POLICY` blocks, then sender groups in order.
 *
 *   $THROTTLED
 *       ACCEPT {
 *           max_messages = 10
 *           banner = "hello"
 *       }
 *   SUSPECTLIST:
 *       192.0.2.0/24, .example.net
 *       $THROTTLED (remark)
 *
 * Keys are settings of mail_flow_policy; those that are left out have their defaults. Written text reads back to the same
 * table. Lines that begin with # are remarks.
 */
#ifndef CONSOLE_HAT_TEXT_H
#define CONSOLE_HAT_TEXT_H

#include "conf/draft.h"

void hat_text_write(const struct conf *c, struct str listener, struct buf *out);
/* Policies of the text are made or replaced, the listener's groups become those of the text; groups it shared with others
 * stay theirs. RC_SYNTAX, RC_INVALID: the error names the line, and d is to be thrown away. */
enum rc hat_text_read(struct conf_draft *d, struct str listener, struct str text, struct err *e);

/* Does the group belong to the listener; to others too? The name that is shown (LISTENER/GROUP shows GROUP). */
bool hat_group_of(const struct conf_sender_group *g, struct str listener);
struct str hat_group_shown(struct str name);
/* The item GROUP or LISTENER/GROUP of this listener; SIZE_MAX when there is none. */
size_t hat_group_find(const struct conf *c, struct str listener, struct str group);
/* A new group of the listener alone. */
enum rc hat_group_new(struct conf_draft *d, struct str listener, struct str group, const struct conf_sender_group **out,
                      struct err *e);
/* The listener has no groups any more. */
enum rc hat_groups_drop(struct conf_draft *d, struct str listener, struct err *e);

#endif
