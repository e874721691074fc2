/*
 * Passphrases: is it right, and what is its hash. Argon2id by libsodium, in the thread pool.
 *
 * Called by receive over the bus (SMTP AUTH) and by verb passwd. Owns the waiting questions and the memory of good logins: a
 * keyed HMAC of user, stored hash and passphrase, kept five minutes, so that a client that logs in for each message costs
 * one hash (224 ms, 64 MiB), not hundreds. At most two hashes run at once. A user that does not exist costs the same time.
 */
#include "admin/admin.h"

#include "base/clock.h"
#include "base/must.h"
#include "conf/value.h"

#include <sodium.h>
#include <stdlib.h>

enum { AT_ONCE = 2, WAITING_MAX = 256, REMEMBERED = 1024, REMEMBER_MS = 300000, PASSWORD_MAX = 1024 };

/* Made from a passphrase nobody knows: what an unknown user's is held against. */
static const char nobody[] =
    "$argon2id$v=19$m=65536,t=2,p=1$6Lq3TcXkWoTskli3mc3xrA$K3Rxi1qirAf3ESIc/qYsw8XGS+TOUaleBDBIqcynvkY";

struct job {
    struct job *next;
    struct admin *admin;
    bool make;  /* a hash instead of a comparison */
    char *any;  /* or: a comparison with each of these hashes, one a line */
    bool known; /* the user exists and may log in */
    bool ok;
    char hash[crypto_pwhash_STRBYTES];
    unsigned char mark[crypto_auth_hmacsha256_BYTES];
    size_t n;
    char password[PASSWORD_MAX];
    void (*checked)(void *ctx, bool ok);
    void (*made)(void *ctx, struct str hash);
    void *ctx;
};

struct auth {
    unsigned running, waiting;
    struct job *first, **last;
    unsigned char key[crypto_auth_hmacsha256_KEYBYTES];
    struct {
        unsigned char mark[crypto_auth_hmacsha256_BYTES];
        uint64_t until_ms;
    } good[REMEMBERED];
};

static void mark_of(const struct auth *a, struct str user, const char *hash, struct str password, unsigned char *out)
{
    crypto_auth_hmacsha256_state st;
    const struct str parts[] = {user, str_c(hash), password};

    crypto_auth_hmacsha256_init(&st, a->key, sizeof a->key);
    for (size_t i = 0; i < 3; i++) {
        uint64_t n = parts[i].n;

        crypto_auth_hmacsha256_update(&st, (const unsigned char *)&n, sizeof n);
        crypto_auth_hmacsha256_update(&st, (const unsigned char *)(parts[i].p ? parts[i].p : ""), n);
    }
    crypto_auth_hmacsha256_final(&st, out);
}

static size_t place(const unsigned char *mark)
{
    return ((size_t)mark[0] | (size_t)mark[1] << 8) % REMEMBERED;
}

static bool remembered(const struct auth *a, const unsigned char *mark)
{
    return a->good[place(mark)].until_ms > clock_mono_ms() && crypto_verify_32(a->good[place(mark)].mark, mark) == 0;
}

static void remember(struct auth *a, const unsigned char *mark)
{
    memcpy(a->good[place(mark)].mark, mark, sizeof a->good->mark);
    a->good[place(mark)].until_ms = clock_mono_ms() + REMEMBER_MS;
}

static bool any_fits(const struct job *j)
{
    struct str rest = str_c(j->any), line;
    char hash[crypto_pwhash_STRBYTES];

    while (str_split(&rest, '\n', &line)) {
        if (line.n == 0 || line.n >= sizeof hash)
            continue;
        memset(hash, 0, sizeof hash);
        memcpy(hash, line.p, line.n);
        if (crypto_pwhash_str_verify(hash, j->password, j->n) == 0)
            return true;
    }
    return false;
}

static void work(void *ctx)
{
    struct job *j = ctx;

    if (j->any)
        j->ok = any_fits(j);
    else if (j->make)
        j->ok = crypto_pwhash_str(j->hash, j->password, j->n, crypto_pwhash_OPSLIMIT_INTERACTIVE,
                                  crypto_pwhash_MEMLIMIT_INTERACTIVE) == 0;
    else
        j->ok = crypto_pwhash_str_verify(j->hash, j->password, j->n) == 0 && j->known;
}

static void tell(struct job *j)
{
    if (j->make)
        j->made(j->ctx, j->ok ? str_c(j->hash) : STR_NONE);
    else
        j->checked(j->ctx, j->ok);
    free(j->any);
    sodium_memzero(j, sizeof *j);
    free(j);
}

static void start_next(struct admin *a);

static void done(void *ctx)
{
    struct job *j = ctx;
    struct admin *a = j->admin;

    a->auth->running--;
    if (j->ok && !j->make && !j->any)
        remember(a->auth, j->mark);
    tell(j);
    start_next(a);
}

static void start_next(struct admin *a)
{
    struct auth *s = a->auth;

    while (s->first && s->running < AT_ONCE) {
        struct job *j = s->first;

        s->first = j->next;
        if (!s->first)
            s->last = &s->first;
        s->waiting--;
        s->running++;
        loop_work(a->loop, work, done, j);
    }
}

