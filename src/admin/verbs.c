/*
 * Looks up, permits, runs and ends verbs. See verbs.h.
 *
 * Called by the control socket (later by SSH and HTTP). Owns each struct verb_call until its reply was given. A verb that
 * another role answers waits for it at most 30 s; a role that is away counts as an answer.
 */
#include "admin/verbs.h"

#include "base/must.h"

#include <limits.h>
#include <stdlib.h>

enum { ASK_MS = 30000, APPLIED_MS = 1000, ARENA_MAX = 1 << 27 };

static const struct verb verbs[] = {
#define VERB(name, aliases, product, least, scope, effect, dialogue, function, usage, help) \
    {#name, aliases, LEAST_##least, VERB_##effect, verb_##function, usage, help},
#include "spec/verbs.def"
#undef VERB
};

const struct verb *verb_row(size_t i)
{
    return i < sizeof verbs / sizeof *verbs ? &verbs[i] : NULL;
}

const struct verb *verb_find(struct str name)
{
    for (size_t i = 0; i < sizeof verbs / sizeof *verbs; i++) {
        struct str rest = str_c(verbs[i].aliases), alias;

        if (str_eqi(name, str_c(verbs[i].name)))
            return &verbs[i];
        while (str_word(&rest, &alias)) {
            if (str_eqi(name, alias))
                return &verbs[i];
        }
    }
    return NULL;
}

/* Roles in the order of user.def: administrator operator read_only_operator guest technician help_desk mail. */
bool verb_allowed(const struct verb *v, uint64_t user_role)
{
    static const unsigned char may[][7] = {
        [LEAST_GUEST] = {1, 1, 1, 1, 1, 0, 0},
        [LEAST_HOLDER] = {1, 1, 1, 1, 0, 1, 0}, /* may be named in a quarantine's settings, which decide */
        [LEAST_OPERATOR] = {1, 1, 0, 0, 0, 0, 0},
        [LEAST_TECHNICIAN] = {1, 1, 0, 0, 1, 0, 0},
        [LEAST_ADMINISTRATOR] = {1, 0, 0, 0, 0, 0, 0},
    };

    if (v->least == LEAST_OPERATOR && v->effect != VERB_IMMEDIATE && user_role == 2)
        return true; /* a read-only operator sees what an operator sees, and may stage but not commit */
    return user_role < 7 && may[v->least][user_role];
}

static void end_call(struct verb_call *c)
{
    if (c->done)
        c->done(c->ctx, c);
    buf_done(&c->text);
    buf_done(&c->json);
    arena_done(&c->arena);
    free(c);
}

void verb_end(struct verb_call *c, enum rc rc)
{
    c->rc = rc;
    c->ended = true;
    if (!c->running)
        end_call(c);
}

void verb_forget(struct verb_call *c)
{
    c->done = NULL;
    c->session = NULL;
}

void verb_fail(struct verb_call *c, const struct err *e)
{
    buf_addf(&c->text, "%s\n", err_text(e));
    verb_end(c, e->rc ? e->rc : RC_INTERNAL);
}

void verb_usage(struct verb_call *c)
{
    buf_addf(&c->text, "Invalid arguments\nUsage: %s\n", c->verb->usage);
    verb_end(c, RC_SYNTAX);
}

/* A login that has not proved itself may do that alone; one with a first passphrase may change it. */
static bool session_permits(const struct verb_call *c)
{
    static const char *const always[] = {"session", "note", "passwd"};
    const struct conf_user *u = conf_find(&c->admin->current->conf.user, str_c(c->session->user));

    if (session_is_manager(c->session))
        return str_eq(str_c(c->verb->name), str_lit("mgmt")) &&
               conf_find(&c->admin->current->conf.manager, str_c(c->session->user));
    if (!*c->session->user)
        return str_eq(str_c(c->verb->name), str_lit("login"));
    if (!u || !login_permitted(u))
        return false; /* locked or removed since it came */
    for (size_t i = 0; i < sizeof always / sizeof *always; i++)
        if (str_eq(str_c(c->verb->name), str_c(always[i])))
            return true;
    return !login_must_change(c->admin, u);
}

static bool permitted(struct verb_call *c)
{
    const struct conf_user *u;

    if (c->session && !session_permits(c))
        return false;
    if (session_is_manager(c->session) || c->verb->run == verb_mgmt)
        return session_is_manager(c->session);
    if (c->user.n == 0 || str_eq(c->user, str_lit("admin"))) {
        c->user = str_lit("admin");
        return true;
    }
    u = conf_find(&c->admin->current->conf.user, c->user);
    return u && !u->locked && verb_allowed(c->verb, u->role);
}

struct verb_call *verb_start(struct admin *a, struct str user, struct admin_session *session, struct strs words,
                             void (*done)(void *ctx, struct verb_call *c), void *ctx)
{
    struct verb_call *c = calloc(1, sizeof *c);
    struct str *args, first = words.n ? words.items[0] : STR_NONE;

    must(c);
    *c = (struct verb_call){
        .admin = a, .done = done, .ctx = ctx, .session = session, .text = BUF(VERB_REPLY_MAX), .json = BUF(VERB_REPLY_MAX)};
    arena_init(&c->arena, 1024, ARENA_MAX);
    args = arena_array(&c->arena, struct str, words.n + 1);
    must(args);
    for (size_t i = 1; i < words.n; i++)
        args[i - 1] = arena_str(&c->arena, words.items[i]);
    c->args = (struct strs){args, words.n ? words.n - 1 : 0};
    c->user = user.n ? arena_str(&c->arena, user) : STR_NONE;
    c->verb = verb_find(first);
    if (!c->verb || !permitted(c)) {
        buf_addf(&c->text, "Unknown command or missing feature key: %.*s\n", STR(str_first(first, 100)));
        verb_end(c, RC_UNKNOWN_COMMAND);
        return NULL;
    }
    c->waiting = 1; /* the verb itself: verb_wait() takes it off */
    c->running = true;
    c->verb->run(c);
    c->running = false;
    if (!c->ended)
        return c;
    end_call(c);
    return NULL;
}

void verb_wait(struct verb_call *c)
{
    bool inside = c->running;

    if (--c->waiting)
        return;
    c->running = true; /* last may have ended the verb: once is enough */
    if (c->last)
        c->last(c);
    c->running = inside;
    verb_end(c, c->rc);
}

/* Several processes of a role say the same: once is enough. */
static void add_text(struct verb_call *c, struct str text)
{
    if (c->text.n && str_find_str(buf_str(&c->text), text) < c->text.n)
        return;
    buf_add(&c->text, text);
    if (text.n && text.p[text.n - 1] != '\n')
        buf_addc(&c->text, '\n');
}

static void add_answer(struct verb_call *c, const struct bus_verb_reply *r)
{
    add_text(c, r->text);
    if (c->json.n == 0)
        buf_add(&c->json, r->json);
}

static void answered(void *ctx, enum rc rc, const void *msg)
{
    const struct bus_verb_reply *r = msg;
    struct verb_call *c = ctx;

    if (rc != RC_OK) {
        buf_addf(&c->text, "No answer: %s\n", rc_info(rc)->text);
        c->rc = rc;
    } else {
        if (c->take)
            c->take(c, r);
        else
            add_answer(c, r);
        if (r->rc != RC_OK)
            c->rc = r->rc < RC_COUNT ? (enum rc)r->rc : RC_INTERNAL;
        if (r->rc == RC_SYNTAX && c->text.n == 0) /* the role leaves it to the row of the verb */
            buf_addf(&c->text, "Invalid arguments\nUsage: %s\n", c->verb->usage);
    }
    verb_wait(c);
}

struct asking {
    struct verb_call *call;
    struct bus_verb_call msg;
    unsigned asked;
};

static void ask_one(void *ctx, struct bus_peer *p)
{
    struct asking *q = ctx;

    q->asked++;
    q->call->waiting++;
    bus_call(q->call->admin->bus, p, BUS_verb_call, &q->msg, q->call->ask_ms ? q->call->ask_ms : ASK_MS, answered, q->call);
}

/* Messages to one peer keep their order: whoever answers this, whatever the answer, has read the snapshot sent before it. */
static void applied(void *ctx, enum rc rc, const void *msg)
{
    (void)rc;
    (void)msg;
    verb_wait(ctx);
}

static void ask_applied(void *ctx, struct bus_peer *p)
{
    const struct bus_verb_call m = {.verb = str_lit("applied")};
    struct verb_call *c = ctx;

    c->waiting++;
    bus_call(c->admin->bus, p, BUS_verb_call, &m, APPLIED_MS, applied, c);
}

void verb_wait_applied(struct verb_call *c)
{
    if (c->admin->bus)
        bus_each(c->admin->bus, ROLE_receive, ask_applied, c);
    if (c->admin->bus)
        bus_each(c->admin->bus, ROLE_shell, ask_applied, c);
    verb_wait(c);
}

/* index UINT_MAX: every present process. */
static void ask_role(struct verb_call *c, enum role role, unsigned index, const char *verb, struct strs args)
{
    struct asking q = {.call = c, .msg = {.verb = str_c(verb), .user = c->user}};
    struct bus_peer *one = c->admin->bus && index != UINT_MAX ? bus_peer(c->admin->bus, role, index) : NULL;
    struct buf b = BUF(VERB_REQUEST_MAX);

    for (size_t i = 0; i < args.n; i++)
        buf_put_str(&b, args.items[i]);
    q.msg.args = buf_str(&b);
    if (one)
        ask_one(&q, one);
    else if (c->admin->bus && index == UINT_MAX)
        bus_each(c->admin->bus, role, ask_one, &q);
    buf_done(&b);
    if (q.asked == 0 && !(role == ROLE_receive && !conf_receives(&c->admin->current->conf))) {
        buf_addf(&c->text, "The %s service is not running; try again in a moment.\n", role_name(role));
        c->rc = RC_UNAVAILABLE;
    }
}

void verb_ask(struct verb_call *c, enum role role, const char *verb, struct strs args)
{
    ask_role(c, role, UINT_MAX, verb, args);
}

void verb_ask_one(struct verb_call *c, enum role role, unsigned index, const char *verb, struct strs args)
{
    ask_role(c, role, index, verb, args);
}

/* A row whose work is the session's: reached only when somebody asks control for it directly. */
void verb_none(struct verb_call *c)
{
    buf_addf(&c->text, "%s works in a session only (ssh, postern cli)\n", c->verb->name);
    verb_end(c, RC_UNKNOWN_COMMAND);
}
