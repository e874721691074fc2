/*
 * Migrations as both ends know them: how many messages of which have moved, and in what state each is.
 *
 * On a gateway mover.c counts what the manager has confirmed; on a manager enter.c counts each message that says that it was
 * held before, so a repeat is not counted, and the gateway tells the end (feat= of HELLO). Owns nothing: rows are in the
 * index, in the transaction that takes or drops the message, so the two ends agree whoever dies.
 */
#include "quarantine/inside.h"

#include "base/json.h"
#include "conf/hidden.h"

enum { ROWS = 1000 /* gateways that are shown */ };

static struct run run_of(sqlite3_stmt *st, int from)
{
    return (struct run){.id = sql_u64(st, from),
                        .state = sql_u64(st, from + 1),
                        .total = sql_u64(st, from + 2),
                        .moved = sql_u64(st, from + 3),
                        .ever = sql_u64(st, from + 4),
                        .told = sql_u64(st, from + 5)};
}

void run_get(struct quarantine *q, enum cpq_class class, uint64_t serial, struct run *out)
{
    sqlite3_stmt *st = sql_bind(&q->sql, Q_migration_get, "ii", (uint64_t) class, serial);

    *out = sql_step(&q->sql, st) ? run_of(st, 0) : (struct run){0};
    sqlite3_reset(st);
    out->class = class;
    out->serial = serial;
}

void run_put(struct quarantine *q, const struct run *r)
{
    sql_run(&q->sql, Q_migration_put, "iiiiiiii", r->class, r->serial, r->id, r->state, r->total, r->moved, r->ever,
            r->told);
}

void run_count(struct quarantine *q, const struct cpq_meta *m)
{
    struct run r;

    run_get(q, m->class, enter_name(q, m->serial), &r);
    if (r.id != m->migration.run)
        r = (struct run){.class = r.class, .serial = r.serial, .id = m->migration.run, .ever = r.ever};
    r.state = RUN_RUNNING;
    r.total = m->migration.total;
    r.moved++;
    r.ever++;
    run_put(q, &r);
}

/* ---- what is said ----------------------------------------------------------------------------------------------------- */

void run_progress(struct quarantine *q, struct run *r, struct str host)
{
    uint64_t step = r->total < 100 ? r->total + 1 : r->total / 10;
    struct events *ev = q->o.events;

    if (r->told && r->moved / step == (r->told - 1) / step)
        return;
    if (!r->told)
        event(ev, migration_started, .host = host, .incoming = r->serial != 0, .spam = r->class == CPQ_SPAM,
              .total = r->total);
    else
        event(ev, migration_progress, .host = host, .incoming = r->serial != 0, .spam = r->class == CPQ_SPAM,
              .moved = r->moved, .total = r->total);
    r->told = r->moved + 1;
    run_put(q, r);
}

static struct str host_of(struct quarantine *q, struct str serial, struct str otherwise)
{
    const struct conf_appliance *row = map_appliance(quarantine_conf(q), serial);

    return row ? row->name : otherwise;
}

void run_say(struct quarantine *q, const struct cpq_meta *m)
{
    struct run r;

    run_get(q, m->class, sql_number(&q->sql, Q_name_id, 0, "s", m->serial), &r);
    run_progress(q, &r, host_of(q, m->serial, m->host));
    run_gauge(q);
}

void run_feat(struct quarantine *q, enum cpq_class class, struct str serial, struct str feat)
{
    bool done = str_eqi(feat, str_lit("migration-done"));
    struct str host = host_of(q, serial, serial);
    struct run r;

    if (!done && !str_eqi(feat, str_lit("migration-stopped")))
        return;
    run_get(q, class, sql_number(&q->sql, Q_name_id, 0, "s", serial), &r);
    if (r.state != RUN_RUNNING)
        return;
    r.state = done ? RUN_DONE : RUN_STOPPED;
    run_put(q, &r);
    if (done)
        event(q->o.events, migration_done, .host = host, .incoming = 1, .spam = class == CPQ_SPAM, .moved = r.moved);
    else
        event(q->o.events, migration_stopped, .host = host, .incoming = 1, .spam = class == CPQ_SPAM, .moved = r.moved,
              .total = r.total);
    run_gauge(q);
}

