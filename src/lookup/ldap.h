/*
 * Questions to directories: queries of the settings (section ldap_query) to searches, log-ins and answers.
 *
 * Bus in: ldap_questions (one reply when all answers are there), ldap_flush; verb `ldaptest`. Every question is answered, at
 * the latest when each host of its server had its time: what cannot be asked is LDAP_TEMPORARY.
 */
#ifndef LOOKUP_LDAP_H
#define LOOKUP_LDAP_H

#include "bus/bus.h"
#include "lookup/ldap_pool.h"
#include "mail/ldap.h"

struct ldap;

struct ldap_options {
    struct loop *loop;
    struct bus *bus; /* NULL in tests */
    struct conf_source *conf;
    struct events *events; /* may be NULL */
    sts_dns_fn *dns;
    void *owner;
};

struct ldap *ldap_new(const struct ldap_options *o);
/* The caller's DNS questions have ended before. */
void ldap_free(struct ldap *l);

/* The answer is valid during the call; fn runs once, perhaps inside ldap_ask(). */
typedef void ldap_answer_fn(void *ctx, const struct ldap_answer *answer);
void ldap_ask(struct ldap *l, const struct ldap_question *q, ldap_answer_fn *fn, void *ctx);
/* Forgets kept answers of this server, or of all (empty); how many. */
size_t ldap_flush(struct ldap *l, struct str server);

/* ldap_secret.c: does the passphrase fit this value of userPassword ({SSHA}, {SHA}, {SMD5}, {MD5}, {SSHA256}, {SHA256} ...
 * {SSHA512}, or plain; RFC 2307 5.3)? Unknown schemes never fit. */
bool ldap_secret_fits(struct str stored, struct str password);

#endif
