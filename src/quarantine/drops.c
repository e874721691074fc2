/*
 * What has left the Outbreak quarantine of a manager: its gateway removes the copy it keeps (XCPQ DROP, central.md 9).
 *
 * Called by decide.c inside its transactions, by the bus (answers of deliver) and a timer. Owns the calls under way, one a
 * gateway. A note is a row of the index until it was heard, so nobody's death loses it; a gateway that is away is asked
 * again after some seconds, then less often, and after NOTE_MS not at all: the copy is too old by then.
 */
#include "quarantine/inside.h"

#include "base/clock.h"
#include "base/must.h"
#include "mail/address.h"

#include <stdlib.h>

enum { AT_ONCE = 50, WAYS_MAX = 1000, SOON_MS = 300, ANSWER_MS = 300000, WAIT_MS = 5000, WAIT_MAX_MS = 900000 };

static const uint64_t NOTE_MS = 40ULL * 86400000;

/* To one gateway. */
struct way {
    struct way *next;
    struct quarantine *q;
    uint64_t serial, call, not_before_ms, wait_ms;
    uint64_t mids[AT_ONCE];
    size_t n;
};

struct drops {
    struct way *ways;
    struct loop_timer timer;
    uint64_t due_ms; /* of the timer, 0 = it is not set */
};

void drops_note(struct quarantine *q, const struct held *h, uint64_t quarantine)
{
    if (!is_foreign(q, h->serial) || quarantine != outbreak_quarantine(q) ||
        sql_number(&q->sql, Q_hold_of_key, 0, "iiiii", h->serial_id, h->mid, quarantine, (uint64_t)CPQ_OUTBREAK,
                   (uint64_t)1))
        return;
    sql_run(&q->sql, Q_left_add, "iii", h->serial_id, h->mid, clock_wall_ms());
}

void drops_expire(struct quarantine *q, uint64_t now_ms)
{
    if (now_ms > NOTE_MS)
        sql_run(&q->sql, Q_left_old, "i", now_ms - NOTE_MS);
}

/* ---- saying it -------------------------------------------------------------------------------------------------------- */

static void look(void *ctx);

static void look_in(struct quarantine *q, uint64_t ms)
{
    uint64_t due = loop_now_ms(q->o.loop) + ms;

    if (q->drops->due_ms && q->drops->due_ms <= due)
        return;
    q->drops->due_ms = due;
    loop_timer_set(q->o.loop, &q->drops->timer, ms, look, q);
}

static struct way *way_to(struct quarantine *q, uint64_t serial)
{
    struct way *w = q->drops->ways;

    while (w && w->serial != serial)
        w = w->next;
    if (w)
        return w;
    w = calloc(1, sizeof *w);
    must(w);
    *w = (struct way){.next = q->drops->ways, .q = q, .serial = serial};
    q->drops->ways = w;
    return w;
}

/* "CODE TEXT" lines: heard, or the gateway has no such command. */
static size_t forget_heard(struct way *w, struct str answers)
{
    struct str line;
    size_t i = 0;

    for (; i < w->n && answers.n && str_split(&answers, '\n', &line); i++)
        if (line.n && line.p[0] != '4')
            sql_run(&w->q->sql, Q_left_drop, "ii", w->serial, w->mids[i]);
        else
            return i;
    return i;
}

static void on_answers(void *ctx, enum rc rc, const void *msg)
{
    const struct bus_xcpq_answers *m = msg;
    struct way *w = ctx;
    size_t heard = rc == RC_OK ? forget_heard(w, m->answers) : 0;

    w->call = 0;
    if (heard == w->n) {
        w->wait_ms = w->not_before_ms = 0;
    } else {
        w->wait_ms = !w->wait_ms ? WAIT_MS : w->wait_ms * 2 > WAIT_MAX_MS ? WAIT_MAX_MS : w->wait_ms * 2;
        w->not_before_ms = loop_now_ms(w->q->o.loop) + w->wait_ms;
    }
    look_in(w->q, SOON_MS);
}

static void say(struct way *w, struct bus_peer *to, struct str serial)
{
    struct buf commands = BUF(AT_ONCE * 64), destination = BUF(300);
    sqlite3_stmt *st = sql_bind(&w->q->sql, Q_left_list, "ii", w->serial, (uint64_t)AT_ONCE);
    struct arena a;

    arena_init(&a, 512, 4096);
    for (w->n = 0; w->n < AT_ONCE && sql_step(&w->q->sql, st); w->n++) {
        w->mids[w->n] = sql_u64(st, 0);
        buf_addf(&commands, "%sXCPQ DROP mid=%llu", w->n ? "\n" : "", (unsigned long long)w->mids[w->n]);
    }
    sqlite3_reset(st);
    buf_addf(&destination, "the.cpq.release.host/%.*s", STR(address_lower(&a, serial)));
    if (w->n)
        w->call = bus_call(w->q->o.bus, to, BUS_xcpq_commands,
                           &(struct bus_xcpq_commands){.destination = buf_str(&destination), .commands = buf_str(&commands)},
                           ANSWER_MS, on_answers, w);
    arena_done(&a);
    buf_done(&commands);
    buf_done(&destination);
}

static void look(void *ctx)
{
    struct quarantine *q = ctx;
    struct bus_peer *to = bus_peer(q->o.bus, ROLE_deliver, 0);
    uint64_t now = loop_now_ms(q->o.loop), ids[WAYS_MAX];
    struct str serials[WAYS_MAX];
    struct arena a;
    sqlite3_stmt *st;
    size_t n = 0;

    q->drops->due_ms = 0;
    if (q->stopping)
        return;
    arena_init(&a, 4096, 1 << 20);
    st = sql_bind(&q->sql, Q_left_serials, "i", (uint64_t)WAYS_MAX);
    for (; n < WAYS_MAX && sql_step(&q->sql, st); n++) {
        ids[n] = sql_u64(st, 0);
        serials[n] = arena_str(&a, sql_str(st, 1));
    }
    sqlite3_reset(st);
    for (size_t i = 0; to && i < n; i++) {
        struct way *w = way_to(q, ids[i]);

        if (!w->call && now >= w->not_before_ms)
            say(w, to, serials[i]);
    }
    arena_done(&a);
    if (n)
        look_in(q, WAIT_MS);
}

void drops_pump(struct quarantine *q)
{
    if (q->drops && q->o.bus && !q->stopping)
        look_in(q, SOON_MS);
}

void drops_open(struct quarantine *q)
{
    q->drops = calloc(1, sizeof *q->drops);
    must(q->drops);
    drops_pump(q);
}

void drops_close(struct quarantine *q)
{
    if (!q->drops)
        return;
    loop_timer_cancel(q->o.loop, &q->drops->timer);
    for (struct way *w; (w = q->drops->ways);) {
        q->drops->ways = w->next;
        if (w->call)
            bus_cancel(q->o.bus, w->call);
        free(w);
    }
    free(q->drops);
    q->drops = NULL;
}
