/*
 * Releases on their way to queue: sent, and sent again until queue says that it has them.
 *
 * Called by decide.c (a new release), the bus (answers, a new queue) and a timer. Owns the numbers under way. A release is a row
 * of the index until it was taken, so neither side's death loses or doubles it: queue knows the number of one it took before.
 */
#include "quarantine/inside.h"

#include <unistd.h>

enum { AGAIN_MS = 15000, LOOK_AT = 256 };

struct leaving {
    uint64_t id, message, copy;
    struct str release, recipients;
};

static bool get(struct quarantine *q, uint64_t id, struct arena *a, struct leaving *out)
{
    sqlite3_stmt *st = sql_bind(&q->sql, Q_leave_get, "i", id);
    bool there = sql_step(&q->sql, st);

    if (there)
        *out = (struct leaving){.id = id,
                                .message = sql_u64(st, 0),
                                .release = arena_str(a, sql_str(st, 2)),
                                .recipients = arena_str(a, sql_str(st, 3)),
                                .copy = sql_u64(st, 4)};
    sqlite3_reset(st);
    return there;
}

/* The metadata as it came, with the release behind. */
static void put_release(struct buf *meta, struct str release)
{
    while (meta->n && meta->p[meta->n - 1] != '}')
        meta->n--;
    if (meta->n)
        meta->n--;
    buf_add(meta, str_lit(",\"release\":"));
    buf_add(meta, release);
    buf_addc(meta, '}');
}

static void put_recipients(struct buf *out, const struct cpq_meta *m)
{
    for (size_t i = 0; i < m->envelope.n_recipients; i++)
        buf_put_str(out, m->envelope.recipients[i].address);
}

static enum rc send_one(struct quarantine *q, const struct leaving *l, const struct held *h, struct bus_peer *to, struct err *e)
{
    struct buf meta = BUF(CPQ_META_MAX + (64 << 10)), list = BUF(ENVELOPE_BYTES);
    struct cpq_meta m;
    struct arena a;
    struct str sender;
    uint64_t offset = 0;
    int fd = -1;
    enum rc rc;

    arena_init(&a, 4096, 64 << 20);
    rc = store_read(q, h, &meta, &fd, &offset, e);
    if (rc == RC_OK)
        rc = cpq_meta_read(&a, buf_str(&meta), &m, e);
    if (rc == RC_OK) {
        if (l->recipients.n)
            buf_add(&list, l->recipients);
        else
            put_recipients(&list, &m);
        sender = arena_str(&a, m.envelope.sender);
        put_release(&meta, l->release);
        bus_send_fd(q->o.bus, to, BUS_release_new,
                    &(struct bus_release_new){.id = l->id,
                                              .old_mid = h->mid,
                                              .class = l->copy               ? str_lit("copy")
                                                       : h->class == CPQ_SPAM ? str_lit("spam-release")
                                                                              : str_lit("pvo-release"),
                                              .meta = buf_str(&meta),
                                              .sender = sender,
                                              .recipients = buf_str(&list),
                                              .body_bytes = h->body_bytes,
                                              .offset = offset},
                    fd);
    }
    if (fd >= 0)
        close(fd);
    buf_done(&meta);
    buf_done(&list);
    arena_done(&a);
    return rc;
}

static bool is_leaving(const struct quarantine *q, uint64_t id)
{
    for (size_t i = 0; i < q->n_leaving; i++)
        if (q->leaving[i] == id)
            return true;
    return false;
}

static void gone_already(struct quarantine *q, uint64_t id)
{
    sql_run(&q->sql, Q_leave_drop, "i", id);
}

static void start_one(struct quarantine *q, uint64_t id, struct bus_peer *to)
{
    struct err e = ERR_NONE;
    struct leaving l;
    struct held h;
    struct arena a;

    arena_init(&a, 4096, 4 << 20);
    if (!get(q, id, &a, &l)) {
        arena_done(&a);
        return;
    }
    if (!held_get(q, l.message, &a, &h)) {
        gone_already(q, id); /* a copy of what was deleted meanwhile */
    } else {
        q->leaving[q->n_leaving++] = id; /* also one that failed: it is tried again with the next round */
        if (send_one(q, &l, &h, to, &e) != RC_OK)
            event(q->o.events, quarantine_release_waits, .mid = h.mid, .why = str_c(err_text(&e)));
    }
    arena_done(&a);
}

static void again(void *ctx);

void leave_pump(struct quarantine *q)
{
    struct bus_peer *to = q->o.bus ? bus_peer(q->o.bus, ROLE_queue, 0) : NULL;
    uint64_t ids[LOOK_AT];
    size_t n = 0;
    sqlite3_stmt *st;

    if (!to || q->stopping || q->n_leaving == LEAVES_AT_ONCE || q->sql.open)
        return;
    st = sql_bind(&q->sql, Q_leave_list, "ii", (uint64_t)0, (uint64_t)LOOK_AT);
    while (n < LOOK_AT && sql_step(&q->sql, st))
        ids[n++] = sql_u64(st, 0);
    sqlite3_reset(st);
    for (size_t i = 0; i < n && q->n_leaving < LEAVES_AT_ONCE; i++)
        if (!is_leaving(q, ids[i]))
            start_one(q, ids[i], to);
    if (q->n_leaving)
        loop_timer_set(q->o.loop, &q->leave_timer, AGAIN_MS, again, q);
}

/* What has no answer yet is sent once more: queue was away, or refused. */
static void again(void *ctx)
{
    struct quarantine *q = ctx;

    q->n_leaving = 0;
    leave_pump(q);
}

static void on_taken(void *ctx, const struct bus_in *in)
{
    struct quarantine *q = ctx;
    const struct bus_release_taken *m = in->msg;

    if (in->fd >= 0)
        close(in->fd);
    if (m->rc != RC_OK && !is_leaving(q, m->id))
        return;
    for (size_t i = 0; i < q->n_leaving && m->rc == RC_OK; i++)
        if (q->leaving[i] == m->id) {
            q->leaving[i] = q->leaving[--q->n_leaving];
            break;
        }
    if (m->rc == RC_OK)
        decide_left(q, m->id, m->mid);
    else
        event(q->o.events, quarantine_release_waits, .mid = m->mid,
              .why = str_c(m->rc < RC_COUNT ? rc_info((enum rc)m->rc)->text : "refused"));
}

static void on_peer(void *ctx, struct bus_peer *p)
{
    struct quarantine *q = ctx;

    if (p->role != ROLE_queue)
        return;
    q->n_leaving = 0;
    leave_pump(q);
}

void leave_init(struct quarantine *q)
{
    if (!q->o.bus)
        return;
    bus_on(q->o.bus, BUS_release_taken, on_taken, q);
    bus_on_peer(q->o.bus, on_peer, NULL, q);
}
