/*
 * Connections in an import: what they say goes to each of their messages, whichever comes first.
 *
 * Called by track_batch.c. Owns the connections that a batch touches; those that are not complete at its end are kept in the
 * catalog. One is complete when its first and last event were seen and nothing between them is missing.
 */
#include "base/must.h"
#include "store/tracking_inside.h"

#include <stdlib.h>

enum { EVENTS_BYTES = 64 << 10, ROWS_BYTES = 4 << 10, CONN_DAYS = 21 };

static uint64_t appliance_of(const struct tracking *t)
{
    return t->epochs[t->epoch].appliance;
}

static bool decode(struct batch_conn *c, struct str in)
{
    struct str rows;

    if (!get_varint(&in, &c->begin) || !get_varint(&in, &c->end) || !get_str(&in, &rows))
        return false;
    buf_add(&c->rows, rows);
    buf_add(&c->events, in);
    return true;
}

static void load(struct tracking *t, struct batch_conn *c)
{
    sqlite3_stmt *st = sql_bind(&t->catalog, C_conn_get, "iii", appliance_of(t), c->kind, c->id);

    c->stored = sql_step(&t->catalog, st) && decode(c, sql_str(st, 0));
    sqlite3_reset(st);
}

static struct batch_conn *conn_get(struct tracking *t, uint64_t kind, uint64_t id)
{
    struct batch_conn **slot = &t->conns[(id * 2 + kind) * 0x9e3779b97f4a7c15ull >> 32 & (HASH_SLOTS - 1)], *c;

    for (c = *slot; c; c = c->next)
        if (c->kind == kind && c->id == id)
            return c;
    must((c = calloc(1, sizeof *c)));
    c->kind = kind;
    c->id = id;
    c->rows = BUF(1 << 20);
    c->events = BUF(1 << 20);
    c->next = *slot;
    *slot = c;
    load(t, c);
    return c;
}

/* Events of connections. `ends`: nothing comes after it. Those that say nothing of a message only mark the end. */
static const struct conn_event {
    enum event_type type;
    uint8_t kind;
    bool begins, ends, shown;
} conn_events[] = {
    {EVENT_connection_incoming, CONN_IN, true, false, true},
    {EVENT_connection_verdict, CONN_IN, false, false, true},
    {EVENT_tls_incoming, CONN_IN, false, false, true},
    {EVENT_tls_incoming_failed, CONN_IN, false, false, true},
    {EVENT_smtp_auth, CONN_IN, false, false, true},
    {EVENT_connection_timeout, CONN_IN, false, false, true},
    {EVENT_connection_lost, CONN_IN, false, false, true},
    {EVENT_receiving_failed, CONN_IN, false, false, true},
    {EVENT_cpq_incoming, CONN_IN, true, false, true},
    {EVENT_cpq_tls, CONN_IN, false, false, true},
    {EVENT_cpq_closed, CONN_IN, false, true, false},
    {EVENT_connection_closed, CONN_IN, false, true, false},
    {EVENT_delivery_connection, CONN_OUT, true, false, true},
    {EVENT_delivery_tls, CONN_OUT, false, false, true},
    {EVENT_delivery_tls_failed, CONN_OUT, false, false, true},
    {EVENT_delivery_auth, CONN_OUT, false, false, true},
    {EVENT_delivery_closed, CONN_OUT, false, true, false},
};

static uint64_t conn_id(const struct event_record *rec, uint64_t kind)
{
    const void *v = NULL;

    if (fields_find(event_info(rec->type)->fields, rec->fields, kind == CONN_IN ? str_lit("icid") : str_lit("dcid"), &v) !=
        FIELD_U64)
        return 0;
    return *(const uint64_t *)v;
}

static void tell_rows(struct tracking *t, struct batch_conn *c, uint64_t number, const struct event_record *rec)
{
    struct str rows = buf_str(&c->rows);
    uint64_t key;

    while (get_varint(&rows, &key)) {
        struct batch_row *row = batch_row(t, key / ROW_KINDS, key % ROW_KINDS, rec->wall_ms);

        if (row && !batch_row_has(t, row, number))
            batch_apply(t, row, number, rec);
    }
}

/* A connection that was refused is a row of its own, when such rows are wanted. */
static void refused(struct tracking *t, uint64_t number, const struct event_record *rec)
{
    const struct event_connection_verdict *v = event_as(rec, connection_verdict);
    struct batch_row *row;

    if (!t->options.rejected || v->action < 2)
        return;
    if (v->icid) {
        conn_link(t, CONN_IN, v->icid, v->icid, ROW_REJECTED, number, rec->wall_ms);
        return;
    }
    row = batch_row(t, number, ROW_REFUSED, rec->wall_ms);
    if (row && !batch_row_has(t, row, number))
        batch_apply(t, row, number, rec);
}

