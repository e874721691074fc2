/*
 * Logins with a passphrase (SSH, FTP, web): who may, who must change it, who is locked out for trying too often.
 *
 * Called over the bus by shell and web (login_question) and by verb `login` (FTP). Owns the counters of failed logins: by
 * user name, whether it exists or not, so that the answer never tells. A locked-out account costs the same hash. The table
 * is bounded; a name that falls out of it begins anew.
 */
#include "admin/admin.h"

#include "base/clock.h"
#include "base/must.h"
#include "conf/table.h"

#include <stdio.h>
#include <stdlib.h>

enum { LOCKOUTS = 1024, TOLD_MS = 300000 };

struct lockouts {
    struct {
        uint64_t user; /* hash of the name, seeded */
        uint64_t tries, until_ms;
    } at[LOCKOUTS];
    struct {
        uint64_t who; /* hash of user, address and service, seeded */
        uint64_t until_ms;
    } told[LOCKOUTS]; /* good logins of programs that poll: one line in five minutes says it */
    uint64_t seed;
};

struct question {
    struct admin *admin;
    char user[256], peer[64], service[16];
    void (*done)(void *ctx, const struct login *l);
    void *ctx;
};

bool login_permitted(const struct conf_user *u)
{
    return u && !u->locked && u->role <= 4; /* help_desk and mail have neither command line nor pages */
}

bool login_must_change(const struct admin *a, const struct conf_user *u)
{
    const struct conf *now = &a->current->conf;
    uint64_t days = now->access.passphrase_days;

    if (u->must_change)
        return true;
    return days && u->changed_ms && clock_wall_ms() > u->changed_ms + days * 86400000;
}

static uint64_t locked_s(struct admin *a, struct str user)
{
    uint64_t key = str_hash_seed(user, a->lockouts->seed), now = clock_mono_ms();
    size_t i = key % LOCKOUTS;

    if (a->lockouts->at[i].user != key || a->lockouts->at[i].until_ms <= now)
        return 0;
    return (a->lockouts->at[i].until_ms - now + 999) / 1000;
}

static void count(struct admin *a, struct str user, struct str peer, bool ok)
{
    const struct conf *now = &a->current->conf;
    uint64_t key = str_hash_seed(user, a->lockouts->seed);
    size_t i = key % LOCKOUTS;

    if (ok || a->lockouts->at[i].user != key) {
        a->lockouts->at[i].user = key;
        a->lockouts->at[i].tries = a->lockouts->at[i].until_ms = 0;
    }
    if (ok || !now->access.lockout_tries || ++a->lockouts->at[i].tries < now->access.lockout_tries)
        return;
    a->lockouts->at[i].tries = 0;
    a->lockouts->at[i].until_ms = clock_mono_ms() + now->access.lockout_ms;
    event(a->events, user_locked_out, .user = user, .peer_ip = peer, .seconds = now->access.lockout_ms / 1000);
}

/* A program that asks for a page every few seconds logs in each time; the first of these in five minutes is told. */
static bool told_before(struct admin *a, const struct question *q)
{
    uint64_t now = clock_mono_ms(), who = str_hash_seed(str_c(q->user), a->lockouts->seed);
    size_t i;

    if (!str_eq(str_c(q->service), str_lit("http")))
        return false;
    who = str_hash_seed(str_c(q->peer), who);
    i = who % LOCKOUTS;
    if (a->lockouts->told[i].who == who && a->lockouts->told[i].until_ms > now)
        return true;
    a->lockouts->told[i].who = who;
    a->lockouts->told[i].until_ms = now + TOLD_MS;
    return false;
}

static void copy(char *out, size_t size, struct str s)
{
    snprintf(out, size, "%.*s", STR(str_first(s, size - 1)));
}

static void checked(void *ctx, bool ok)
{
    struct question *q = ctx;
    struct admin *a = q->admin;
    struct str user = str_c(q->user), peer = str_c(q->peer);
    const struct conf_user *u = conf_find(&a->current->conf.user, user);
    struct login l = {.locked_s = locked_s(a, user)};

    l.ok = ok && login_permitted(u) && !l.locked_s;
    if (!l.locked_s)
        count(a, user, peer, l.ok);
    if (l.ok) {
        l.role = u->role;
        l.must_change = login_must_change(a, u);
        if (!told_before(a, q))
            event(a->events, user_authenticated, .user = user, .peer_ip = peer);
    } else if (str_eq(str_c(q->service), str_lit("http"))) {
        event(a->events, user_login_failed, .user = user, .peer_ip = peer);
    } else {
        event(a->events, user_not_authenticated, .user = user, .peer_ip = peer);
    }
    q->done(q->ctx, &l);
    free(q);
}

void login_check(struct admin *a, struct str user, struct str password, struct str peer, struct str service,
                 void (*done)(void *ctx, const struct login *l), void *ctx)
{
    struct question *q = calloc(1, sizeof *q);

    must(q);
    *q = (struct question){.admin = a, .done = done, .ctx = ctx};
    copy(q->user, sizeof q->user, user);
    copy(q->peer, sizeof q->peer, peer);
    copy(q->service, sizeof q->service, service);
    auth_check(a, str_c(q->user), password, checked, q);
}

/* --- the question of shell and web ---------------------------------------------------------------------------------------
 */

struct asked {
    struct admin *admin;
    enum role role;
    unsigned index, life;
    uint64_t call;
};

static void answer(void *ctx, const struct login *l)
{
    struct asked *q = ctx;
    struct bus_peer *to = bus_peer(q->admin->bus, q->role, q->index);
    const struct bus_login_answer m = {
        .ok = l->ok, .role = l->role, .must_change = l->must_change, .locked_s = l->ok ? l->locked_s : 0};

    if (to && to->life == q->life)
        bus_reply(q->admin->bus, to, q->call, BUS_login_answer, &m);
    free(q);
}

static void on_question(void *ctx, const struct bus_in *in)
{
    const struct bus_login_question *m = in->msg;
    struct asked *q = calloc(1, sizeof *q);

    must(q);
    *q = (struct asked){ctx, in->from->role, in->from->index, in->from->life, in->call};
    login_check(ctx, m->user, m->password, m->peer, m->service, answer, q);
}

void login_open(struct admin *a)
{
    a->lockouts = calloc(1, sizeof *a->lockouts);
    must(a->lockouts);
    a->lockouts->seed = random_u64();
    if (a->bus)
        bus_on(a->bus, BUS_login_question, on_question, a);
}

void login_close(struct admin *a)
{
    free(a->lockouts);
    a->lockouts = NULL;
}
