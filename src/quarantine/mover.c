/*
 * What was held here before the quarantines were on the manager goes there, message by message (central.md 9, Migration).
 *
 * Called by a timer, by settings and by mover_send.c with answers. Owns a mover for each class and its messages under way. A
 * message is marked, durably, before it is sent, and stays until the manager's 250: until an answer is known nothing is
 * decided about it here. Whoever dies, it is sent again, and the manager knows its key. What the manager does not take as it
 * is stays here and is tried each hour; everything else makes the run wait until the manager answers that it is ready
 * (mover_ask.c). The same happens with mail that was held here while the manager was away (pvo.fallback_ms).
 */
#include "quarantine/mover.h"

#include "base/clock.h"
#include "base/must.h"
#include "conf/hidden.h"
#include "smtp/results.h"

#include <stdio.h>
#include <stdlib.h>

enum { REFUSED_MS = 3600000, SOON_MS = 1, SOURCES = 256, MAP_MS = 3600000 };

static const uint64_t UNDER_WAY = 1ULL << 60; /* `next` of a message whose answer is awaited */

bool mover_has(struct quarantine *q, uint64_t message)
{
    return sql_number(&q->sql, Q_moving_doubtful, 0, "i", message) != 0;
}

struct str mover_why(const struct quarantine *q, uint64_t class)
{
    const struct mover *m = class < POOLS ? q->movers[class] : NULL;

    return m && m->state == MOVER_WAITING ? str_c(m->why) : STR_NONE;
}

struct str mover_manager(const struct mover *m)
{
    const struct conf *c = quarantine_conf(m->q);

    for (size_t i = 0; i < c->manager.n; i++)
        if (c->manager.items[i].destination && c->manager.items[i].serial.n)
            return c->manager.items[i].name;
    return STR_NONE;
}

bool mover_wanted(const struct mover *m)
{
    const struct conf *c = quarantine_conf(m->q);

    if (conf_is_manager(c) || !mover_manager(m).n)
        return false;
    return m->class == CPQ_SPAM ? c->spam_quarantine.central && c->spam_quarantine.migrate : c->pvo.central;
}

/* An operator's suspenddel stops this too. */
static bool paused(const struct mover *m)
{
    return m->q->o.board && board_gauge(m->q->o.board, GAUGE_DELIVERY_SUSPENDED);
}

static struct run own_run(const struct mover *m)
{
    struct run r;

    run_get(m->q, m->class, 0, &r);
    return r;
}

static struct mover_slot *free_slot(struct mover *m)
{
    for (size_t i = 0; i < MOVES_AT_ONCE; i++)
        if (!m->slots[i].id)
            return &m->slots[i];
    return NULL;
}

/* ---- which ------------------------------------------------------------------------------------------------------------ */

static size_t some_of(struct mover *m, sqlite3_stmt *st, uint64_t *out, size_t n, size_t most)
{
    while (n < most && sql_step(&m->q->sql, st)) {
        uint64_t id = sql_u64(st, 0);
        bool twice = false;

        for (size_t i = 0; i < n; i++)
            twice = twice || out[i] == id; /* in several quarantines */
        if (!twice)
            out[n++] = id;
    }
    sqlite3_reset(st);
    return n;
}

static size_t next_messages(struct mover *m, uint64_t *out, size_t most)
{
    struct sql *sql = &m->q->sql;
    uint64_t sources[SOURCES], now = clock_wall_ms();
    size_t n = 0, n_sources;

    if (m->class == CPQ_SPAM)
        return some_of(m, sql_bind(sql, Q_move_next_spam, "ii", now, (uint64_t)most), out, 0, most);
    n_sources = some_of(m, sql_bind(sql, Q_move_sources, ""), sources, 0, SOURCES);
    for (size_t i = 0; i < n_sources && n < most; i++)
        n = some_of(m, sql_bind(sql, Q_move_next, "iii", sources[i], now, (uint64_t)most), out, n, most);
    return n;
}

