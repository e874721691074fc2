/*
 * Asks the manager before anything moves: is it ready, and which quarantines does its map leave out (XCPQ STATUS by
 * deliver)?
 *
 * Called by mover.c, which goes on with the answer. Owns the question under way. The same question tells the manager the end
 * of a migration (feat= of HELLO); until that was heard it is told again.
 */
#include "quarantine/mover.h"

#include "conf/migration_map.h"
#include "smtp/cpq_status.h"

enum { QUESTION_MS = 90000 };

/* Quarantines whose mail stays here: those that the map leaves out. */
static void take_map(struct mover *m, struct arena *a, struct str lines)
{
    struct quarantine *q = m->q;
    struct str line, local, central;
    struct err e = ERR_NONE;

    sql_begin(&q->sql, false);
    sql_run(&q->sql, Q_stay_clear, "");
    while (cpq_status_next(a, &lines, "migration-map", &line))
        if (migration_map_line(line, &local, &central) && !central.n)
            sql_run(&q->sql, Q_stay_add, "s", local);
    sql_commit(&q->sql, &e);
}

static void heard_end(struct mover *m)
{
    struct run r;

    run_get(m->q, m->class, 0, &r);
    if (r.state == RUN_DONE_UNTOLD || r.state == RUN_STOPPED_UNTOLD) {
        r.state = r.state == RUN_DONE_UNTOLD ? RUN_DONE : RUN_STOPPED;
        run_put(m->q, &r);
    }
    m->state = MOVER_IDLE;
    mover_later(m, MOVER_LOOK_MS);
}

static void heard(struct mover *m, const struct bus_manager_status *s)
{
    struct str state, why;
    struct arena a;

    arena_init(&a, 4096, 16 << 20);
    state = cpq_status_value(&a, s->lines, "state");
    why = cpq_status_value(&a, s->lines, "reason");
    if (m->feat[0]) {
        heard_end(m);
    } else if (!str_eq(state, str_lit("ready"))) {
        mover_wait(m, why.n ? why : state);
    } else {
        if (m->class == CPQ_PVO)
            take_map(m, &a, s->lines);
        mover_run(m);
    }
    arena_done(&a);
}

static void on_status(void *ctx, enum rc rc, const void *msg)
{
    const struct bus_manager_status *s = msg;
    struct mover *m = ctx;

    m->call = 0;
    if (rc == RC_OK && s->answered)
        heard(m, s);
    else
        mover_wait(m, rc != RC_OK ? str_lit("the role that asks the manager is being restarted") : s->why);
}

void mover_ask(struct mover *m, const char *feat)
{
    struct quarantine *q = m->q;
    struct bus_peer *deliver = bus_peer(q->o.bus, ROLE_deliver, 0);

    m->feat = feat;
    m->state = MOVER_ASKING;
    if (!deliver) {
        mover_wait(m, str_lit("the role that asks the manager is being restarted"));
        return;
    }
    m->call = bus_call(q->o.bus, deliver, BUS_manager_question,
                       &(struct bus_manager_question){.class = str_c(cpq_class_name(m->class)), .feat = str_c(feat)},
                       QUESTION_MS, on_status, m);
}
