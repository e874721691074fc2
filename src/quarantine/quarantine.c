/*
 * The front of the room: opens the store and the socket, obeys settings, ends in order.
 *
 * Made by role/main_quarantine.c. Owns everything of struct quarantine. A store that cannot be opened ends the role; master
 * starts it again, and mail waits in queue.
 */
#include "base/must.h"
#include "quarantine/copies.h"
#include "quarantine/door.h"

#include <stdlib.h>

static void on_change(void *ctx, const struct conf *now, const struct conf *old)
{
    struct quarantine *q = ctx;
    struct err e = ERR_NONE;

    if (!old)
        return;
    doors_settings(q);
    sessions_check(q);
    rescan_settings(q);
    if (q->sql.open)
        return;
    sql_begin(&q->sql, true);
    enter_quarantines(q, now);
    if (sql_commit(&q->sql, &e) != RC_OK)
        event(q->o.events, quarantine_write_failed, .why = str_c(err_text(&e)));
    expire_gauges(q);
    mover_settings(q);
}

enum rc quarantine_new(const struct quarantine_options *o, struct quarantine **out, struct err *e)
{
    struct quarantine *q = calloc(1, sizeof *q);
    enum rc rc;

    must(q);
    q->o = *o;
    rc = hold_store_open(q, e);
    if (rc == RC_OK)
        rc = copies_open(q, e);
    if (rc == RC_OK)
        rc = rescan_open(q, e);
    if (rc == RC_OK)
        rc = doors_open(q, e);
    if (rc != RC_OK) {
        doors_free(q);
        rescan_close(q);
        copies_close(q);
        hold_store_close(q);
        free(q);
        return rc;
    }
    conf_on_change(o->conf, on_change, q);
    leave_init(q);
    expire_init(q);
    mover_init(q);
    drops_open(q);
    quarantine_verbs_init(q);
    *out = q;
    return RC_OK;
}

void quarantine_stop(struct quarantine *q, void (*done)(void *ctx), void *ctx)
{
    q->stopping = true;
    doors_close(q);
    if (store_idle(q)) {
        sessions_end(q);
        done(ctx);
        return;
    }
    q->stopped = done;
    q->stopped_ctx = ctx;
}

void quarantine_free(struct quarantine *q)
{
    if (!q)
        return;
    q->stopping = true;
    doors_close(q);
    loop_timer_cancel(q->o.loop, &q->clock_timer);
    leave_done(q);
    mover_done(q);
    drops_close(q);
    rescan_close(q);
    copies_close(q);
    sessions_end(q);
    while (q->group)
        loop_turn(q->o.loop, true);
    quarantine_verbs_done(q);
    doors_free(q);
    hold_store_close(q);
    arena_done(&q->said_arena);
    free(q->said);
    free(q);
}
