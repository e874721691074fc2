/*
 * quarantine release, delete, delay, move, copy; spamquarantine release, delete.
 *
 * Called by verbs.c. Owns nothing. A portion of messages a turn, each one durable transaction; the answer comes when all are
 * decided.
 * Without a quarantine named (from=NAME, or the condition quarantine=) a message is decided in all where the user may.
 */
#include "base/clock.h"
#include "mail/address.h"
#include "quarantine/verbs.h"

enum { HOLDS = 100, PORTION = 200, ACT_MOST = 1000000 };

enum act { ACT_RELEASE, ACT_DELETE, ACT_DELAY, ACT_MOVE, ACT_COPY };

struct action {
    enum act what;
    struct search s;
    struct str from; /* quarantine named by from=; empty = all */
    struct str to;   /* of a move or a copy */
    uint64_t until_ms;
    bool safelist;
    uint64_t *ids;
    size_t n, at, done;
    bool moving; /* one of them is on its way to the manager */
};

/* Words that are no condition. */
static enum rc read_words(struct question *v, struct action *x)
{
    size_t kept = v->next;

    search_init(&x->s, &v->arena, v->spam);
    for (size_t i = v->next; i < v->n_args; i++) {
        struct str word = v->args[i];

        if (!v->spam && str_startsi(word, str_lit("from=")) &&
            conf_find(&quarantine_conf(v->q)->quarantine, str_from(word, 5)))
            x->from = str_from(word, 5);
        else if (v->spam && str_eqi(word, str_lit("--safelist")))
            x->safelist = true;
        else if (!str_eqi(word, str_lit("-y")))
            v->args[kept++] = word;
    }
    v->n_args = kept;
    TRY(question_words(v, &x->s));
    if (!x->s.n_ids && !x->s.conditions)
        return question_say(v, RC_SYNTAX, "Which messages? Give their numbers, or conditions KEY=VALUE.");
    if (x->from.n && !question_may(v, conf_find(&quarantine_conf(v->q)->quarantine, x->from)))
        return question_say(v, RC_NOT_PERMITTED, "You may not see the quarantine %.*s.", STR(x->from));
    return RC_OK;
}

static bool chosen(struct question *v, const struct action *x, const struct hold_line *h)
{
    bool in = !x->s.some_quarantine || x->s.n_ids;

    if (h->state != HOLD_HELD || !h->visible)
        return false;
    if (x->from.n)
        return str_eqi(h->name, x->from);
    for (size_t i = 0; i < x->s.n_quarantines && !in; i++)
        in = x->s.quarantines[i] == h->quarantine;
    (void)v;
    return in;
}

static enum rc decide_one(struct question *v, const struct action *x, uint64_t id, const struct hold_line *h)
{
    switch (x->what) {
    case ACT_RELEASE:
        return decide_hold(v->q, id, h->quarantine, HOLD_RELEASE, BY_HAND, v->user);
    case ACT_DELETE:
        return decide_hold(v->q, id, h->quarantine, HOLD_DELETE, BY_HAND, v->user);
    case ACT_DELAY:
        return decide_delay(v->q, id, h->quarantine, h->exit + x->until_ms, v->user);
    case ACT_MOVE:
        return decide_move(v->q, id, h->quarantine, x->to, v->user);
    default:
        return RC_NOT_FOUND;
    }
}

/* One message; true when something was done with it. */
static bool act_on(struct question *v, struct action *x, uint64_t id)
{
    struct arena_mark mark = arena_mark(&v->arena);
    struct hold_line holds[HOLDS];
    bool done = false;
    size_t n;

    if (v->spam) {
        enum rc rc =
            decide_entry(v->q, id, x->what == ACT_RELEASE ? HOLD_RELEASE : HOLD_DELETE, BY_HAND, v->user, x->safelist);

        x->moving = x->moving || rc == RC_CONFLICT;
        return rc == RC_OK;
    }
    x->moving = x->moving || mover_has(v->q, id);
    n = question_holds(v, id, holds, HOLDS);
    for (size_t i = 0; i < n; i++) {
        if (!chosen(v, x, &holds[i]))
            continue;
        if (x->what == ACT_COPY)
            return decide_copy(v->q, id, x->to, v->user) == RC_OK;
        done = decide_one(v, x, id, &holds[i]) == RC_OK || done;
    }
    arena_rewind(&v->arena, mark);
    return done;
}

static enum rc act_said(struct question *v, const struct action *x)
{
    static const char *const did[] = {"released", "deleted", "delayed", "moved", "copied"};

