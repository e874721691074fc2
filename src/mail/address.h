/*
 * Mail addresses in SMTP commands: paths, parameters, domains (RFC 5321 4.1.2, RFC 6531 3.3, RFC 3461 4).
 *
 * Pure reading of views; results point into the input or into the arena. Nothing here looks anything up.
 */
#ifndef MAIL_ADDRESS_H
#define MAIL_ADDRESS_H

#include "base/arena.h"
#include "base/buf.h"
#include "base/err.h"

enum { ADDRESS_LOCAL_MAX = 64, ADDRESS_DOMAIN_MAX = 255, ADDRESS_MAX = 320 };

struct path {
    struct str address; /* local@domain without brackets and source route; empty for <> */
    struct str local;   /* as written, quotes kept */
    struct str domain;  /* lower case; "[192.0.2.1]" for a literal; empty for <> and a bare "postmaster" */
    bool utf8;          /* some octet above 127: needs SMTPUTF8 (RFC 6531) */
};

/* How strictly a path is read: the listener's "address parser" setting. */
enum address_mode { ADDRESS_STRICT, ADDRESS_LOOSE };

/*
 * Reads "<path>" at the start of `in` (behind "FROM:" or "TO:"). *rest_out is what follows it (the ESMTP parameters, without
 * leading space). Loose mode also takes an address without brackets, spaces around it and odd but harmless characters in the
 * local part. A source route is read and dropped (RFC 5321 4.1.1.3). RC_SYNTAX with a text such as "Local part too long".
 */
enum rc address_parse_path(struct arena *a, struct str in, enum address_mode mode, struct path *out, struct str *rest_out,
                           struct err *e);

/* One "KEYWORD[=value]" of the ESMTP parameters off the front of *rest; RC_OK, RC_NOT_FOUND at the end, RC_SYNTAX. */
enum rc address_next_parameter(struct str *rest, struct str *keyword_out, struct str *value_out, struct err *e);

/* xtext of RFC 3461 4: "+3D" -> "=". RC_SYNTAX on anything that is no xtext. */
enum rc address_xtext_decode(struct arena *a, struct str in, struct str *out, struct err *e);
void address_xtext_encode(struct str in, struct buf *out);

/* A host name of letters, digits, hyphens, underscores and dots, or (utf8) U-labels; no empty label, 255 octets at most. */
bool address_is_domain(struct str domain, bool utf8);
/* "[192.0.2.1]" or "[IPv6:2001:db8::1]" (RFC 5321 4.1.3): the form only. */
bool address_is_literal(struct str domain);

/* Part before and behind the last @ outside quotes; false when there is none. */
bool address_cut(struct str address, struct str *local_out, struct str *domain_out);
/* Lower-cased copy of a domain. */
struct str address_lower(struct arena *a, struct str s);

#endif
