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
struct lockouts;
struct sessions;
struct captures;
struct slbl_store;
struct mgmt_state;

/* Somebody who is logged in: lives as long as his connection to control. */
struct admin_session {
    uint64_t id;
    char user[256]; /* "" = has not logged in yet (FTP) */
    char peer[64];
    char service[16], what[16]; /* ssh, ftp, console; cli, exec, sftp, scp, ftp */
    uint64_t since_ms, last_ms; /* wall clock: login, last command */
    char doing[80];             /* that command */
    bool ends_idle;             /* it says itself that it ends for idleness */
    struct admin_session *next;
};

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
    void (*halt)(bool again); /* ends every role; NULL in tests */
    struct control_socket *socket;
    struct auth *auth;
    struct lockouts *lockouts;
    struct sessions *sessions;
    struct captures *captures;
    struct slbl_store *slbl;    /* slbl.h */
    struct mgmt_state *mgmt;    /* mgmt.h */
    unsigned char *seal_key;    /* seal.c */
    struct loop_timer identity; /* identity.c: the next look at its certificate */
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

/* --- seal.c: secrets outside this process --------------------------------------------------------------------------------
 */

/* Before store_open(). */
enum rc seal_open(struct admin *a, struct err *e);
void seal_close(struct admin *a);
/* SECRET values that are no hashes, in place: to the form in which they may leave, and back. */
void seal_secrets(const struct admin *a, struct conf_draft *d);
enum rc unseal_secrets(const struct admin *a, struct conf_draft *d, struct err *e);
/* A stored version with its secrets open; and a copy of what is in force with them sealed (NULL without memory). */
enum rc store_version(const struct admin *a, uint64_t number, struct conf_draft **out, struct err *e);
struct conf_draft *store_sealed(const struct admin *a);
/* --- default_logs.c -------------------------------------------------------------------------------------------------- */

/* The log subscriptions a product has from the start (logs.md 12), when the draft has none: a new home, one from before they
 * were items, and one whose last was removed (record would write them all the same). */
enum rc admin_default_logs(struct conf_draft *d, struct err *e);

/* --- default_logs.c -------------------------------------------------------------------------------------------------- */

/* The log subscriptions a product has from the start (logs.md 12), when the draft has none: a new home, one from before they
 * were items, and one whose last was removed (record would write them all the same). */
enum rc admin_default_logs(struct conf_draft *d, struct err *e);

/* --- checks.c -------------------------------------------------------------------------------------------------------- */

/* conf_check() and the checks that need the rooms which use a setting. */
enum rc admin_check(const struct conf *c, const struct conf *old, bool force, struct err *e);
/* check_lock.c: RC_CONFLICT: quarantines are being moved, their settings stay as they are until that is over. */
enum rc admin_check_lock(const struct admin *a, const struct conf *now, const struct conf *old, struct err *e);

/* --- control.c: HOME/run/control.sock ------------------------------------------------------------------------------ */

/* Mode 0600; peers with another user id (root aside) are refused. */
enum rc control_socket_open(struct admin *a, struct err *e);
void control_socket_close(struct admin *a);
/* A connection that speaks for one login alone: the far end, to be handed to its session. `s` is the connection's from now
 * on: session_ended() is told when it closes. */
enum rc control_socket_session(struct admin *a, struct admin_session *s, int *fd_out, struct err *e);

/* --- session.c: who is logged in ------------------------------------------------------------------------------------- */

/* Is this the session of an enrolled manager, whose `user` is an item of `manager`? It has the verb `mgmt` alone. */
static inline bool session_is_manager(const struct admin_session *s)
{
    return s && strcmp(s->what, "mgmt") == 0;
}
/* Answers BUS_session_open. HOME/conf/logins keeps the last logins for `last`. */
void sessions_open(struct admin *a);
void sessions_close(struct admin *a);
/* The connection of a session closed. */
void session_ended(struct admin *a, struct admin_session *s);

/* --- login.c: logins with a passphrase --------------------------------------------------------------------------------- */

/* Answers BUS_login_question; counts failures and locks accounts out (settings section access). */
void login_open(struct admin *a);
void login_close(struct admin *a);
struct login {
    bool ok, must_change;
    uint64_t role, locked_s;
};
/* done(ctx, result) once, later. Costs the same time and gives the same answer whether the user exists or not. */
void login_check(struct admin *a, struct str user, struct str password, struct str peer, struct str service,
                 void (*done)(void *ctx, const struct login *l), void *ctx);
/* May this user log in at all (exists, not locked, role with a command line or pages)? Says the role. */
bool login_permitted(const struct conf_user *u);
bool login_must_change(const struct admin *a, const struct conf_user *u);

/* verb_user.c: long and mixed enough (settings section access)? */
enum rc passphrase_check(const struct conf *now, struct str passphrase, struct err *e);

/* --- verb_capture.c: packetcapture --------------------------------------------------------------------------------------
 */

void captures_open(struct admin *a);
/* Is a capture wanted, so that role `capture` is to run? */
bool captures_wanted(const struct admin *a);
/* Master could not open the socket for it. */
void captures_refused(struct admin *a, struct str why);

/* --- run.c ---------------------------------------------------------------------------------------------------------------
 */

/* Answers BUS_verb_run. */
void run_open(struct admin *a);

/* --- auth.c: passphrases --------------------------------------------------------------------------------------------- */

/* Answers BUS_auth_question. Argon2id in the pool, two at once; 256 may wait, others get no answer (temporary failure). */
void auth_open(struct admin *a);
void auth_close(struct admin *a);
/* done(ctx, ok): is this the user's passphrase? Runs later, exactly once. */
void auth_check(struct admin *a, struct str user, struct str password, void (*done)(void *ctx, bool ok), void *ctx);
/* done(ctx, fits): does the passphrase fit any of these hashes, one a line? (true too when that cannot be told) */
void auth_any(struct admin *a, struct str hashes, struct str password, void (*done)(void *ctx, bool ok), void *ctx);
/* done(ctx, hash): Argon2id hash of a passphrase, a view valid during the call; empty without memory. */
void auth_hash(struct admin *a, struct str password, void (*done)(void *ctx, struct str hash), void *ctx);

#endif
