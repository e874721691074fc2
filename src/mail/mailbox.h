/*
 * Mailboxes in header fields (RFC 5322 3.4): where each address and its display name lie, so that they can be changed in
 * place.
 *
 * Reads views of raw octets, folds included; never changes them. Tolerant: what is no address is passed over.
 */
#ifndef MAIL_MAILBOX_H
#define MAIL_MAILBOX_H

#include "base/str.h"

struct mailbox {
    struct str address; /* local@domain as written, without brackets */
    struct str name;    /* display name as written, quotes included, trimmed; empty = none */
    struct str bracket; /* "<address>" as written; empty when it stands alone */
};

/* Next mailbox of an address list, off the front of *rest; false at the end. Groups are seen through. */
bool mailbox_next(struct str *rest, struct mailbox *out);

#endif
