/*
 * What time and space decide: expiry, overflow, quarantines that were deleted, alerts of space, gauges.
 *
 * Called by a timer and by store.c before mail is taken. Owns nothing. Portions of at most PORTION decisions a turn, so that
 * mail goes on meanwhile. Pool full: the oldest message goes by its default action whatever its quarantine; quarantines
 * without overflow are exempt, and a message in several is taken only if all of them allow it, by the action of the one with
 * the latest exit (central.md 9).
 */
#include "quarantine/copies.h"

#include "base/clock.h"

enum { PORTION = 100, LOOK = 2000, TICK_MS = 1000, SOON_MS = 1, KEYS_EVERY = 600, COPIES_EVERY = 10 };

static const uint64_t DAY_MS = 86400000;

static uint64_t pool_bytes(struct quarantine *q, enum cpq_class class)
{
    sqlite3_stmt *st = sql_bind(&q->sql, Q_pool, "i", (uint64_t) class);
    uint64_t bytes = sql_step(&q->sql, st) ? sql_u64(st, 1) : 0;

    sqlite3_reset(st);
    return bytes;
}

/* Without what was released and queue has yet to take. */
static uint64_t pool_used(struct quarantine *q, enum cpq_class class)
{
    uint64_t bytes = pool_bytes(q, class), leaving = sql_number(&q->sql, Q_leave_bytes, 0, "i", (uint64_t) class);

    return bytes > leaving ? bytes - leaving : 0;
}

static uint64_t pool_messages(struct quarantine *q, enum cpq_class class)
{
    return sql_number(&q->sql, Q_pool, 0, "i", (uint64_t) class);
}

static uint64_t pool_limit(struct quarantine *q, enum cpq_class class)
{
    const struct conf *c = quarantine_conf(q);

    return class == CPQ_SPAM ? c->spam_quarantine.max_bytes : c->quarantine_service.max_bytes;
}

static struct str pool_name(enum cpq_class class)
{
    return class == CPQ_SPAM ? str_lit("spam") : str_lit("policy");
}

void expire_gauges(struct quarantine *q)
{
    static const unsigned steps[] = {95, 85, 75};

    if (q->sql.open)
        return;
    for (enum cpq_class class = CPQ_PVO; class <= CPQ_SPAM; class ++) {
        uint64_t bytes = pool_bytes(q, class), limit = pool_limit(q, class), percent = limit ? bytes / (limit / 100 + 1) : 0;
        unsigned told = 0;

        for (size_t i = 0; i < 3 && !told; i++)
            told = percent >= steps[i] ? steps[i] : 0;
        if (told > q->space_told[class])
            event(q->o.events, quarantine_space, .pool = pool_name(class), .percent = percent);
        q->space_told[class] = told;
    }
    if (!q->o.board)
        return;
    board_gauge_set(q->o.board, 0, GAUGE_QUARANTINE_MESSAGES, pool_messages(q, CPQ_PVO));
    board_gauge_set(q->o.board, 0, GAUGE_QUARANTINE_KB, pool_bytes(q, CPQ_PVO) / 1024);
    board_gauge_set(q->o.board, 0, GAUGE_SPAM_MESSAGES, pool_messages(q, CPQ_SPAM));
    board_gauge_set(q->o.board, 0, GAUGE_SPAM_KB, pool_bytes(q, CPQ_SPAM) / 1024);
}

/* ---- overflow ------------------------------------------------------------------------------------------------------------
 */

struct candidate {
    uint64_t quarantine, action, exit;
    bool held;
};

/* All of its holds, when every one of them may be overflowed. */
static size_t candidates(struct quarantine *q, uint64_t id, struct candidate *out, size_t most)
{
    const struct conf *c = quarantine_conf(q);
    sqlite3_stmt *st = sql_bind(&q->sql, Q_hold_get, "i", id);
    bool allowed = true;
    size_t n = 0;

    while (n < most && sql_step(&q->sql, st)) {
        const struct conf_quarantine *row = conf_find(&c->quarantine, sql_str(st, 1));

        if (sql_u64(st, 8) != HOLD_HELD)
            continue;
        allowed = allowed && (!row || row->overflow);
        out[n++] = (struct candidate){sql_u64(st, 0), sql_u64(st, 3), sql_u64(st, 2), true};
    }
    sqlite3_reset(st);
    return allowed ? n : 0;
}

static bool overflow_one(struct quarantine *q, uint64_t id)
{
    struct candidate all[CPQ_HOLDS_MAX];
    size_t n = candidates(q, id, all, CPQ_HOLDS_MAX), last = 0;

    for (size_t i = 1; i < n; i++)
        last = all[i].exit > all[last].exit ? i : last;
    for (size_t i = 0; i < n; i++)
        decide_hold(q, id, all[i].quarantine, (enum hold_action)all[last].action, BY_SPACE, STR_NONE);
    return n > 0;
}

static bool overflow_spam(struct quarantine *q, uint64_t id)
{
    uint64_t entries[PORTION];
    sqlite3_stmt *st = sql_bind(&q->sql, Q_entry_of, "i", id);
    size_t n = 0;

    while (n < PORTION && sql_step(&q->sql, st))
        if (sql_u64(st, 3) == HOLD_HELD)
            entries[n++] = sql_u64(st, 0);
    sqlite3_reset(st);
    for (size_t i = 0; i < n; i++)
        decide_entry(q, entries[i], HOLD_DELETE, BY_SPACE, STR_NONE, false);
    return n > 0;
}