/* ---- who asks --------------------------------------------------------------------------------------------------------- */

/* A gateway whose service was taken away ends nothing any more. */
static bool counts(const struct conf *c, uint64_t own, struct str serial)
{
    const struct conf_appliance *row = map_appliance(c, serial);

    return own == 0 ? !conf_is_manager(c) : row && row->pvo && row->migration;
}

void run_gauge(struct quarantine *q)
{
    sqlite3_stmt *st = sql_bind(&q->sql, Q_migration_list, "");
    uint64_t n = 0;

    while (sql_step(&q->sql, st))
        n += sql_u64(st, 1) == CPQ_PVO && sql_u64(st, 3) == RUN_RUNNING &&
             counts(quarantine_conf(q), sql_u64(st, 0), sql_str(st, 8));
    sqlite3_reset(st);
    if (q->o.board)
        board_gauge_set(q->o.board, 0, GAUGE_MIGRATIONS, n);
}

static void status_row(struct quarantine *q, const struct run *r, struct str serial, struct buf *text, struct buf *json)
{
    static const char *const states[] = {"none", "running", "done", "stopped", "done", "stopped"};
    const char *state = states[r->state <= RUN_STOPPED_UNTOLD ? r->state : 0];
    struct str host = r->serial ? host_of(q, serial, serial) : str_lit("the manager");
    struct str why = r->serial || r->state != RUN_RUNNING ? STR_NONE : mover_why(q, r->class);
    uint64_t refused = r->serial ? 0 : sql_number(&q->sql, Q_moving_refused, 0, "i", r->class);

    buf_addf(text, "Migration %s %.*s%s: %s, %llu of %llu messages", r->serial ? "from" : "to", STR(host),
             r->class == CPQ_SPAM ? " (spam)" : "", state, (unsigned long long)r->moved, (unsigned long long)r->total);
    if (refused)
        buf_addf(text, ", %llu were not taken and stay here", (unsigned long long)refused);
    if (why.n)
        buf_addf(text, "; it waits: %.*s", STR(why));
    buf_addc(text, '\n');
    buf_addf(json, "%s{\"host\":", json->p[json->n - 1] == '[' ? "" : ",");
    json_str(json, host);
    buf_add(json, str_lit(",\"serial\":"));
    json_str(json, serial);
    buf_add(json, str_lit(",\"waits\":"));
    json_str(json, why);
    buf_addf(json, ",\"class\":\"%s\",\"state\":\"%s\",\"moved\":%llu,\"total\":%llu,\"refused\":%llu}",
             cpq_class_name((enum cpq_class)r->class), state, (unsigned long long)r->moved, (unsigned long long)r->total,
             (unsigned long long)refused);
}

void run_status(struct quarantine *q, struct buf *text, struct buf *json)
{
    struct {
        struct run run;
        struct str serial;
    } rows[ROWS];
    sqlite3_stmt *st = sql_bind(&q->sql, Q_migration_list, "");
    struct arena a;
    size_t n = 0;

    arena_init(&a, 1024, 1 << 20);
    for (; n < sizeof rows / sizeof *rows && sql_step(&q->sql, st); n++) {
        rows[n].run = run_of(st, 2);
        rows[n].run.serial = sql_u64(st, 0);
        rows[n].run.class = sql_u64(st, 1);
        rows[n].serial = arena_str(&a, sql_str(st, 8));
    }
    sqlite3_reset(st);
    buf_add(json, str_lit(",\"migrations\":["));
    for (size_t i = 0; i < n; i++)
        status_row(q, &rows[i].run, rows[i].serial, text, json);
    buf_addc(json, ']');
    arena_done(&a);
}
