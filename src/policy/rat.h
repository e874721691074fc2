/*
 * The recipient access table of a public listener: for which recipients it takes mail.
 *
 * Lines as in spec/settings/listener.def. The most specific entry decides: user@domain, user@, domain, the longest .domain,
 * ALL.
 */
#ifndef POLICY_RAT_H
#define POLICY_RAT_H

#include "base/arena.h"
#include "base/err.h"

struct rat;

struct rat_result {
    bool accept;
    bool ours;             /* an entry other than ALL decided: the domain is ours, so a refusal means an unknown recipient */
    bool bypass_directory; /* accepted without asking LDAP accept */
    struct str text;       /* reply text of a refusal, may be empty */
};

enum rc rat_compile(struct arena *a, struct strs lines, struct rat **out, struct err *e);
/* local as written, domain lower case or a literal in brackets; both may be empty. */
struct rat_result rat_match(const struct rat *r, struct str local, struct str domain);
/* Whether an address is in a list of user@domain, domain and .domain (exceptions of mail flow policies). */
bool address_listed(struct strs list, struct str local, struct str domain);

#endif
