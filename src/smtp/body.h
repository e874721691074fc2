/*
 * The octets of a message as a peer sends them, made into what the spool keeps (RFC 5321 4.1.1.4, 4.5.2; RFC 3030).
 *
 * One pass: finds the end (CRLF "." CRLF and nothing else), takes the stuffed dots off, makes CRLF of bare CR and bare LF,
 * removes NUL, notes 8-bit octets, long lines and lines that begin with a dot. What goes on are views of the input wherever
 * nothing had to change, so clean mail is copied only by the sink.
 */
#ifndef SMTP_BODY_H
#define SMTP_BODY_H

#include "base/err.h"

enum smtp_body_mode {
    SMTP_BODY_DOTS,  /* DATA: dot-stuffed, ends with a lone dot */
    SMTP_BODY_CHUNK, /* BDAT: no dots, the caller knows the end */
    SMTP_BODY_RAW    /* BDAT with BINARYMIME: nothing is changed, bare line ends are only noted */
};

/* What was found: the same bits as BODY_... in spool/spool.h, a room of this rank (receive checks that they agree). */
enum {
    SMTP_BODY_HAS_DOT = 1, /* a line of what was kept begins with a dot */
    SMTP_BODY_HAS_8BIT = 2,
    SMTP_BODY_HAS_BARE = 4,  /* bare CR, LF or NUL came; kept in RAW mode only */
    SMTP_BODY_LONG_LINE = 8, /* over 998 octets */
    SMTP_BODY_HAS_8BIT_HEADER = 16
};

struct smtp_body {
    uint64_t flags; /* SMTP_BODY_HAS_... */
    uint64_t bytes; /* given to the sink */
    uint64_t line;  /* octets of the present line */
    uint8_t mode, state;
    bool in_body; /* the empty line behind the header section has passed */
    bool ended;   /* the lone dot came */
};

typedef void smtp_body_sink(void *ctx, struct str octets);

void smtp_body_begin(struct smtp_body *b, enum smtp_body_mode mode);
/* Takes octets up to the end of the message; returns how many (all, unless b->ended). */
size_t smtp_body_feed(struct smtp_body *b, struct str in, smtp_body_sink *sink, void *ctx);
/* End of a message that came by BDAT: a CR that waits for its LF is settled, a last line without CRLF gets one (not RAW). */
void smtp_body_finish(struct smtp_body *b, smtp_body_sink *sink, void *ctx);

#endif