bool mover_has_more(struct mover *m)
{
    uint64_t id;

    return next_messages(m, &id, 1) > 0;
}

static uint64_t left(struct mover *m)
{
    sqlite3_stmt *st = sql_bind(&m->q->sql, Q_pool, "i", (uint64_t)m->class);
    uint64_t all = sql_step(&m->q->sql, st) ? sql_u64(st, 0) : 0, stay;

    sqlite3_reset(st);
    stay = m->class == CPQ_PVO ? sql_number(&m->q->sql, Q_stay_count, 0, "") : 0;
    stay += sql_number(&m->q->sql, Q_moving_refused, 0, "i", (uint64_t)m->class);
    return all > stay ? all - stay : 0;
}

/* ---- answers ---------------------------------------------------------------------------------------------------------- */

static void turn(void *ctx);

void mover_later(struct mover *m, uint64_t ms)
{
    loop_timer_set(m->q->o.loop, &m->timer, ms, turn, m);
}

static bool is_taken(const struct mover_slot *s)
{
    return s->rc == RC_OK && s->result.outcome == 0 && s->result.class == RESULT_DELIVERED;
}

static bool is_refused(const struct mover_slot *s)
{
    return s->rc == RC_OK && (s->result.outcome == 2 || (s->result.outcome == 0 && s->result.reason == REASON_SET_ASIDE));
}

/* The manager may have it all the same: nothing that was answered says no. */
static bool is_doubtful(const struct mover_slot *s)
{
    return !s->fresh || s->rc != RC_OK || (s->result.outcome == 0 && s->result.code == 0);
}

static void settle_taken(struct mover *m, uint64_t id, struct run *r)
{
    struct arena a;
    struct held h;

    arena_init(&a, 4096, 1 << 20);
    if (held_get(m->q, id, &a, &h)) {
        decide_moved(m->q, &h);
        r->moved++;
        r->ever++;
        run_put(m->q, r);
    }
    arena_done(&a);
    m->wait_ms = MOVER_WAIT_MS;
    m->told_why = false;
}

static void settle(struct mover *m, struct mover_slot *s, struct run *r)
{
    uint64_t id = s->id;

    if (is_taken(s)) {
        settle_taken(m, id, r);
    } else if (is_refused(s)) {
        sql_run(&m->q->sql, Q_moving_later, "iii", id, clock_wall_ms() + REFUSED_MS, (uint64_t)is_doubtful(s));
    } else {
        if (is_doubtful(s))
            sql_run(&m->q->sql, Q_moving_later, "iii", id, (uint64_t)0, (uint64_t)1);
        else
            sql_run(&m->q->sql, Q_moving_drop, "i", id);
        snprintf(m->why, sizeof m->why, "%s", s->text[0] ? s->text : "the manager was not reached");
    }
    *s = (struct mover_slot){.mover = m};
    m->n_slots--;
}

static bool has_answers(const struct mover *m)
{
    for (size_t i = 0; i < MOVES_AT_ONCE; i++)
        if (m->slots[i].id && !m->slots[i].call)
            return true;
    return false;
}

/* ---- a run ------------------------------------------------------------------------------------------------------------ */

static size_t mark_more(struct mover *m, struct mover_slot **out)
{
    uint64_t ids[MOVES_AT_ONCE];
    size_t n = m->why[0] || paused(m) || !mover_wanted(m) ? 0 : next_messages(m, ids, MOVES_AT_ONCE - m->n_slots);

    for (size_t i = 0; i < n; i++) {
        struct mover_slot *s = free_slot(m);

        *s = (struct mover_slot){.mover = m, .id = ids[i], .fresh = !mover_has(m->q, ids[i])};
        sql_run(&m->q->sql, Q_moving_add, "ii", ids[i], UNDER_WAY);
        if (s->fresh)
            mover_say(m, ids[i]);
        m->n_slots++;
        out[i] = s;
    }
    return n;
}

