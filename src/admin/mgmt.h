/*
 * The management account of a gateway (central.md 4), the control role's part: what a manager's session
 * (role/session_mgmt.c) asks by the hidden verb `mgmt VERB [ARGUMENT ...]`. One row and one function a verb.
 *
 * A function ends its call once, now or later, by one of the answers below; each is an audit line (event manager_verb).
 */
#ifndef ADMIN_MGMT_H
#define ADMIN_MGMT_H

#include "admin/verbs.h"

enum { MGMT_PROTO = 1 };

/* The item of `manager` whose session asks; NULL when it was removed meanwhile. */
const struct conf_manager *mgmt_manager(const struct verb_call *c);
/* "OK" or "OK {json}", then `body` as it is (lines of its own). */
void mgmt_ok(struct verb_call *c, struct str json, struct str body);
/* "ERR code text"; the codes are those of central.md 4. */
void mgmt_err(struct verb_call *c, unsigned code, const char *fmt, ...) __attribute__((format(printf, 3, 4)));
/* The same from an error of ours: NOT_PERMITTED 403, NOT_FOUND 404, EXISTS and CONFLICT 409, LIMIT 429, UNAVAILABLE 503,
 * INVALID and SYNTAX 400, else 500. */
void mgmt_fail(struct verb_call *c, enum rc rc, struct str text);

/* --- mgmt_hello.c, mgmt_config.c, mgmt_reach.c
 * ----------------------------------------------------------------------------- */

/* args: the JSON from stdin. */
void mgmt_hello(struct verb_call *c, struct strs args);
/* args: KEY. */
void mgmt_get_config(struct verb_call *c, struct strs args);
/* {"6025":"ok","7025":"connection refused"} of this manager as it was found last; null = not tried yet. A new try begins
 * when that is old. */
void mgmt_reach_put(struct admin *a, const struct conf_manager *m, struct buf *json);
/* Tries now; then(c) runs once that is over, later. */
void mgmt_reach_now(struct verb_call *c, const struct conf_manager *m, void (*then)(struct verb_call *c));
void mgmt_close(struct admin *a);

#endif