/* The next oldest message behind (received, id); 0 = there is none. */
static uint64_t oldest(struct quarantine *q, enum cpq_class class, uint64_t *received, uint64_t id)
{
    sqlite3_stmt *st = sql_bind(&q->sql, Q_message_oldest, "iii", (uint64_t) class, *received, id);

    id = 0;
    if (sql_step(&q->sql, st)) {
        id = sql_u64(st, 0);
        *received = sql_u64(st, 1);
    }
    sqlite3_reset(st);
    return id;
}

static bool overflow(struct quarantine *q, enum cpq_class class, uint64_t limit, uint64_t bytes)
{
    uint64_t received = 0, id = 0, most = PORTION;
    struct err e = ERR_NONE;

    decide_begin(q);
    for (unsigned i = 0; i < LOOK && most && pool_used(q, class) + bytes > limit; i++) {
        id = oldest(q, class, &received, id);
        if (!id)
            break;
        most -= class == CPQ_SPAM ? overflow_spam(q, id) : overflow_one(q, id);
    }
    return decide_end(q, &e) == RC_OK && pool_used(q, class) + bytes <= limit;
}

bool expire_make_room(struct quarantine *q, enum cpq_class class, uint64_t bytes)
{
    uint64_t limit = pool_limit(q, class);
    const struct conf *c = quarantine_conf(q);

    if (pool_bytes(q, class) + bytes <= limit || pool_used(q, class) + bytes <= limit)
        return true;
    if (class == CPQ_SPAM && c->spam_quarantine.full)
        return false;
    if (overflow(q, class, limit, bytes))
        return true;
    event(q->o.events, quarantine_full, .pool = pool_name(class));
    return false;
}

/* ---- the clock
 * ------------------------------------------------------------------------------------------------------------- */

struct due {
    uint64_t message, quarantine, action;
};

static size_t expire_holds(struct quarantine *q, uint64_t now)
{
    sqlite3_stmt *st = sql_bind(&q->sql, Q_hold_due, "ii", now, (uint64_t)PORTION);
    struct due due[PORTION];
    size_t n = 0;
    struct err e = ERR_NONE;

    while (n < PORTION && sql_step(&q->sql, st))
        due[n++] = (struct due){sql_u64(st, 0), sql_u64(st, 1), sql_u64(st, 2)};
    sqlite3_reset(st);
    if (!n)
        return 0;
    decide_begin(q);
    for (size_t i = 0; i < n; i++)
        decide_hold(q, due[i].message, due[i].quarantine, (enum hold_action)due[i].action, BY_EXPIRY, STR_NONE);
    return decide_end(q, &e) == RC_OK ? n : 0;
}

static size_t expire_entries(struct quarantine *q, uint64_t now)
{
    sqlite3_stmt *st = sql_bind(&q->sql, Q_entry_due, "ii", now, (uint64_t)PORTION);
    uint64_t due[PORTION];
    size_t n = 0;
    struct err e = ERR_NONE;

    while (n < PORTION && sql_step(&q->sql, st))
        due[n++] = sql_u64(st, 0);
    sqlite3_reset(st);
    if (!n)
        return 0;
    decide_begin(q);
    for (size_t i = 0; i < n; i++)
        decide_entry(q, due[i], HOLD_DELETE, BY_EXPIRY, STR_NONE, false);
    return decide_end(q, &e) == RC_OK ? n : 0;
}

/* Mail of quarantines that are not in the settings any more goes by their default action. */
static size_t expire_removed(struct quarantine *q)
{
    sqlite3_stmt *st = sql_bind(&q->sql, Q_quarantine_list, "");
    struct due due[PORTION];
    uint64_t removed[16];
    size_t n = 0, n_removed = 0;
    struct err e = ERR_NONE;

    while (n_removed < 16 && sql_step(&q->sql, st))
        if (!sql_u64(st, 4) && sql_u64(st, 2))
            removed[n_removed++] = sql_u64(st, 0);
    sqlite3_reset(st);
    for (size_t i = 0; i < n_removed && n < PORTION; i++) {
        st = sql_bind(&q->sql, Q_quarantine_gone, "ii", removed[i], (uint64_t)(PORTION - n));
        while (n < PORTION && sql_step(&q->sql, st))
            due[n++] = (struct due){sql_u64(st, 0), removed[i], sql_u64(st, 1)};
        sqlite3_reset(st);
    }
    if (!n)
        return 0;
    decide_begin(q);
    for (size_t i = 0; i < n; i++)
        decide_hold(q, due[i].message, due[i].quarantine, (enum hold_action)due[i].action, BY_REMOVAL, STR_NONE);
    return decide_end(q, &e) == RC_OK ? n : 0;
}

static void forget_keys(struct quarantine *q, uint64_t now)
{
    uint64_t keep = quarantine_conf(q)->quarantine_service.keep_keys_ms;

    if (now > keep && now > DAY_MS)
        sql_run(&q->sql, Q_key_old, "i", now - keep);
}

bool expire_run(struct quarantine *q, uint64_t now)
{
    bool more = expire_holds(q, now) == PORTION;

    more = expire_entries(q, now) == PORTION || more;
    return expire_removed(q) == PORTION || more;
}

static void tick(void *ctx)
{
    struct quarantine *q = ctx;
    uint64_t now = clock_wall_ms();
    bool more;

    if (q->stopping)
        return;
    more = expire_run(q, now);
    if (++q->ticks % KEYS_EVERY == 0) {
        forget_keys(q, now);
        drops_expire(q, now);
    }
    if (q->ticks % COPIES_EVERY == 0)
        copies_expire(q, now);
    loop_timer_set(q->o.loop, &q->clock_timer, more ? SOON_MS : TICK_MS, tick, q);
}

void expire_init(struct quarantine *q)
{
    expire_gauges(q);
    loop_timer_set(q->o.loop, &q->clock_timer, TICK_MS, tick, q);
}