/* Everything answered, and everything that goes next, in one transaction. */
static void pump(struct mover *m)
{
    struct mover_slot *sent[MOVES_AT_ONCE];
    struct run r = own_run(m);
    struct err e = ERR_NONE;
    size_t n;

    decide_begin(m->q);
    for (size_t i = 0; i < MOVES_AT_ONCE; i++)
        if (m->slots[i].id && !m->slots[i].call)
            settle(m, &m->slots[i], &r);
    n = mark_more(m, sent);
    if (decide_end(m->q, &e) != RC_OK) {
        snprintf(m->why, sizeof m->why, "%s", err_text(&e));
        for (size_t i = 0; i < n; i++)
            *sent[i] = (struct mover_slot){.mover = m};
        m->n_slots -= n;
        return;
    }
    for (size_t i = 0; i < n; i++)
        mover_send(sent[i]);
    run_progress(m->q, &r, mover_manager(m));
}

void mover_run(struct mover *m)
{
    struct run r = own_run(m);

    m->map_until_ms = loop_now_ms(m->q->o.loop) + MAP_MS;
    if (!mover_has_more(m) || !mover_wanted(m)) {
        m->state = MOVER_IDLE;
        mover_later(m, SOON_MS);
        return;
    }
    if (r.state == RUN_DONE && sql_number(&m->q->sql, Q_moving_refused, 0, "i", (uint64_t)m->class))
        r.state = RUN_RUNNING; /* what was not taken is tried once more: it belongs to that run */
    else if (r.state != RUN_RUNNING)
        r = (struct run){.class = m->class, .id = random_u64() >> 11 | 1, .state = RUN_RUNNING, .ever = r.ever};
    r.total = r.moved + left(m);
    m->n = r.moved;
    m->why[0] = '\0';
    m->state = MOVER_RUNNING;
    run_put(m->q, &r);
    run_progress(m->q, &r, mover_manager(m));
    run_gauge(m->q);
    mover_later(m, SOON_MS);
}

void mover_wait(struct mover *m, struct str why)
{
    struct run r = own_run(m);

    m->state = MOVER_WAITING;
    if (why.p != m->why)
        snprintf(m->why, sizeof m->why, "%.*s", STR(str_first(why, sizeof m->why - 1)));
    if (!m->told_why && r.state == RUN_RUNNING)
        event(m->q->o.events, migration_waits, .host = mover_manager(m), .spam = m->class == CPQ_SPAM, .moved = r.moved,
              .total = r.total, .why = why);
    m->told_why = r.state == RUN_RUNNING;
    mover_later(m, m->wait_ms);
    m->wait_ms = 2 * m->wait_ms < MOVER_WAIT_MAX_MS ? 2 * m->wait_ms : MOVER_WAIT_MAX_MS;
}

void mover_end(struct mover *m, enum run_state state)
{
    struct quarantine *q = m->q;
    struct run r = own_run(m);
    uint64_t doubtful = sql_number(&q->sql, Q_moving_count, 0, "i", (uint64_t)m->class);
    uint64_t refused = sql_number(&q->sql, Q_moving_refused, 0, "i", (uint64_t)m->class);
    bool spam = m->class == CPQ_SPAM;

    if (r.state == RUN_RUNNING) {
        r.state = state;
        r.total = state == RUN_DONE_UNTOLD ? r.moved + refused : r.total;
        run_put(q, &r);
        if (state == RUN_DONE_UNTOLD)
            event(q->o.events, migration_done, .host = mover_manager(m), .spam = spam, .moved = r.moved, .refused = refused);
        else
            event(q->o.events, migration_stopped, .host = mover_manager(m), .spam = spam, .moved = r.moved, .total = r.total,
                  .doubtful = doubtful);
        run_gauge(q);
    }
    if (state == RUN_STOPPED_UNTOLD)
        sql_run(&q->sql, Q_moving_clear, "i", (uint64_t)m->class);
    m->state = MOVER_IDLE;
    mover_later(m, SOON_MS);
}

/* ---- what is next ----------------------------------------------------------------------------------------------------- */

