/*
 * The protocol on HOME/run/control.sock. Each side sends frames: u32 length (little endian), then so many octets.
 * request = user (str), then the words of one command (str each); an empty user is the local console
 * reply   = rc (varint), text (str), json (str)
 * One request at a time; a connection may carry many.
 */
#ifndef ADMIN_WIRE_H
#define ADMIN_WIRE_H

#include "base/arena.h"
#include "base/buf.h"
#include "base/err.h"

enum { WIRE_MAX = 66 << 20, WIRE_WORDS_MAX = 10000 };

/* The first frame of *in: true and *body_out when it is whole. *too_large_out when its length is above the limit. */
bool wire_take(struct str in, struct str *body_out, bool *too_large_out);
void wire_put_request(struct buf *out, struct str user, const struct str *words, size_t n);
void wire_put_reply(struct buf *out, enum rc rc, struct str text, struct str json);
/* Words are views into body, their array is in a. RC_SYNTAX for anything but a request of at least one word. */
enum rc wire_parse_request(struct arena *a, struct str body, struct str *user_out, struct strs *words_out, struct err *e);
enum rc wire_parse_reply(struct str body, enum rc *rc_out, struct str *text_out, struct str *json_out);

#endif