    buf_addf(&v->json, "{\"action\":\"%s\",\"messages\":%zu}", did[x->what], x->done);
    if (!x->done && x->moving)
        return question_say(v, RC_CONFLICT,
                            "It is on its way to the manager: nothing is decided here until that has answered.");
    if (!x->done)
        return question_say(v, RC_NOT_FOUND, "No such message is held.");
    return question_say(v, RC_OK, "%zu message%s %s.", x->done, x->done == 1 ? "" : "s", did[x->what]);
}

/* A portion a turn: mail goes on meanwhile. */
static void act_on_portion(void *ctx)
{
    struct question *v = ctx;
    struct action *x = v->state;
    size_t end = x->at + PORTION < x->n ? x->at + PORTION : x->n;
    struct err e = ERR_NONE;

    decide_begin(v->q);
    for (; x->at < end; x->at++)
        x->done += act_on(v, x, x->ids[x->at]);
    if (decide_end(v->q, &e) != RC_OK) {
        question_answer(v, question_say(v, e.rc, "%s", err_text(&e)));
        return;
    }
    if (x->at < x->n)
        loop_timer_set(v->q->o.loop, &v->timer, 1, act_on_portion, v);
    else
        question_answer(v, act_said(v, x));
}

static enum rc find(struct question *v, struct action *x)
{
    size_t most = x->s.n_ids ? x->s.n_ids : ACT_MOST;
    struct err e = ERR_NONE;
    bool more = false;

    x->ids = arena_array(&v->arena, uint64_t, most + 1);
    if (!x->ids)
        return question_say(v, RC_NO_MEMORY, "out of memory");
    if (search_run(v->q, &x->s, x->ids, most, &x->n, &more, &e) != RC_OK)
        return question_say(v, e.rc, "%s", err_text(&e));
    return RC_OK;
}

static enum rc act(struct question *v, const struct action *made)
{
    struct action *x = arena_new(&v->arena, struct action);

    if (!x)
        return RC_NO_MEMORY;
    *x = *made;
    TRY(read_words(v, x));
    TRY(find(v, x));
    if (!x->n)
        return act_said(v, x);
    v->state = x;
    v->pending = true;
    loop_timer_set(v->q->o.loop, &v->timer, 0, act_on_portion, v); /* answering frees the question: not from within it */
    return RC_OK;
}

enum rc question_count(struct question *v)
{
    struct action x = {0};

    TRY(read_words(v, &x));
    TRY(find(v, &x));
    buf_addf(&v->json, "{\"messages\":%zu}", x.n);
    return question_say(v, RC_OK, "%zu", x.n);
}

enum rc question_release(struct question *v)
{
    return act(v, &(struct action){.what = ACT_RELEASE});
}

enum rc question_delete(struct question *v)
{
    return act(v, &(struct action){.what = ACT_DELETE});
}

/* Hours, or 8h, 24h, 48h, 2d, 1w. */
static bool read_hours(struct str word, uint64_t *ms)
{
    static const char suffixes[] = "hdw";
    static const uint64_t hours[] = {1, 24, 168};
    uint64_t factor = 1;
    const char *at = word.n ? strchr(suffixes, ascii_lower(word.p[word.n - 1])) : NULL;

    if (at && *at) {
        factor = hours[at - suffixes];
        word = str_first(word, word.n - 1);
    }
    if (!str_u64(word, ms) || !*ms || *ms > 87600)
        return false;
    *ms *= factor * 3600000;
    return true;
}

enum rc question_delay(struct question *v)
{
    struct action x = {.what = ACT_DELAY};

    if (v->next >= v->n_args || !read_hours(v->args[v->next++], &x.until_ms))
        return RC_SYNTAX;
    return act(v, &x);
}

enum rc question_move(struct question *v)
{
    const struct conf_quarantine *row;
    struct action x = {.what = ACT_MOVE};

    if (v->next >= v->n_args)
        return RC_SYNTAX;
    row = conf_find(&quarantine_conf(v->q)->quarantine, v->args[v->next++]);
    if (!row)
        return question_say(v, RC_NOT_FOUND, "There is no such quarantine.");
    if (!question_may(v, row))
        return question_say(v, RC_NOT_PERMITTED, "You may not see the quarantine %.*s.", STR(row->name));
    x.to = row->name;
    return act(v, &x);
}

enum rc question_copy(struct question *v)
{
    struct action x = {.what = ACT_COPY};
    struct str local, domain;

    if (!question_is_administrator(v))
        return question_say(v, RC_NOT_PERMITTED, "Only administrators may send copies.");
    if (v->next >= v->n_args)
        return RC_SYNTAX;
    x.to = v->args[v->next++];
    if (x.to.n > ADDRESS_MAX || !address_cut(x.to, &local, &domain) || !local.n || !address_is_domain(domain, true))
        return question_say(v, RC_SYNTAX, "Expected the address to send the copy to.");
    return act(v, &x);
}
