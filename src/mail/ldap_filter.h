/*
 * Search filters of LDAP (RFC 4515): from a template of the settings with tokens, through the text with every inserted value
 * escaped, to the octets of a search request.
 *
 * Pure. Values come from strangers (addresses, user names): they are escaped before the text is read, so they can only ever
 * be values.
 */
#ifndef MAIL_LDAP_FILTER_H
#define MAIL_LDAP_FILTER_H

#include "base/arena.h"
#include "base/buf.h"
#include "base/err.h"

enum { LDAP_FILTER_MAX = 16384 };

/* What the tokens of a template stand for. */
struct ldap_tokens {
    struct str address; /* {a} whole address; {u} its local part, or all of a user name; {d} its domain */
    struct str from;    /* {f} envelope sender */
    struct str group;   /* {g} group as configured; {cn} its first name when it is a DN */
    struct str dn;      /* {dn} distinguished name that an earlier search found */
};

/* Appends the template with its tokens replaced and escaped (RFC 4515 3). RC_SYNTAX: an unknown token, named in e. */
enum rc ldap_template_fill(struct str text, const struct ldap_tokens *tokens, struct buf *out, struct err *e);
/* A value inside a filter: * ( ) \ NUL, and octets that are no printable ASCII, become \XX. */
void ldap_escape(struct str value, struct buf *out);
/* Text of a filter to its encoding (RFC 4511 4.5.1.7). Without outer parentheses they are added. RC_SYNTAX with the column.
 */
enum rc ldap_filter_encode(struct str text, struct buf *out, struct err *e);
/* A template that could be used: for checks of settings. */
enum rc ldap_template_check(struct str text, struct err *e);

#endif
