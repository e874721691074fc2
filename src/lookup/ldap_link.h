/*
 * One connection to a directory: connect, TLS, log in, then searches side by side (RFC 4511 3.1: answers come in any order).
 */
#ifndef LOOKUP_LDAP_LINK_H
#define LOOKUP_LDAP_LINK_H

#include "mail/ldap_message.h"
#include "net/socket.h"

enum ldap_tls { LDAP_TLS_NONE, LDAP_TLS_SSL, LDAP_TLS_START }; /* ldap_server.tls */
enum { LDAP_ENTRIES_MAX = 100, LDAP_SEARCH_BYTES = 4 << 20 };

struct ldap_link;

struct ldap_link_options {
    struct loop *loop;
    struct address_ip to;
    enum ldap_tls tls;
    struct tls_context *context; /* counted by the link; NULL without TLS */
    struct str tls_name;
    struct str dn, password; /* empty dn: not logged in */
    uint64_t timeout_ms;
    void (*ready)(void *ctx); /* logged in; may be NULL */
    /* The end, exactly once: the link is gone. RC_AUTH_FAILED: the server refused dn and password (code says why). `why` is
     * valid during the call. Searches under way have been told before. */
    void (*ended)(void *ctx, enum rc rc, uint32_t code, struct str why);
    void *ctx;
};

/* NULL on lack of memory (ended() is not called). Texts are copied. */
struct ldap_link *ldap_link_open(const struct ldap_link_options *o);
/* Says good-bye; ended(RC_OK) runs before this returns. */
void ldap_link_close(struct ldap_link *l);
bool ldap_link_ready(const struct ldap_link *l);
unsigned ldap_link_searches(const struct ldap_link *l); /* under way */

struct ldap_entry {
    struct str dn;
    const struct ldap_attribute *attributes;
    size_t n;
};

struct ldap_found {
    enum rc rc;    /* RC_OK: the server answered with `code`; else no answer came */
    uint32_t code; /* RFC 4511 appendix A */
    struct str why;
    const struct ldap_entry *entries; /* LDAP_ENTRIES_MAX at most */
    size_t n;
};
typedef void ldap_found_fn(void *ctx, const struct ldap_found *found);

struct ldap_search {
    struct str base, filter; /* filter: encoded */
    struct strs attributes;
};
/* On a ready link; fn runs once, later. What it gets is valid during the call. */
void ldap_link_search(struct ldap_link *l, const struct ldap_search *s, ldap_found_fn *fn, void *ctx);

#endif
