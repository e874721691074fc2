/*
 * Mail held here because the manager was away, on its way there. See drain.h.
 *
 * Called by a timer, decide.c, leave.c and store.c. Owns the questions under way. While something is marked and its class is
 * central, every deliver process is asked whether the manager takes mail (each has its own view of who is away); when all
 * say so, portions leave each second until they are asked again. An answer that does not come counts as no.
 */
#include "quarantine/drain.h"

#include "base/clock.h"
#include "base/must.h"
#include "smtp/cpq_status.h"

#include <stdlib.h>

enum { TICK_MS = 1000, ASK_EVERY_MS = 10000, ASK_MS = 60000, PORTION = 500, DELIVERERS = 16 };

struct drain_ask {
    struct quarantine *q;
    enum cpq_class class;
    uint64_t call; /* 0 = none */
};

struct drains {
    struct loop_timer timer;
    struct {
        struct drain_ask asks[DELIVERERS];
        size_t open; /* asks without an answer */
        bool all;    /* none has said no */
        bool begun;  /* it was said that mail goes */
        uint64_t ask_ms, until_ms;
        uint64_t gone;
    } of[POOLS];
};

static bool is_central(const struct quarantine *q, enum cpq_class class)
{
    const struct conf *c = quarantine_conf(q);

    return class == CPQ_SPAM ? c->spam_quarantine.central : c->pvo.central;
}

/* ---- messages ------------------------------------------------------------------------------------------------------------
 */

static void change(struct quarantine *q, uint64_t message, enum hold_state from, enum hold_state to)
{
    sql_run(&q->sql, Q_drain_holds, "iii", message, (uint64_t)from, (uint64_t)to);
    sql_run(&q->sql, Q_drain_entries, "iii", message, (uint64_t)from, (uint64_t)to);
}

size_t drain_some(struct quarantine *q, enum cpq_class class, size_t most)
{
    sqlite3_stmt *st = sql_bind(&q->sql, Q_drain_next, "ii", (uint64_t) class, (uint64_t)(most < PORTION ? most : PORTION));
    uint64_t ids[PORTION];
    size_t n = 0;
    struct err e = ERR_NONE;

    while (n < PORTION && sql_step(&q->sql, st))
        ids[n++] = sql_u64(st, 0);
    sqlite3_reset(st);
    if (!n)
        return 0;
    decide_begin(q);
    for (size_t i = 0; i < n; i++) {
        change(q, ids[i], HOLD_HELD, HOLD_DRAINING);
        sql_run(&q->sql, Q_leave_add, "iiisbii", new_leave(), ids[i], (uint64_t)0, STR_NONE, STR_NONE, (uint64_t)LEAVE_DRAIN,
                clock_wall_ms());
    }
    return decide_end(q, &e) == RC_OK ? n : 0;
}

void drain_left(struct quarantine *q, const struct held *h)
{
    sql_run(&q->sql, Q_key_drop, "iiii", h->class, h->serial_id, h->mid, h->id);
    if (q->drains && h->class < POOLS)
        q->drains->of[h->class].gone++;
}

void drain_back(struct quarantine *q, uint64_t id)
{
    struct err e = ERR_NONE;

    if (!sql_number(&q->sql, Q_leave_drain, 0, "i", id))
        return;
    decide_begin(q);
    sql_run(&q->sql, Q_drain_cancel, "i", id);
    change(q, id, HOLD_DRAINING, HOLD_HELD);
    decide_end(q, &e);
}

/* ---- does the manager take mail?
 * ------------------------------------------------------------------------------------------
 */

static bool is_ready(const struct bus_manager_status *m)
{
    struct arena a;
    bool ready;

    arena_init(&a, 1024, 1 << 20);
    ready = m->answered && str_eq(cpq_status_value(&a, m->lines, "state"), str_lit("ready"));
    arena_done(&a);
    return ready;
}

static void answered(void *ctx, enum rc rc, const void *msg)
{
    struct drain_ask *a = ctx;
    struct quarantine *q = a->q;
    uint64_t now = loop_now_ms(q->o.loop);

    a->call = 0;
    q->drains->of[a->class].open--;
    if (rc != RC_OK || !is_ready(msg))
        q->drains->of[a->class].all = false;
    if (!q->drains->of[a->class].open && q->drains->of[a->class].all)
        q->drains->of[a->class].until_ms = now + ASK_EVERY_MS;
}

static void ask(struct quarantine *q, enum cpq_class class)
{
    struct drains *d = q->drains;

    d->of[class].ask_ms = loop_now_ms(q->o.loop) + ASK_EVERY_MS;
    d->of[class].all = true;
    for (unsigned i = 0; i < DELIVERERS; i++) {
        struct bus_peer *p = bus_peer(q->o.bus, ROLE_deliver, i);

        if (!p)
            continue;
        d->of[class].asks[i] = (struct drain_ask){q, class, 0};
        d->of[class].open++;
        d->of[class].asks[i].call = bus_call(q->o.bus, p, BUS_manager_question,
                                             &(struct bus_manager_question){.class = str_c(cpq_class_name(class))}, ASK_MS,
                                             answered, &d->of[class].asks[i]);
    }
}

static uint64_t waiting(struct quarantine *q, enum cpq_class class)
{
    return sql_number(&q->sql, Q_drain_count, 0, "i", (uint64_t) class);
}

uint64_t drain_waiting(struct quarantine *q)
{
    return waiting(q, CPQ_PVO) + waiting(q, CPQ_SPAM);
}

static void go_on(struct quarantine *q, enum cpq_class class)
{
    struct drains *d = q->drains;
    uint64_t leaving = sql_number(&q->sql, Q_drain_leaving, 0, "");
    size_t n = leaving < PORTION ? drain_some(q, class, PORTION - (size_t)leaving) : 0;

    if (n && !d->of[class].begun)
        event(q->o.events, fallback_drains, .messages = waiting(q, class));
    d->of[class].begun = d->of[class].begun || n;
}

static void look(struct quarantine *q, enum cpq_class class)
{
    struct drains *d = q->drains;
    uint64_t now = loop_now_ms(q->o.loop);

    if (!sql_number(&q->sql, Q_drain_has, 0, "i", (uint64_t) class)) {
        if (d->of[class].begun)
            event(q->o.events, fallback_drained, .messages = d->of[class].gone);
        d->of[class].begun = false;
        d->of[class].gone = 0;
        return;
    }
    if (!is_central(q, class))
        return;
    if (now < d->of[class].until_ms)
        go_on(q, class);
    else if (!d->of[class].open && now >= d->of[class].ask_ms)
        ask(q, class);
}

static void tick(void *ctx)
{
    struct quarantine *q = ctx;

    if (q->stopping)
        return;
    for (enum cpq_class class = CPQ_PVO; class <= CPQ_SPAM && !q->sql.open; class ++)
        look(q, class);
    loop_timer_set(q->o.loop, &q->drains->timer, TICK_MS, tick, q);
}

void drain_init(struct quarantine *q)
{
    if (!q->o.bus)
        return;
    q->drains = calloc(1, sizeof *q->drains);
    must(q->drains);
    loop_timer_set(q->o.loop, &q->drains->timer, TICK_MS, tick, q);
}

void drain_done(struct quarantine *q)
{
    if (!q->drains)
        return;
    loop_timer_cancel(q->o.loop, &q->drains->timer);
    for (size_t class = 0; class < POOLS; class ++)
        for (size_t i = 0; i < DELIVERERS; i++)
            if (q->drains->of[class].asks[i].call)
                bus_cancel(q->o.bus, q->drains->of[class].asks[i].call);
    free(q->drains);
    q->drains = NULL;
}