/* What is left out may have got a place on the manager meanwhile. */
static bool map_is_old(struct mover *m)
{
    return m->class == CPQ_PVO && loop_now_ms(m->q->o.loop) >= m->map_until_ms &&
           sql_number(&m->q->sql, Q_stay_count, 0, "");
}

/* Nothing is under way: what is marked so was sent in a life before, or its answer could not be written down. */
static void awake(struct mover *m)
{
    sql_run(&m->q->sql, Q_moving_awake, "ii", UNDER_WAY, (uint64_t)m->class);
}

static void idle(struct mover *m)
{
    struct run r = own_run(m);

    if (mover_wanted(m) && (mover_has_more(m) || map_is_old(m)))
        mover_ask(m, "");
    else if (r.state == RUN_RUNNING)
        mover_end(m, mover_wanted(m) ? RUN_DONE_UNTOLD : RUN_STOPPED_UNTOLD);
    else if ((r.state == RUN_DONE_UNTOLD || r.state == RUN_STOPPED_UNTOLD) && mover_manager(m).n)
        mover_ask(m, r.state == RUN_DONE_UNTOLD ? "migration-done" : "migration-stopped");
    else
        mover_later(m, MOVER_LOOK_MS);
}

static void asking(struct mover *m)
{
    (void)m; /* the answer goes on */
}

static void running(struct mover *m)
{
    if (has_answers(m) || !m->n_slots)
        pump(m);
    if (has_answers(m)) /* could not even be sent */
        mover_later(m, SOON_MS);
    else if (m->n_slots)
        return;
    else if (m->why[0] && mover_wanted(m))
        mover_wait(m, str_c(m->why));
    else if (paused(m) && mover_wanted(m))
        mover_later(m, MOVER_LOOK_MS);
    else
        m->state = MOVER_IDLE, mover_later(m, SOON_MS);
}

static void waiting(struct mover *m)
{
    awake(m);
    m->state = MOVER_IDLE;
    idle(m);
}

static void turn(void *ctx)
{
    static void (*const next[MOVER_STATES])(struct mover * m) = {
        [MOVER_IDLE] = idle, [MOVER_ASKING] = asking, [MOVER_RUNNING] = running, [MOVER_WAITING] = waiting};
    struct mover *m = ctx;

    if (m->q->stopping)
        return;
    if (m->q->sql.open)
        mover_later(m, SOON_MS);
    else
        next[m->state](m);
}

/* ---- beginning and end ------------------------------------------------------------------------------------------------ */

void mover_settings(struct quarantine *q)
{
    run_gauge(q);
    for (size_t i = 0; i < POOLS; i++) {
        struct mover *m = q->movers[i];

        if (!m)
            continue;
        m->map_until_ms = 0;
        if (m->state != MOVER_WAITING)
            continue;
        m->wait_ms = MOVER_WAIT_MS;
        mover_later(m, SOON_MS);
    }
}

void mover_init(struct quarantine *q)
{
    run_gauge(q);
    if (!q->o.bus)
        return;
    for (size_t i = 0; i < POOLS; i++) {
        struct mover *m = calloc(1, sizeof *m);

        must(m);
        m->q = q;
        m->class = (enum cpq_class)i;
        m->wait_ms = MOVER_WAIT_MS;
        for (size_t k = 0; k < MOVES_AT_ONCE; k++)
            m->slots[k].mover = m;
        q->movers[i] = m;
        awake(m);
        mover_later(m, MOVER_LOOK_MS);
    }
}

void mover_done(struct quarantine *q)
{
    for (size_t i = 0; i < POOLS; i++) {
        struct mover *m = q->movers[i];

        if (!m)
            continue;
        loop_timer_cancel(q->o.loop, &m->timer);
        if (m->call)
            bus_cancel(q->o.bus, m->call);
        for (size_t k = 0; k < MOVES_AT_ONCE; k++)
            if (m->slots[k].call)
                bus_cancel(q->o.bus, m->slots[k].call);
        free(m);
        q->movers[i] = NULL;
    }
}
