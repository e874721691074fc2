/*
 * The envelope of a message as it lies in the spool: sender, recipients, DSN parameters (RFC 3461) and how it came.
 *
 * Written once by receive (or queue for DSNs), never changed. All strings are views into the encoded form or the caller's
 * memory. Decoding checks every length; a decoded envelope has at most ENVELOPE_RECIPIENTS recipients.
 */
#ifndef MAIL_ENVELOPE_H
#define MAIL_ENVELOPE_H

#include "base/arena.h"
#include "base/buf.h"
#include "base/err.h"

enum { ENVELOPE_RECIPIENTS = 10000, ENVELOPE_BYTES = 1 << 20 };

/* DSN NOTIFY bits (RFC 3461 4.1); 0 = not given. */
enum { NOTIFY_NEVER = 1, NOTIFY_SUCCESS = 2, NOTIFY_FAILURE = 4, NOTIFY_DELAY = 8 };
enum { RET_NONE, RET_FULL, RET_HDRS };
enum { BODY_7BIT, BODY_8BITMIME, BODY_BINARYMIME };

struct recipient {
    struct str address; /* local@domain, domain lower case; as it goes into RCPT TO */
    uint64_t notify;
    struct str orcpt; /* "rfc822;user@x", xtext decoded, may be empty */
};

struct envelope {
    struct str sender;    /* empty = null sender <> */
    uint64_t received_ms; /* wall clock */
    uint64_t icid;        /* 0 = made here */
    uint64_t parent_mid;  /* message this one was made from (DSN, split), 0 = none */
    uint64_t body;        /* BODY_... as declared */
    uint64_t smtputf8;
    uint64_t ret;        /* RET_... */
    struct str envid;    /* xtext decoded */
    struct str uid;      /* global id of the message */
    struct str listener; /* name */
    uint64_t outgoing;   /* 1 = came by RELAY (outbound table), 0 = inbound */
    struct str client_ip, client_name, helo, auth_user, sender_group, flow_policy;
    struct str tls;                 /* "TLSv1.3 cipher", empty = plain */
    struct str subject, message_id; /* as found, cut to 512 octets: for lists and logs */
    const struct recipient *recipients;
    size_t n_recipients;
    /* behind the recipients in the coded form; may be missing there */
    struct str carried;    /* mail/carried.h: of messages that queue made from others */
    struct str reputation; /* of the client: "-3.4", or "None", "rfc1918", "not enabled", "unable to retrieve" */
};

void envelope_encode(const struct envelope *env, struct buf *out);
/* Views into `in`; the recipients array comes from the arena. RC_CORRUPT when it does not fit. */
enum rc envelope_decode(struct arena *a, struct str in, struct envelope *out, struct err *e);

#endif
