/* The checks that hold for a configuration as a whole, and what changed between two. */
#ifndef CONF_RULES_H
#define CONF_RULES_H

#include "conf/draft.h"

/* Every value within its row, names unique, references lead somewhere, ports free, and the rules of rules.c. `old` (may be
 * NULL) is the configuration in force: what was forced into it is not refused again. `force` lets through what is risky but
 * possible (RC_NOT_PERMITTED without it, HD-07). The error names path and reason. */
enum rc conf_check(const struct conf *c, const struct conf *old, bool force, struct err *e);

/* Part of conf_check(), rules_logs.c: names, stems and schedules of log subscriptions, addresses and kinds of alerts. */
enum rc conf_check_logs(const struct conf *c, struct err *e);
/* Part of conf_check(), rules_engines.c: addresses and sizes of scan engines. */
enum rc conf_check_engines(const struct conf *c, struct err *e);
/* Part of conf_check(), rules_services.c: names and hosts of outside services. */
enum rc conf_check_services(const struct conf *c, struct err *e);
/* Part of conf_check(), rules_ldap.c: hosts, templates and parts of LDAP queries. */
enum rc conf_check_ldap(const struct conf *c, struct err *e);
/* Part of conf_check(), rules_quarantine.c: kinds, groups and overflow of quarantines. */
enum rc conf_check_quarantines(const struct conf *c, struct err *e);
/* The first setting that names this item of the section, as a path; false when none does. */
bool conf_named_by(const struct conf *c, const struct conf_section *s, struct str name, struct buf *path_out);
/* Gives an item another name, there and wherever it is named. */
enum rc conf_draft_rename(struct conf_draft *d, const struct conf_section *s, struct str from, struct str to, struct err *e);
/* The nth (from 0) RELAY rule on a public listener that `old` (may be NULL) has not (HD-07): its group and listener. */
bool conf_opens_relay(const struct conf *c, const struct conf *old, size_t nth, struct str *group_out,
                      struct str *listener_out);

/* A next hop as spec/settings/route.def says: host, host:port, [address]:port, USEDNS or /dev/null, each with " /pri=N". */
bool conf_is_next_hop(struct str line);

/* One line per difference: "path: old -> new", "+ path", "- path"; secrets stay masked. Empty when equal. */
void conf_diff(const struct conf *old, const struct conf *now, struct buf *out);

/* Same items in the same order with the same values. */
bool conf_section_equal(const struct conf *a, const struct conf *b, const struct conf_section *s);

#endif