static struct job *new_job(struct admin *a, struct str password)
{
    struct job *j = a->auth->waiting < WAITING_MAX && password.n <= PASSWORD_MAX ? calloc(1, sizeof *j) : NULL;

    if (!j)
        return NULL;
    j->admin = a;
    j->n = password.n;
    if (password.n)
        memcpy(j->password, password.p, password.n);
    return j;
}

static void enqueue(struct admin *a, struct job *j)
{
    *a->auth->last = j;
    a->auth->last = &j->next;
    a->auth->waiting++;
    start_next(a);
}

/* False: too many wait. */
static bool check(struct admin *a, const struct conf_user *u, struct str user, struct str password,
                  void (*fn)(void *ctx, bool ok), void *ctx)
{
    struct job *j = new_job(a, password);

    if (!j)
        return false;
    j->checked = fn;
    j->ctx = ctx;
    j->known = u && !u->locked && u->password.n && u->password.n < sizeof j->hash;
    if (j->known)
        memcpy(j->hash, u->password.p, u->password.n);
    else
        memcpy(j->hash, nobody, sizeof nobody);
    mark_of(a->auth, user, j->hash, password, j->mark);
    if (j->known && remembered(a->auth, j->mark)) {
        j->ok = true;
        tell(j);
        return true;
    }
    enqueue(a, j);
    return true;
}

void auth_check(struct admin *a, struct str user, struct str password, void (*fn)(void *ctx, bool ok), void *ctx)
{
    if (!check(a, conf_find(&a->current->conf.user, user), user, password, fn, ctx))
        fn(ctx, false);
}

void auth_hash(struct admin *a, struct str password, void (*fn)(void *ctx, struct str hash), void *ctx)
{
    struct job *j = new_job(a, password);

    if (!j) {
        fn(ctx, STR_NONE);
        return;
    }
    j->make = true;
    j->made = fn;
    j->ctx = ctx;
    enqueue(a, j);
}

void auth_any(struct admin *a, struct str hashes, struct str password, void (*fn)(void *ctx, bool ok), void *ctx)
{
    struct job *j = new_job(a, password);

    if (!j || !(j->any = strndup(hashes.n ? hashes.p : "", hashes.n))) {
        free(j);
        fn(ctx, true);
        return;
    }
    j->checked = fn;
    j->ctx = ctx;
    enqueue(a, j);
}

/* --- the question of receive ------------------------------------------------------------------------------------------ */

struct question {
    struct admin *admin;
    enum role role;
    unsigned index, life;
    uint64_t call;
    char role_name[32];
    char user[256], peer[64];
};

static void answer(void *ctx, bool ok)
{
    struct question *q = ctx;
    struct bus_peer *to = bus_peer(q->admin->bus, q->role, q->index);
    const struct bus_auth_answer m = {.ok = ok, .role = ok ? str_c(q->role_name) : STR_NONE};

    if (ok)
        event(q->admin->events, user_authenticated, .user = str_c(q->user), .peer_ip = str_c(q->peer));
    else
        event(q->admin->events, user_not_authenticated, .user = str_c(q->user), .peer_ip = str_c(q->peer));
    if (to && to->life == q->life)
        bus_reply(q->admin->bus, to, q->call, BUS_auth_answer, &m);
    free(q);
}

static void copy(char *out, size_t size, struct str s)
{
    s = str_first(s, size - 1);
    if (s.n)
        memcpy(out, s.p, s.n);
    out[s.n] = 0;
}

static void on_question(void *ctx, const struct bus_in *in)
{
    const struct bus_auth_question *m = in->msg;
    struct admin *a = ctx;
    const struct conf_user *u = a->current ? conf_find(&a->current->conf.user, m->user) : NULL;
    struct question *q = calloc(1, sizeof *q);
    struct str role;

    must(q);
    q->admin = a;
    q->role = in->from->role;
    q->index = in->from->index;
    q->life = in->from->life;
    q->call = in->call;
    copy(q->user, sizeof q->user, m->user);
    copy(q->peer, sizeof q->peer, m->peer);
    if (u && (!u->smtp_auth || u->must_change))
        u = NULL; /* costs the same time, then no; a first passphrase is for nothing but its change */
    if (u && conf_choice(conf_setting_find(conf_section_find(str_lit("user")), str_lit("role")), u->role, &role))
        copy(q->role_name, sizeof q->role_name, role);
    if (!check(a, u, m->user, m->password, answer, q))
        free(q); /* no answer: a temporary failure there */
}

void auth_open(struct admin *a)
{
    struct auth *s = calloc(1, sizeof *s);

    must(s && sodium_init() >= 0);
    s->last = &s->first;
    random_bytes(s->key, sizeof s->key);
    a->auth = s;
    if (a->bus)
        bus_on(a->bus, BUS_auth_question, on_question, a);
}

/* At the end of the process: jobs in the pool are left to it. */
void auth_close(struct admin *a)
{
    struct auth *s = a->auth;

    if (!s || s->running)
        return;
    while (s->first) {
        struct job *next = s->first->next;

        sodium_memzero(s->first, sizeof *s->first);
        free(s->first);
        s->first = next;
    }
    sodium_memzero(s, sizeof *s);
    free(s);
    a->auth = NULL;
}
