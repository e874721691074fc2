/*
 * Basic Encoding Rules as LDAP uses them (RFC 4511 5.1): definite lengths, tags of one octet.
 *
 * Pure coding. Writing appends to a buffer (check b->failed once at the end); reading gives views into the input and checks
 * every length.
 */
#ifndef MAIL_BER_H
#define MAIL_BER_H

#include "base/buf.h"
#include "base/err.h"

enum { BER_BOOLEAN = 0x01, BER_INTEGER = 0x02, BER_OCTETS = 0x04, BER_ENUM = 0x0a, BER_SEQUENCE = 0x30, BER_SET = 0x31 };

/* A constructed element: what is added until ber_end(b, begun) is its content. */
size_t ber_begin(struct buf *b, unsigned tag);
void ber_end(struct buf *b, size_t begun);
void ber_put(struct buf *b, unsigned tag, struct str octets);
void ber_put_number(struct buf *b, unsigned tag, uint32_t value); /* INTEGER, ENUMERATED, BOOLEAN (255 = true) */

/* Cuts one element off the front of *in. RC_UNAVAILABLE: it is not whole yet (*in is left alone); RC_SYNTAX: an indefinite
 * length, a long tag, or more than `most` octets of content. */
enum rc ber_take(struct str *in, size_t most, unsigned *tag_out, struct str *content_out);
/* The same when everything is there: false also for another tag. */
bool ber_get(struct str *in, unsigned tag, struct str *content_out);
/* INTEGER or ENUMERATED of 0 .. 2^31 - 1. */
bool ber_get_number(struct str *in, unsigned tag, uint32_t *value_out);

#endif
