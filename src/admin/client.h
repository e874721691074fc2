/* The other end of the control socket: blocking, for `postern cli` and its like. */
#ifndef ADMIN_CLIENT_H
#define ADMIN_CLIENT_H

#include "base/arena.h"
#include "base/buf.h"
#include "base/err.h"

/* Connects to HOME/run/control.sock. RC_UNAVAILABLE when nobody answers there. */
enum rc client_open(const char *home, int *fd_out, struct err *e);
/* One command on its way; and the reply to it. client_ask() is both. */
enum rc client_send(int fd, struct str user, const struct str *words, size_t n, struct err *e);
enum rc client_reply(int fd, enum rc *rc_out, struct buf *text, struct buf *json, struct err *e);
/* One command; *rc_out and the reply's texts (added to text, json). Fails when the connection does. */
enum rc client_ask(int fd, struct str user, const struct str *words, size_t n, enum rc *rc_out, struct buf *text,
                   struct buf *json, struct err *e);

/* Cuts the next command off a line: words up to `;`. Double quotes group, backslash escapes `"` and `\`. False at the end of
 * the line; RC_SYNTAX through e for an open quote. Words live in a. */
bool words_take(struct arena *a, struct str *line, struct strs *words_out, struct err *e);

#endif
