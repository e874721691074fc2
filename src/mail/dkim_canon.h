/*
 * Canonical forms of headers and bodies (RFC 6376 3.4): what is hashed in place of the octets that travelled.
 *
 * Line ends are CRLF in the result; a bare LF of the input is taken as one (a message may have passed a system that keeps
 * lines so), a bare CR is an ordinary octet. The body form works on a stream of any pieces in constant memory.
 */
#ifndef MAIL_DKIM_CANON_H
#define MAIL_DKIM_CANON_H

#include "base/buf.h"

enum dkim_canon { DKIM_SIMPLE, DKIM_RELAXED, DKIM_CANONS };

/* One header field (`whole`: name to line end) in its form, CRLF at the end. */
void dkim_canon_field(enum dkim_canon canon, struct str whole, struct buf *out);
/* The same of the field that holds the signature itself: the value of its b= (`b`: a view of it inside `whole`) is left
 * out, and the last CRLF too. */
void dkim_canon_signature(enum dkim_canon canon, struct str whole, struct str b, struct buf *out);

/* Takes canonical octets of the body, in order. */
typedef void dkim_canon_sink(void *ctx, struct str octets);

enum { DKIM_CANON_OUT = 4096 };

struct dkim_canon_body {
    enum dkim_canon canon;
    dkim_canon_sink *sink;
    void *ctx;
    uint64_t bytes;         /* given to the sink, with those still in `out` */
    uint64_t empty;         /* empty lines not yet given: they count only when something follows */
    bool cr, space, inside; /* a CR, white space not yet given; octets of the present line were given */
    size_t n;
    char out[DKIM_CANON_OUT];
};

void dkim_canon_begin(struct dkim_canon_body *b, enum dkim_canon canon, dkim_canon_sink *sink, void *ctx);
void dkim_canon_add(struct dkim_canon_body *b, struct str octets);
/* The rest goes to the sink; b->bytes is the length of the canonical body (what l= counts in). */
void dkim_canon_end(struct dkim_canon_body *b);

#endif