void conn_take(struct tracking *t, uint64_t number, const struct event_record *rec)
{
    const struct conn_event *what = NULL;
    struct batch_conn *c;
    uint64_t id;

    for (size_t i = 0; i < sizeof conn_events / sizeof *conn_events && !what; i++)
        if (conn_events[i].type == rec->type)
            what = &conn_events[i];
    if (!what)
        return;
    id = conn_id(rec, what->kind);
    if (id) {
        c = conn_get(t, what->kind, id);
        c->changed = true;
        c->begin = what->begins ? number + 1 : c->begin;
        c->end = what->ends ? number + 1 : c->end;
        if (what->shown) {
            tell_rows(t, c, number, rec);
            if (c->events.n < EVENTS_BYTES)
                steps_pend(&c->events, number, rec);
        }
    }
    if (rec->type == EVENT_connection_verdict)
        refused(t, number, rec);
}

/* The oldest message gives way: only events that come late would still go to it. */
static void add_row(struct batch_conn *c, uint64_t key)
{
    struct str in = buf_str(&c->rows);
    uint64_t k;

    if (c->rows.n > ROWS_BYTES && get_varint(&in, &k))
        buf_drop(&c->rows, c->rows.n - in.n);
    buf_put_varint(&c->rows, key);
    c->changed = true;
}

void conn_link(struct tracking *t, uint64_t kind, uint64_t id, uint64_t key, uint64_t row_kind, uint64_t number,
               uint64_t wall_ms)
{
    struct batch_conn *c = conn_get(t, kind, id);
    struct str rows = buf_str(&c->rows), events = buf_str(&c->events);
    struct batch_row *row = batch_row(t, key, row_kind, wall_ms);
    _Alignas(16) struct event_record rec;
    uint64_t k, its;

    while (get_varint(&rows, &k))
        if (k == key * ROW_KINDS + row_kind)
            return;
    add_row(c, key * ROW_KINDS + row_kind);
    if (!row || batch_row_has(t, row, number))
        return;
    while (steps_pended(&events, &its, &rec))
        batch_apply(t, row, its, &rec);
}

void conn_tie(struct tracking *t, uint64_t mid, uint64_t number, const struct event_record *rec)
{
    static const struct {
        enum event_type type;
        uint8_t kind;
    } ties[] = {{EVENT_message_start, CONN_IN},
                {EVENT_delivery_start, CONN_OUT},
                {EVENT_hold_start, CONN_OUT},
                {EVENT_release_start, CONN_OUT}};

    for (size_t i = 0; i < sizeof ties / sizeof *ties; i++)
        if (ties[i].type == rec->type && conn_id(rec, ties[i].kind))
            conn_link(t, ties[i].kind, conn_id(rec, ties[i].kind), mid, ROW_MESSAGE, number, rec->wall_ms);
}

/* --- the end of a batch -------------------------------------------------------------------------------------------------
 */

static void store_one(struct tracking *t, struct batch_conn *c, const struct cover *covered)
{
    bool complete = c->begin && c->end && c->end >= c->begin && cover_has(covered, c->begin - 1, c->end - 1);

    if (complete) {
        if (c->stored)
            sql_run(&t->catalog, C_conn_delete, "iii", appliance_of(t), c->kind, c->id);
        return;
    }
    if (!c->changed)
        return;
    buf_clear(&t->scratch);
    buf_put_varint(&t->scratch, c->begin);
    buf_put_varint(&t->scratch, c->end);
    buf_put_str(&t->scratch, buf_str(&c->rows));
    buf_add(&t->scratch, buf_str(&c->events));
    sql_run(&t->catalog, C_conn_put, "iiibi", appliance_of(t), c->kind, c->id, buf_str(&t->scratch), t->day);
}

/* One whose end is never told (a process that was killed) is forgotten when no event of it can come any more. */
void conns_store(struct tracking *t, const struct cover *covered)
{
    if (t->day > t->forgot_day && t->day > CONN_DAYS)
        sql_run(&t->catalog, C_conn_old, "i", t->day - CONN_DAYS);
    t->forgot_day = t->day;
    for (size_t i = 0; i < HASH_SLOTS; i++)
        for (struct batch_conn *c = t->conns[i]; c; c = c->next)
            store_one(t, c, covered);
}

void conns_forget(struct tracking *t)
{
    for (size_t i = 0; t->conns && i < HASH_SLOTS; i++) {
        for (struct batch_conn *c = t->conns[i], *next; c; c = next) {
            next = c->next;
            buf_done(&c->rows);
            buf_done(&c->events);
            free(c);
        }
        t->conns[i] = NULL;
    }
}
