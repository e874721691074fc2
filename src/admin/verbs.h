/*
 * Operator verbs: one row of spec/verbs.def and one function each. A verb may take several turns (it asks other roles or the
 * password pool); it ends by verb_end(), once.
 */
#ifndef ADMIN_VERBS_H
#define ADMIN_VERBS_H

#include "admin/admin.h"

enum verb_effect { VERB_SHOW, VERB_IMMEDIATE, VERB_STAGED };
enum verb_least { LEAST_GUEST, LEAST_HOLDER, LEAST_OPERATOR, LEAST_TECHNICIAN, LEAST_ADMINISTRATOR };

struct verb_call;

struct verb {
    const char *name, *aliases;
    enum verb_least least;
    enum verb_effect effect;
    void (*run)(struct verb_call *c);
    const char *usage, *help;
};

struct verb_call {
    struct admin *admin;
    const struct verb *verb;
    struct arena arena; /* of everything below */
    struct str user;
    struct admin_session *session;     /* whose words these are; NULL on the local console and for other roles */
    struct strs args;                  /* without the verb */
    struct buf text, json;             /* the reply */
    unsigned waiting;                  /* answers of other roles that are still out */
    void (*last)(struct verb_call *c); /* adds to the reply when all have answered; may be NULL */
    /* Takes an answer of another role in place of adding its text and json to the reply; may ask again. NULL = adds. */
    void (*take)(struct verb_call *c, const struct bus_verb_reply *r);
    void *state;         /* the verb's own, in the arena */
    uint64_t ask_ms;     /* how long roles have for an answer; 0 = 30 s */
    bool running, ended; /* inside run(); verb_end() was called */
    enum rc rc;
    void (*done)(void *ctx, struct verb_call *c);
    void *ctx;
};

enum { VERB_REQUEST_MAX = 65 << 20, VERB_REPLY_MAX = 65 << 20 };

/* Runs words[0] with the other words for `user` (empty = admin, the local console). done(ctx, call) runs once, now or in a
 * later turn, with rc, text and json of the reply; the call ends when it returns. Returns the call while it goes on, NULL
 * when done has run already. */
struct verb_call *verb_start(struct admin *a, struct str user, struct admin_session *session, struct strs words,
                             void (*done)(void *ctx, struct verb_call *c), void *ctx);
/* The asker is gone: the verb goes on, its reply goes nowhere. `session` of the call is no longer looked at. */
void verb_forget(struct verb_call *c);

/* By name or alias, ASCII case ignored; NULL when there is none. */
const struct verb *verb_find(struct str name);
const struct verb *verb_row(size_t i); /* NULL beyond the last */
/* May a user of this role (index of user.role) use it? */
bool verb_allowed(const struct verb *v, uint64_t user_role);

/* For the functions of verbs. */
void verb_end(struct verb_call *c, enum rc rc);
/* Text of the error as reply, and the end. */
void verb_fail(struct verb_call *c, const struct err *e);
/* `Invalid arguments` and the usage line, and the end. */
void verb_usage(struct verb_call *c);
/* Asks every present process of a role (BUS_verb_call); their texts become the reply, equal ones once. Without any the reply
 * says so (RC_UNAVAILABLE). `verb` and args as the role knows them. */
void verb_ask(struct verb_call *c, enum role role, const char *verb, struct strs args);
/* The same, of one process. */
void verb_ask_one(struct verb_call *c, enum role role, unsigned index, const char *verb, struct strs args);
/* After a commit: the verb's end waits until receiving and the SSH server have seen it (at most a second), so that what the
 * reply says holds for the next connection. Ends the verb like verb_wait(). */
void verb_wait_applied(struct verb_call *c);
/* The last thing a verb does that asked: ends it once all are answered. */
void verb_wait(struct verb_call *c);

#define VERB(name, aliases, product, least, scope, effect, dialogue, function, usage, help) \
    void verb_##function(struct verb_call *c);
#include "spec/verbs.def"
#undef VERB
void verb_none(struct verb_call *c); /* rows whose work is the session's */

#endif
