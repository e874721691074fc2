/*
 * The control role's rooms: settings store, operator verbs, logins, the control socket. They share this bundle.
 */
#ifndef ADMIN_ADMIN_H
#define ADMIN_ADMIN_H

#include "base/board.h"
#include "bus/bus.h"
#include "conf/draft.h"
#include "event/event.h"
#include "net/loop.h"

struct control_socket;
struct auth;

struct admin {
    struct loop *loop;
    struct bus *bus;          /* NULL in tests: nothing is published, other roles count as away */
    struct conf_source *conf; /* control's own view; fed by every commit */
    struct events *events;
    struct board *board; /* NULL in tests */
    const char *home;
    struct conf_draft *current;                         /* the version in force; owned by store.c */
    void (*applied)(void *ctx, const struct conf *now); /* after each change; may be NULL */
    void *applied_ctx;
    struct control_socket *socket;
    struct auth *auth;
};

/* --- store.c: the configuration in force ------------------------------------------------------------------------- */

/* Reads the current version (an older one when it is broken: event settings_refused) and puts it in force. */
enum rc store_open(struct admin *a, struct err *e);
void store_close(struct admin *a);
/* Checks the draft as a whole, writes it as a new version, publishes it. On success the draft belongs to the store and
 * changes_out (may be NULL) got the lines of conf_diff(); RC_OK and version_out 0 when nothing differs. */
enum rc store_commit(struct admin *a, struct conf_draft *d, struct str user, struct str comment, bool force,
                     uint64_t *version_out, struct buf *changes_out, struct err *e);
/* Sends the snapshot in force to a peer that came. */
void store_send(struct admin *a, struct bus_peer *p);

/* --- checks.c -------------------------------------------------------------------------------------------------------- */

/* conf_check() and the checks that need the rooms which use a setting. */
enum rc admin_check(const struct conf *c, const struct conf *old, bool force, struct err *e);

/* --- control.c: HOME/run/control.sock ------------------------------------------------------------------------------ */

/* Mode 0600; peers with another user id (root aside) are refused. */
enum rc control_socket_open(struct admin *a, struct err *e);
void control_socket_close(struct admin *a);

/* --- auth.c: passphrases --------------------------------------------------------------------------------------------- */

/* Answers BUS_auth_question. Argon2id in the pool, two at once; 256 may wait, others get no answer (temporary failure). */
void auth_open(struct admin *a);
void auth_close(struct admin *a);
/* done(ctx, ok): is this the user's passphrase? Runs later, exactly once. */
void auth_check(struct admin *a, struct str user, struct str password, void (*done)(void *ctx, bool ok), void *ctx);
/* done(ctx, hash): Argon2id hash of a passphrase, a view valid during the call; empty without memory. */
void auth_hash(struct admin *a, struct str password, void (*done)(void *ctx, struct str hash), void *ctx);

#endif
