/*
 * Operator verbs: table, arguments, rights, answers.
 *
 * Called by the bus (verb_call of control). Owns each question until it is answered, in the same turn or, when many messages
 * are decided, some turns later. Administrators may everything; technicians nothing; others what the quarantine's settings
 * name (users, groups).
 */
#include "quarantine/verbs.h"

#include "base/must.h"
#include "event/render.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

/* user.role */
enum { ROLE_ADMINISTRATOR, ROLE_TECHNICIAN = 4 };

static const struct {
    const char *name;
    enum rc (*run)(struct question *v);
    bool pvo_only;
} verbs[] = {
    {"list", question_list, false},  {"search", question_search, false},   {"count", question_count, false},
    {"show", question_show, false},  {"release", question_release, false}, {"delete", question_delete, false},
    {"delay", question_delay, true}, {"move", question_move, true},        {"copy", question_copy, true},
};

/* Verbs of their own. */
static const struct {
    const char *verb;
    enum rc (*run)(struct question *v);
} others[] = {{"pvoconfig", question_status},
              {"outbreakstatus", question_outbreak_status},
              {"outbreakupdate", question_outbreak_update}};

enum rc question_say(struct question *v, enum rc rc, const char *fmt, ...)
{
    va_list ap;

    va_start(ap, fmt);
    buf_addfv(&v->text, fmt, ap);
    va_end(ap);
    buf_addc(&v->text, '\n');
    return rc;
}

void question_time(struct buf *out, uint64_t ms)
{
    char when[24];

    if (!ms || ms > 200000000000000ULL) {
        buf_add(out, ms ? str_lit("never") : str_lit("-"));
        return;
    }
    render_ctime(ms, when);
    buf_add(out, str_of(when, 24));
}

/* ---- rights ------------------------------------------------------------------------------------------------------------
 */

static const struct conf_user *user_of(const struct question *v)
{
    return conf_find(&quarantine_conf(v->q)->user, v->user);
}

bool question_is_administrator(const struct question *v)
{
    const struct conf_user *u = user_of(v);

    return !v->user.n || str_eq(v->user, str_lit("admin")) || (u && u->role == ROLE_ADMINISTRATOR);
}

static bool named(struct strs list, struct str name)
{
    for (size_t i = 0; i < list.n; i++)
        if (str_eqi(list.items[i], name))
            return true;
    return false;
}

static bool may(const struct question *v, struct strs users, struct strs groups)
{
    static const char *const roles[] = {"administrator", "operator",   "read_only_operator",
                                        "guest",         "technician", "help_desk"};
    const struct conf_user *u = user_of(v);

    if (question_is_administrator(v))
        return true;
    if (!u || u->role >= sizeof roles / sizeof *roles || u->role == ROLE_TECHNICIAN)
        return false;
    return named(users, u->name) || named(groups, str_c(roles[u->role]));
}

bool question_may(const struct question *v, const struct conf_quarantine *row)
{
    return row && may(v, row->users, row->groups);
}

bool question_may_spam(const struct question *v)
{
    const struct conf_spam_quarantine *s = &quarantine_conf(v->q)->spam_quarantine;

    return may(v, s->users, s->groups);
}

/* Those he named, all of which he must be allowed; or all that he is allowed. */
static enum rc allowed_quarantines(struct question *v, struct search *s)
{
    const struct conf *c = quarantine_conf(v->q);
    uint64_t wanted[64];
    size_t n = s->n_quarantines;

    memcpy(wanted, s->quarantines, n * sizeof *wanted);
    s->n_quarantines = 0;
    for (size_t i = 0; i < c->quarantine.n && s->n_quarantines < 64; i++) {
        const struct conf_quarantine *row = &c->quarantine.items[i];
        uint64_t id = sql_number(&v->q->sql, Q_quarantine_id, 0, "s", row->name);
        bool in = !s->some_quarantine;

        for (size_t k = 0; k < n; k++)
            in = in || wanted[k] == id;
        if (in && id && question_may(v, row))
            s->quarantines[s->n_quarantines++] = id;
        else if (in && s->some_quarantine)
            return question_say(v, RC_NOT_PERMITTED, "You may not see the quarantine %.*s.", STR(row->name));
    }
    return RC_OK;
}

enum rc question_words(struct question *v, struct search *s)
{
    struct err e = ERR_NONE;

    if (!s->a)
        search_init(s, &v->arena, v->spam);
    for (; v->next < v->n_args; v->next++)
        if (search_word(v->q, s, v->args[v->next], &e) != RC_OK)
            return question_say(v, e.rc, "%s", err_text(&e));
    return v->spam ? RC_OK : allowed_quarantines(v, s);
}

/* ---- rows ----------------------------------------------------------------------------------------------------------------
 */

