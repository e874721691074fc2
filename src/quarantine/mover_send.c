/*
 * One held message on its way to the manager: its metadata as of now, its body, and the answer.
 *
 * Called by mover.c, once the message is marked as sent. Owns nothing: the slot is the mover's, deliver gets a descriptor of
 * its own. What cannot be read here counts as not taken: it stays, and the log says why.
 */
#include "quarantine/mover.h"

#include <stdio.h>
#include <unistd.h>

enum { ANSWER_MS = 1800000, ENTRIES = 10000, META_ARENA = 64 << 20 };

void mover_say(struct mover *m, uint64_t id)
{
    struct hold_row rows[CPQ_HOLDS_MAX];
    struct arena a;
    struct held h;
    size_t n;

    arena_init(&a, 4096, 1 << 20);
    n = m->class == CPQ_PVO && held_get(m->q, id, &a, &h) ? hold_rows(m->q, id, &a, rows, CPQ_HOLDS_MAX) : 0;
    for (size_t i = 0; i < n; i++)
        if (rows[i].state == HOLD_HELD)
            said_add(m->q, (struct said){.what = SAID_ENQUEUED,
                                         .mid = h.number,
                                         .name = rows[i].name,
                                         .text = rows[i].reason,
                                         .number = rows[i].kind});
    arena_done(&a);
}

static void holds_now(struct mover *m, struct arena *a, uint64_t id, struct cpq_move *x)
{
    struct hold_row *rows = arena_must_alloc(a, CPQ_HOLDS_MAX * sizeof *rows);
    struct cpq_hold *out = arena_must_alloc(a, CPQ_HOLDS_MAX * sizeof *out);
    size_t n = hold_rows(m->q, id, a, rows, CPQ_HOLDS_MAX);

    x->holds = out;
    for (size_t i = 0; i < n; i++)
        if (rows[i].state == HOLD_HELD)
            out[x->n_holds++] = (struct cpq_hold){.quarantine = rows[i].name,
                                                  .reason = rows[i].reason,
                                                  .rule = rows[i].rule,
                                                  .kind = rows[i].kind,
                                                  .exit = rows[i].exit,
                                                  .action = rows[i].action == HOLD_RELEASE ? 1 : 2};
}

static void entries_now(struct mover *m, struct arena *a, uint64_t id, struct cpq_move *x)
{
    struct str *out = arena_must_alloc(a, ENTRIES * sizeof *out);
    sqlite3_stmt *st = sql_bind(&m->q->sql, Q_entry_of, "i", id);

    x->recipients = out;
    while (x->n_recipients < ENTRIES && sql_step(&m->q->sql, st)) {
        if (sql_u64(st, 3) != HOLD_HELD)
            continue;
        out[x->n_recipients++] = arena_str(a, sql_str(st, 1));
        x->spam_exit = sql_u64(st, 2);
    }
    sqlite3_reset(st);
}

static enum rc make_meta(struct mover *m, const struct held *h, struct arena *a, struct str was, struct buf *out,
                         struct err *e)
{
    const struct conf *c = quarantine_conf(m->q);
    struct run r;
    struct cpq_move x = {.serial = c->system.serial.n ? c->system.serial : str_lit("unknown"), .mid = h->mid};
    struct cpq_meta meta;

    run_get(m->q, m->class, 0, &r);
    TRY(cpq_meta_read(a, was, &meta, e));
    if (++m->n > r.total)
        m->n = r.total;
    x.migration = (struct cpq_migration){.run = r.id, .n = m->n, .total = r.total, .deleted = h->deleted != 0};
    if (m->class == CPQ_SPAM)
        entries_now(m, a, h->id, &x);
    else
        holds_now(m, a, h->id, &x);
    return cpq_meta_move(a, &meta, &x, out, e);
}

static void on_sent(void *ctx, enum rc rc, const void *msg)
{
    struct mover_slot *s = ctx;

    s->call = 0;
    s->rc = rc;
    if (rc == RC_OK) {
        s->result = *(const struct bus_migrate_done *)msg;
        snprintf(s->text, sizeof s->text, "%.*s", STR(str_first(s->result.text, sizeof s->text - 1)));
    } else {
        snprintf(s->text, sizeof s->text, "the role that sends is being restarted");
    }
    mover_later(s->mover, 1);
}

static enum rc send_it(struct mover_slot *s, struct arena *a, struct buf *was, struct buf *meta, struct err *e)
{
    struct mover *m = s->mover;
    struct quarantine *q = m->q;
    struct held h;
    uint64_t offset = 0;
    int fd = -1;
    enum rc rc;

    if (!held_get(q, s->id, a, &h))
        return err_set(e, RC_NOT_FOUND, "it has left");
    rc = store_read(q, &h, was, &fd, &offset, e);
    if (rc == RC_OK)
        rc = make_meta(m, &h, a, buf_str(was), meta, e);
    if (rc == RC_OK)
        s->call = bus_call_fd(
            q->o.bus, bus_peer(q->o.bus, ROLE_deliver, 0), BUS_migrate_work,
            &(struct bus_migrate_work){.mid = h.number, .offset = offset, .body_bytes = h.body_bytes, .meta = buf_str(meta)},
            fd, ANSWER_MS, on_sent, s);
    else
        event(q->o.events, hold_set_aside, .mid = h.number, .why = str_c(err_text(e)));
    if (fd >= 0)
        close(fd);
    return rc;
}

void mover_send(struct mover_slot *s)
{
    struct buf was = BUF(CPQ_META_MAX), meta = BUF(2 * CPQ_META_MAX);
    struct err e = ERR_NONE;
    struct arena a;

    arena_init(&a, 4096, META_ARENA);
    if (send_it(s, &a, &was, &meta, &e) != RC_OK) /* as if the manager did not want it */
        s->result = (struct bus_migrate_done){.outcome = 2};
    arena_done(&a);
    buf_done(&was);
    buf_done(&meta);
}
