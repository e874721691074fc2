/*
 * Messages of LDAP version 3 that a client of directories needs (RFC 4511 4): bind, search, StartTLS, abandon, unbind, and
 * what servers answer.
 *
 * Pure coding: no connection here. What servers say is bounded and checked; results are views into the input.
 */
#ifndef MAIL_LDAP_MESSAGE_H
#define MAIL_LDAP_MESSAGE_H

#include "base/arena.h"
#include "base/buf.h"
#include "base/err.h"

enum { LDAP_MESSAGE_MAX = 1 << 20, LDAP_ATTRIBUTES_MAX = 64, LDAP_VALUES_MAX = 4096 };

/* What an answer is. */
enum ldap_kind { LDAP_BIND_DONE, LDAP_ENTRY, LDAP_SEARCH_DONE, LDAP_REFERENCE, LDAP_EXTENDED_DONE };

/* Result codes used here (RFC 4511 appendix A). */
enum {
    LDAP_CODE_SUCCESS = 0,
    LDAP_CODE_SIZE_LIMIT = 4,
    LDAP_CODE_REFERRAL = 10,
    LDAP_CODE_NO_SUCH_OBJECT = 32,
    LDAP_CODE_INVALID_CREDENTIALS = 49,
};

struct ldap_attribute {
    struct str name;
    struct strs values;
};

struct ldap_message {
    uint32_t id;
    enum ldap_kind kind;
    uint32_t code; /* not of entries */
    struct str why;
    struct str dn; /* of an entry */
    const struct ldap_attribute *attributes;
    size_t n;
};

void ldap_put_bind(struct buf *out, uint32_t id, struct str dn, struct str password);
/* `filter` is encoded (ldap_filter_encode); the whole subtree is searched, aliases are followed. */
void ldap_put_search(struct buf *out, uint32_t id, struct str base, struct str filter, struct strs attributes,
                     uint32_t size_limit, uint32_t seconds);
void ldap_put_start_tls(struct buf *out, uint32_t id);
void ldap_put_abandon(struct buf *out, uint32_t id, uint32_t what);
void ldap_put_unbind(struct buf *out, uint32_t id);

/* Cuts a message off the front of *in. RC_UNAVAILABLE: not whole yet; RC_SYNTAX: no answer of LDAP, the connection is of no
 * more use; RC_NO_MEMORY. Arrays come from the arena. */
enum rc ldap_message_take(struct arena *a, struct str *in, struct ldap_message *out);
/* Name of a result code for people. */
const char *ldap_code_text(uint32_t code);

#endif