size_t question_holds(struct question *v, uint64_t message, struct hold_line *out, size_t most)
{
    sqlite3_stmt *st = sql_bind(&v->q->sql, Q_hold_get, "i", message);
    const struct conf *c = quarantine_conf(v->q);
    size_t n = 0;

    while (n < most && sql_step(&v->q->sql, st)) {
        out[n] = (struct hold_line){.quarantine = sql_u64(st, 0),
                                    .name = arena_str(&v->arena, sql_str(st, 1)),
                                    .exit = sql_u64(st, 2),
                                    .action = sql_u64(st, 3),
                                    .entered = sql_u64(st, 4),
                                    .reason = arena_str(&v->arena, sql_str(st, 5)),
                                    .rule = arena_str(&v->arena, sql_str(st, 6)),
                                    .kind = sql_u64(st, 7),
                                    .state = sql_u64(st, 8)};
        out[n].visible = question_is_administrator(v) || question_may(v, conf_find(&c->quarantine, out[n].name));
        n++;
    }
    sqlite3_reset(st);
    return n;
}

bool question_entry(struct question *v, uint64_t id, struct entry_line *out)
{
    sqlite3_stmt *st = sql_bind(&v->q->sql, Q_entry_get, "i", id);
    bool there = sql_step(&v->q->sql, st);

    if (there)
        *out = (struct entry_line){.id = id,
                                   .message = sql_u64(st, 0),
                                   .recipient = arena_str(&v->arena, sql_str(st, 1)),
                                   .exit = sql_u64(st, 2),
                                   .received = sql_u64(st, 3),
                                   .size = sql_u64(st, 4),
                                   .state = sql_u64(st, 5)};
    sqlite3_reset(st);
    return there;
}

/* ---- questions
 * ------------------------------------------------------------------------------------------------------------ */

static enum rc run(struct question *v, struct str verb)
{
    for (size_t i = 0; i < sizeof others / sizeof *others; i++)
        if (str_eqi(verb, str_c(others[i].verb)))
            return others[i].run(v);
    if (v->spam && !question_may_spam(v))
        return question_say(v, RC_NOT_PERMITTED, "You may not see the spam quarantine.");
    if (!v->n_args)
        return RC_SYNTAX;
    v->next = 1;
    for (size_t i = 0; i < sizeof verbs / sizeof *verbs; i++)
        if (str_eqi(v->args[0], str_c(verbs[i].name)) && !(v->spam && verbs[i].pvo_only))
            return verbs[i].run(v);
    return RC_SYNTAX;
}

static bool take_words(struct question *v, struct str args)
{
    struct str one;

    while (args.n) {
        if (!get_str(&args, &one) || v->n_args == VERB_ARGS)
            return false;
        if (str_eqi(one, str_lit("--json")))
            v->as_json = true;
        else
            v->args[v->n_args++] = arena_str(&v->arena, one);
    }
    return true;
}

static void unlink_question(struct question *v)
{
    struct question **at = &v->q->questions;

    while (*at != v)
        at = &(*at)->following;
    *at = v->following;
}

static void question_free(struct question *v)
{
    unlink_question(v);
    loop_timer_cancel(v->q->o.loop, &v->timer);
    buf_done(&v->text);
    buf_done(&v->json);
    arena_done(&v->arena);
    free(v);
}

void question_answer(struct question *v, enum rc rc)
{
    struct bus_verb_reply r = {.rc = rc};

    if (v->text.failed || v->json.failed) {
        buf_clear(&v->json);
        buf_clear(&v->text);
        r.rc = question_say(v, RC_LIMIT, "The answer is too long.");
    }
    if (v->as_json && v->json.n)
        buf_addc(&v->json, '\n');
    r.json = buf_str(&v->json);
    r.text = v->as_json && v->json.n ? r.json : buf_str(&v->text);
    bus_reply(v->q->o.bus, v->from, v->call, BUS_verb_reply, &r);
    question_free(v);
}

static void on_verb(void *ctx, const struct bus_in *in)
{
    struct quarantine *q = ctx;
    const struct bus_verb_call *m = in->msg;
    struct question *v = calloc(1, sizeof *v);
    enum rc rc;

    must(v);
    *v = (struct question){
        .q = q, .from = in->from, .call = in->call, .text = BUF(VERB_TEXT_MAX), .json = BUF(VERB_TEXT_MAX)};
    v->following = q->questions;
    q->questions = v;
    arena_init(&v->arena, 4096, 64 << 20);
    v->user = arena_str(&v->arena, m->user);
    v->spam = str_eqi(m->verb, str_lit("spamquarantine"));
    if (!take_words(v, m->args))
        rc = question_say(v, RC_LIMIT, "Too many words.");
    else
        rc = run(v, m->verb);
    if (!v->pending)
        question_answer(v, rc);
}

void quarantine_verbs_init(struct quarantine *q)
{
    if (q->o.bus)
        bus_on(q->o.bus, BUS_verb_call, on_verb, q);
}

void quarantine_verbs_done(struct quarantine *q)
{
    while (q->questions)
        question_free(q->questions);
}
