/*
 * A message with 8-bit octets made into one of 7-bit octets, for a next hop without 8BITMIME (RFC 6152 3).
 *
 * Leaf parts with 8-bit octets get another transfer encoding (RFC 2045 6): text quoted-printable, everything else and text
 * with long lines base64. All other octets stay as they are. Only a MIME structure that every reader takes in the same way
 * is touched: what is signed, encrypted, a message inside a message, mislabelled or not quite MIME is refused.
 */
#ifndef MAIL_DOWNGRADE_H
#define MAIL_DOWNGRADE_H

#include "base/buf.h"
#include "base/err.h"

/* Longest message that is worth converting. The result of such a one is at most DOWNGRADE_OUT_MAX octets. */
enum { DOWNGRADE_MAX = 10 << 20, DOWNGRADE_OUT_MAX = 34 << 20 };

/* Appends the 7-bit form of `message` (CRLF line ends, no dot-stuffing) to out. No line of the result begins with a dot that
 * did not before. RC_NOT_FOUND: there is no form that is clear; RC_NO_MEMORY: out is full. Out is of no use then. */
enum rc downgrade_message(struct str message, struct buf *out);

#endif
