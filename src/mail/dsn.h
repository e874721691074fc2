/*
 * Delivery status notifications: multipart/report with a text for people, message/delivery-status for programs and the
 * original or its headers (RFC 3461, 3462, 3464; RFC 6533 when an address is not ASCII).
 *
 * Pure writing: the caller found out what happened, chooses who is told and stores the result. Everything that came from a
 * peer is made harmless: control characters become '?', long texts are folded.
 */
#ifndef MAIL_DSN_H
#define MAIL_DSN_H

#include "base/buf.h"

enum dsn_kind { DSN_FAILURE, DSN_DELAY, DSN_RELAYED };

struct dsn_recipient {
    struct str address; /* as it stands in the envelope */
    struct str orcpt;   /* "rfc822;user@x" decoded, may be empty */
    struct str status;  /* "5.1.1"; empty = derived from the kind */
    uint64_t code;      /* SMTP reply code, 0 = the remote host gave none */
    struct str text;    /* reply lines joined by \n, without codes; or our own words when code is 0 */
    struct str mta;     /* who said it, may be empty */
};

struct dsn {
    enum dsn_kind kind;
    struct str host; /* our name: Reporting-MTA, right side of our addresses */
    struct str from; /* address shown as the author; empty = MAILER-DAEMON@host */
    struct str to;   /* who is told */
    struct str subject;
    uint64_t mid, now_ms, arrival_ms;
    uint64_t retry_until_ms; /* DSN_DELAY */
    struct str envid;        /* ENVID decoded, may be empty */
    const struct dsn_recipient *recipients;
    size_t n_recipients;
    struct str original; /* octets: header section, or the whole message */
    bool full;           /* original is the whole message */
    struct str boundary; /* letters and digits that do not occur in the original */
};

/* Appends the notification with CRLF line ends. Check out->failed. */
void dsn_write(const struct dsn *d, struct buf *out);
/* Whether it needs SMTPUTF8 (an address with octets above 127 is in it). */
bool dsn_needs_utf8(const struct dsn *d);

#endif
