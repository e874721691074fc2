/*
 * Questions to directories as data: what rooms ask `lookup` for, and how lists of both travel on the bus.
 *
 * Pure coding. A question names a query of the settings (section ldap_query); what the query's kind gives is in the values
 * of the answer. A temporary answer means that no server could be asked: mail waits, nobody is refused for it.
 */
#ifndef MAIL_LDAP_H
#define MAIL_LDAP_H

#include "base/arena.h"
#include "base/buf.h"
#include "base/err.h"

enum { LDAP_QUESTIONS_MAX = 1024, LDAP_ANSWER_VALUES_MAX = 1024 };

struct ldap_question {
    struct str query;    /* name of the query */
    struct str address;  /* address, or user name: tokens {a} {u} {d} */
    struct str from;     /* {f} */
    struct str group;    /* {g} {cn} */
    struct str password; /* logins */
};

enum ldap_result {
    LDAP_FOUND,     /* the recipient exists, the member belongs to the group, the login is right ... */
    LDAP_NOT_FOUND, /* a server said no */
    LDAP_TEMPORARY, /* no server could say, or the query cannot be asked: `why` */
};

/* Names: recipient, host (routing); address, name (masquerade); address (isqauth, isqalias); group (external); dn. */
struct ldap_value {
    struct str name, value;
};

struct ldap_answer {
    enum ldap_result result;
    struct str why;
    const struct ldap_value *values;
    size_t n;
};

/* First value of that name, or empty. */
struct str ldap_answer_value(const struct ldap_answer *a, const char *name);

void ldap_questions_encode(const struct ldap_question *q, size_t n, struct buf *out);
/* Views into `in`, arrays from the arena. RC_CORRUPT, RC_NO_MEMORY. */
enum rc ldap_questions_decode(struct arena *a, struct str in, const struct ldap_question **out, size_t *n_out);
void ldap_answers_encode(const struct ldap_answer *list, size_t n, struct buf *out);
enum rc ldap_answers_decode(struct arena *a, struct str in, const struct ldap_answer **out, size_t *n_out);

#endif
