/*
 * The header section of a message as raw octets (RFC 5322 2.2): finding fields, unfolding, decoding encoded words for show.
 *
 * Works on views of the received octets and never changes them. Lines end in CRLF; a bare LF is taken as a line end too,
 * since some mail clients do.
 */
#ifndef MAIL_HEADER_H
#define MAIL_HEADER_H

#include "base/arena.h"
#include "base/buf.h"

struct header_field {
    struct str name;  /* without colon and trailing white space */
    struct str value; /* raw: folds included, without the last line end */
    struct str whole; /* the field with its line end(s) */
};

/* Next field off the front of *rest; false at the end of the header section (blank line, end of input, or a line that is no
 * field: *rest then begins with it). */
bool header_next(struct str *rest, struct header_field *out);
/* First field of that name (case ignored) in the octets of a message. */
bool header_find(struct str message, struct str name, struct header_field *out);
/* How many fields of that name the section has; counting stops at `stop_at`. */
size_t header_count(struct str message, struct str name, size_t stop_at);
/* Offset of the body: behind the first empty line; message.n when there is none. */
size_t header_length(struct str message);
/* Value with folds removed and trimmed, at most max octets, copied to the arena. */
struct str header_unfold(struct arena *a, struct str value, size_t max);
/* Can the text stand in a field as it is: printable ASCII? */
bool header_is_plain(struct str text);
/* "=?utf-8?Q?...?=" with CR and LF made harmless: adds text as an RFC 2047 encoded word where it has non-ASCII octets. */
void header_encode_word(struct str text, struct buf *out);
/* RFC 5322 date-time in UTC, "Sun, 22 Nov 2026 02:26:38 +0000". */
struct str header_date(struct arena *a, uint64_t wall_ms);

#endif
