/*
 * Aliases of a listener: recipients whose place others take. Settings: spec/settings/alias.def.
 *
 * user@domain decides before user (which stands for user@ the listener's default domain, without one its host name), that
 * before @domain. Targets may be aliases in turn, ALIAS_LEVELS deep.
 */
#ifndef POLICY_ALIAS_H
#define POLICY_ALIAS_H

#include "conf/conf.h"
#include "policy/address_set.h"

enum { ALIAS_LEVELS = 10, ALIAS_NONE = UINT32_MAX };

struct aliases;

/* Everything comes from the arena and points into conf. What is no alias is left out (control refuses it, alias_check). */
enum rc alias_compile(struct arena *a, const struct conf *conf, const struct conf_listener *listener, struct aliases **out,
                      struct err *e);
/* The alias this recipient is, or ALIAS_NONE. local as written, domain lower case. */
uint32_t alias_match(const struct aliases *t, struct str local, struct str domain);

struct alias_targets {
    struct strs fresh; /* addresses, in order, that `seen` did not have */
    bool dropped;      /* /dev/null was among them */
};
/* All targets of the alias and of the aliases among them, added to *seen; memory from a. RC_TOO_MANY_RECIPIENTS: more than
 * `most` new ones; *seen then holds some of them. */
enum rc alias_expand(const struct aliases *t, uint32_t alias, struct arena *a, struct address_set *seen, size_t most,
                     struct alias_targets *out, struct err *e);

/* Checks of settings. A name: user@domain, user or @domain; a target: user@domain or /dev/null; RC_INVALID says why. */
enum rc alias_name_fits(struct str name, struct err *e);
enum rc alias_target_fits(struct str target, struct err *e);
/* All aliases: names, targets, and for each listener no loop and no more than ALIAS_LEVELS. */
enum rc alias_check(const struct conf *conf, struct err *e);

#endif
