/*
 * Decisions on held mail: release, delete, delay, move, copy; and what they mean for a message in several quarantines.
 *
 * Called by verbs, expire.c, leave.c, rescan.c, mover.c and the XCPQ commands. Owns nothing. Decisions are durable before
 * anything of them is seen (said.c). A message leaves when it is decided in all its quarantines: released from all, it goes
 * to queue; deleted in any, it is dropped (central.md 9).
 */
#include "quarantine/inside.h"

#include "base/clock.h"
#include "base/json.h"

enum { NAMES_MAX = 64 << 10 };

void decide_begin(struct quarantine *q)
{
    said_begin(q);
    sql_begin(&q->sql, true);
}

enum rc decide_end(struct quarantine *q, struct err *e)
{
    enum rc rc = sql_commit(&q->sql, e);

    if (rc == RC_OK)
        said_tell(q);
    else
        event(q->o.events, quarantine_write_failed, .why = str_c(err_text(e)));
    said_end(q);
    if (rc == RC_OK && q->emptied)
        store_drop_empty(q);
    q->emptied = false;
    leave_pump(q);
    drops_pump(q);
    expire_gauges(q);
    return rc;
}

/* ---- messages --------------------------------------------------------------------------------------------------------- */

bool held_get(struct quarantine *q, uint64_t id, struct arena *a, struct held *out)
{
    sqlite3_stmt *st = sql_bind(&q->sql, Q_message_get, "i", id);
    bool found = sql_step(&q->sql, st);

    if (found)
        *out = (struct held){.id = sql_u64(st, 0),
                             .class = sql_u64(st, 1),
                             .segment = sql_u64(st, 2),
                             .offset = sql_u64(st, 3),
                             .meta_bytes = sql_u64(st, 4),
                             .body_bytes = sql_u64(st, 5),
                             .big = sql_u64(st, 6),
                             .serial = arena_str(a, sql_str(st, 7)),
                             .mid = sql_u64(st, 8),
                             .host = arena_str(a, sql_str(st, 9)),
                             .sender = arena_str(a, sql_str(st, 10)),
                             .recipients = arena_str(a, sql_str(st, 11)),
                             .subject = arena_str(a, sql_str(st, 12)),
                             .names = arena_str(a, sql_str(st, 13)),
                             .received = sql_u64(st, 14),
                             .held_ms = sql_u64(st, 15),
                             .open = sql_u64(st, 16),
                             .deleted = sql_u64(st, 17),
                             .bytes = sql_u64(st, 18),
                             .serial_id = sql_u64(st, 19),
                             .reasons = arena_str(a, sql_str(st, 20))};
    if (found)
        out->number = quarantine_number(q, out->serial, out->mid, out->id);
    sqlite3_reset(st);
    return found;
}

size_t hold_rows(struct quarantine *q, uint64_t id, struct arena *a, struct hold_row *out, size_t most)
{
    sqlite3_stmt *st = sql_bind(&q->sql, Q_hold_get, "i", id);
    size_t n = 0;

    while (n < most && sql_step(&q->sql, st))
        out[n++] = (struct hold_row){.quarantine = sql_u64(st, 0),
                                     .name = arena_str(a, sql_str(st, 1)),
                                     .exit = sql_u64(st, 2),
                                     .action = sql_u64(st, 3),
                                     .entered = sql_u64(st, 4),
                                     .reason = arena_str(a, sql_str(st, 5)),
                                     .rule = arena_str(a, sql_str(st, 6)),
                                     .kind = sql_u64(st, 7),
                                     .state = sql_u64(st, 8)};
    sqlite3_reset(st);
    return n;
}

/* Nothing of it is left but its key. */
static void drop_message(struct quarantine *q, const struct held *h)
{
    struct hold_row rows[CPQ_HOLDS_MAX];
    struct segment_name name = {.id = h->segment};
    sqlite3_stmt *st;
    struct arena a;
    size_t n;

    arena_init(&a, 1024, 1 << 20);
    n = hold_rows(q, h->id, &a, rows, CPQ_HOLDS_MAX);
    for (size_t i = 0; i < n; i++) {
        sql_run(&q->sql, Q_hold_drop, "ii", rows[i].quarantine, h->id);
        sql_run(&q->sql, Q_quarantine_count, "iii", rows[i].quarantine, (uint64_t)-1, (uint64_t)0 - h->bytes);
    }
    arena_done(&a);
    sql_run(&q->sql, Q_entry_drop_all, "i", h->id);
    sql_run(&q->sql, Q_text_drop, "isssss", h->id, h->sender, str_first(h->recipients, 2000), h->subject,
            str_first(h->names, 2000), h->reasons);
    sql_run(&q->sql, Q_message_drop, "i", h->id);
    sql_run(&q->sql, Q_moving_drop, "i", h->id);
    sql_run(&q->sql, Q_key_gone, "iiiii", h->class, h->serial_id, h->mid, clock_wall_ms(), h->id);
    sql_run(&q->sql, Q_segment_live, "ii", h->segment, (uint64_t)-1);
    sql_run(&q->sql, Q_pool_count, "iii", h->class, (uint64_t)-1, (uint64_t)0 - h->bytes);
    st = sql_bind(&q->sql, Q_segment_get, "i", h->segment);
    if (sql_step(&q->sql, st)) {
        q->emptied = q->emptied || sql_u64(st, 1) == 0;
        name.class = sql_u64(st, 2);
        name.day = sql_u64(st, 3);
        said_add(q, (struct said){.what = DO_MARK_GONE, .number = h->offset, .segment = name});
    }
    sqlite3_reset(st);
    if (h->big)
        said_add(q, (struct said){.what = DO_UNLINK_BIG, .number = h->id});
}

void decide_moved(struct quarantine *q, const struct held *h)
{
    drop_message(q, h);
    said_add(q, (struct said){.what = SAID_FINISHED, .mid = h->number});
}

/* ---- release ------------------------------------------------------------------------------------------------------------
 */

static const char *by_name(enum decided_by by)
{
    static const char *const names[] = {"admin", "expired", "overflow", "rule", "rule"};

    return names[by];
}

/* The quarantine whose changes a message takes along that the program lets out early; NULL = none. */
static const struct conf_quarantine *early_row(struct quarantine *q, const struct hold_row *rows, size_t n,
                                               enum decided_by by)
{
    const struct conf_quarantine *row = NULL;

    for (size_t i = 0; by == BY_SPACE && i < n && !row; i++)
        row = conf_find(&quarantine_conf(q)->quarantine, rows[i].name);
    return row;
}

/* Everything that held it decides together: where one wants to resume, it is resumed; an outbreak release is scanned for
 * spam too. Edits come from the quarantine the program let it out of early. */
static void release_json(struct quarantine *q, uint64_t leave, const struct hold_row *rows, size_t n, enum decided_by by,
                         struct str user, struct buf *out)
{
    const struct conf *c = quarantine_conf(q);
    bool resume = false, outbreak = false;

    buf_addf(out, "{\"id\":%llu,\"by\":\"%s\"", (unsigned long long)leave, by_name(by));
    if (user.n)
        cpq_put_text(out, "operator", user);
    cpq_put_u64(out, "at", clock_wall_ms());
    buf_add(out, str_lit(",\"from\":["));
    for (size_t i = 0; i < n; i++) {
        const struct conf_quarantine *row = conf_find(&c->quarantine, rows[i].name);

        if (i)
            buf_addc(out, ',');
        json_str(out, rows[i].name);
        resume = resume || (row && row->after_release);
        outbreak = outbreak || rows[i].kind == CPQ_OUTBREAK;
    }
    buf_add(out, outbreak ? str_lit("],\"rescan\":[\"antispam\",\"file_reputation\",\"antivirus\"]")
                          : str_lit("],\"rescan\":[\"file_reputation\",\"antivirus\"]"));
    buf_addf(out, ",\"resume\":%s", resume ? "true" : "false");
    early_json(early_row(q, rows, n, by), out);
    buf_addc(out, '}');
}

static uint64_t new_leave(void)
{
    return random_u64() >> 11 | 1; /* below 2^53: it travels in JSON */
}

static void leave_all(struct quarantine *q, const struct held *h, const struct hold_row *rows, size_t n, enum decided_by by,
                      struct str user)
{
    uint64_t leave = new_leave();
    struct buf json = BUF(NAMES_MAX);

    release_json(q, leave, rows, n, by, user, &json);
    sql_run(&q->sql, Q_leave_add, "iiisbii", leave, h->id, (uint64_t)0, buf_str(&json), STR_NONE, (uint64_t)0,
            clock_wall_ms());
    buf_done(&json);
    said_add(q, (struct said){.what = SAID_LEFT, .mid = h->number, .number = 0});
}

enum rc decide_hold(struct quarantine *q, uint64_t message, uint64_t quarantine, enum hold_action action, enum decided_by by,
                    struct str user)
{
    struct hold_row rows[CPQ_HOLDS_MAX];
    const struct conf_quarantine *early;
    struct held h;
    struct arena a;
    size_t n, i = 0;

    if (mover_has(q, message))
        return RC_CONFLICT;
    arena_init(&a, 4096, 1 << 20);
    n = held_get(q, message, &a, &h) ? hold_rows(q, message, &a, rows, CPQ_HOLDS_MAX) : 0;
    while (i < n && (rows[i].quarantine != quarantine || rows[i].state != HOLD_HELD))
        i++;
    if (i >= n) {
        arena_done(&a);
        return RC_NOT_FOUND;
    }
    sql_run(&q->sql, Q_hold_state, "iii", quarantine, message,
            (uint64_t)(action == HOLD_RELEASE ? HOLD_RELEASED : HOLD_DELETED));
    sql_run(&q->sql, Q_message_open, "iii", message, (uint64_t)-1, (uint64_t)(action == HOLD_DELETE));
    drops_note(q, &h, quarantine);
    early = early_row(q, rows, n, by);
    said_add(q, (struct said){.what = action == HOLD_RELEASE ? SAID_RELEASED : SAID_DELETED,
                              .stripped = early && early->strip_attachments,
                              .mid = h.number,
                              .name = rows[i].name,
                              .number = by,
                              .seconds = (clock_wall_ms() - rows[i].entered) / 1000});
    if (h.open == 1 && !h.deleted && action == HOLD_RELEASE) {
        leave_all(q, &h, rows, n, by, user);
    } else if (h.open == 1) {
        drop_message(q, &h);
        said_add(q, (struct said){.what = SAID_LEFT, .mid = h.number, .number = 1});
        said_add(q, (struct said){.what = SAID_FINISHED, .mid = h.number});
    }
    arena_done(&a);
    return RC_OK;
}

enum rc decide_entry(struct quarantine *q, uint64_t entry, enum hold_action action, enum decided_by by, struct str user,
                     bool safelist)
{
    sqlite3_stmt *st = sql_bind(&q->sql, Q_entry_get, "i", entry);
    struct buf list = BUF(1024), json = BUF(NAMES_MAX);
    struct str recipient;
    uint64_t message, leave = new_leave();
    struct arena a;
    struct held h;
    bool there;

    arena_init(&a, 4096, 1 << 20);
    there = sql_step(&q->sql, st) && sql_u64(st, 5) == HOLD_HELD;
    message = there ? sql_u64(st, 0) : 0;
    recipient = there ? arena_str(&a, sql_str(st, 1)) : STR_NONE;
    sqlite3_reset(st);
    if (!there || mover_has(q, message) || !held_get(q, message, &a, &h)) {
        arena_done(&a);
        return there && mover_has(q, message) ? RC_CONFLICT : RC_NOT_FOUND;
    }
    if (action == HOLD_RELEASE) {
        buf_put_str(&list, recipient);
        buf_addf(&json, "{\"id\":%llu,\"by\":\"%s\"", (unsigned long long)leave, by_name(by));
        cpq_put_text(&json, "operator", user);
        cpq_put_u64(&json, "at", clock_wall_ms());
        buf_addf(&json, ",\"rescan\":[],\"resume\":false,\"safelist\":%s}", safelist ? "true" : "false");
        sql_run(&q->sql, Q_entry_state, "ii", entry, (uint64_t)HOLD_RELEASED);
        sql_run(&q->sql, Q_leave_add, "iiisbii", leave, message, entry, buf_str(&json), buf_str(&list), (uint64_t)0,
                clock_wall_ms());
    } else {
        said_add(q, (struct said){.what = SAID_SPAM_DELETED, .mid = h.number, .name = recipient, .number = by});
        sql_run(&q->sql, Q_entry_drop, "i", entry);
        sql_run(&q->sql, Q_message_open, "iii", message, (uint64_t)-1, (uint64_t)0);
        if (h.open == 1)
            drop_message(q, &h);
    }
    buf_done(&list);
    buf_done(&json);
    arena_done(&a);
    return RC_OK;
}

void decide_left(struct quarantine *q, uint64_t leave, uint64_t mid)
{
    sqlite3_stmt *st = sql_bind(&q->sql, Q_leave_get, "i", leave);
    bool there = sql_step(&q->sql, st);
    uint64_t message = there ? sql_u64(st, 0) : 0, entry = there ? sql_u64(st, 1) : 0, copy = there ? sql_u64(st, 4) : 0;
    struct str list, recipient = STR_NONE;
    struct err e = ERR_NONE;
    struct arena a;
    struct held h;

    arena_init(&a, 4096, 1 << 20);
    list = there ? arena_str(&a, sql_str(st, 3)) : STR_NONE;
    sqlite3_reset(st);
    if (!there) {
        arena_done(&a);
        return;
    }
    decide_begin(q);
    sql_run(&q->sql, Q_leave_drop, "i", leave);
    h.mid = h.number = message;
    if (held_get(q, message, &a, &h) && !copy) {
        if (entry) {
            sql_run(&q->sql, Q_entry_drop, "i", entry);
            sql_run(&q->sql, Q_message_open, "iii", message, (uint64_t)-1, (uint64_t)0);
            said_add(q, (struct said){.what = SAID_REINJECTED, .mid = h.number, .number = mid});
        } else if (mid != h.number) { /* else it kept its number, and queue says the end */
            said_add(q, (struct said){.what = SAID_REWRITTEN, .mid = h.number, .number = mid});
            said_add(q, (struct said){.what = SAID_FINISHED, .mid = h.number});
        }
        if (!entry || h.open == 1)
            drop_message(q, &h);
    } else if (copy && get_str(&list, &recipient)) {
        said_add(q, (struct said){.what = SAID_COPIED, .mid = h.number, .number = mid, .name = recipient});
    }
    decide_end(q, &e);
    arena_done(&a);
}

/* ---- delay, move, copy
 * ---------------------------------------------------------------------------------------------------- */

static bool find_hold(struct quarantine *q, uint64_t message, uint64_t quarantine, struct arena *a, struct held *h,
                      struct hold_row *out)
{
    struct hold_row rows[CPQ_HOLDS_MAX];
    size_t n = held_get(q, message, a, h) ? hold_rows(q, message, a, rows, CPQ_HOLDS_MAX) : 0;

    for (size_t i = 0; i < n; i++)
        if (rows[i].quarantine == quarantine && rows[i].state == HOLD_HELD) {
            *out = rows[i];
            return true;
        }
    return false;
}

enum rc decide_delay(struct quarantine *q, uint64_t message, uint64_t quarantine, uint64_t until_ms, struct str user)
{
    struct hold_row row;
    struct held h;
    struct arena a;
    bool there;

    if (mover_has(q, message))
        return RC_CONFLICT;
    arena_init(&a, 4096, 1 << 20);
    there = find_hold(q, message, quarantine, &a, &h, &row);
    if (there) {
        sql_run(&q->sql, Q_hold_exit, "iii", quarantine, message, until_ms);
        said_add(q,
                 (struct said){.what = SAID_DELAYED, .mid = h.number, .name = row.name, .number = until_ms, .user = user});
    }
    arena_done(&a);
    return there ? RC_OK : RC_NOT_FOUND;
}

enum rc decide_exit(struct quarantine *q, uint64_t message, uint64_t quarantine, uint64_t exit_ms, struct str rule)
{
    struct hold_row row;
    struct held h;
    struct arena a;
    bool there;

    if (mover_has(q, message))
        return RC_CONFLICT;
    arena_init(&a, 4096, 1 << 20);
    there = find_hold(q, message, quarantine, &a, &h, &row);
    if (there && (row.exit != exit_ms || !str_eq(row.rule, rule))) {
        sql_run(&q->sql, Q_hold_rule, "iiiss", quarantine, message, exit_ms, rule,
                arena_printf(&a, "Outbreak rule:%.*s", STR(rule)));
        said_add(q, (struct said){.what = SAID_EXIT, .mid = h.number, .name = row.name, .number = exit_ms, .text = rule});
    }
    arena_done(&a);
    return there ? RC_OK : RC_NOT_FOUND;
}

/* Exit and reason go along, and overwrite those of a copy that is there already. */
enum rc decide_move(struct quarantine *q, uint64_t message, uint64_t from, struct str to, struct str user)
{
    uint64_t target = sql_number(&q->sql, Q_quarantine_id, 0, "s", to);
    struct hold_row row, other;
    struct held h;
    struct arena a;
    bool there;

    if (mover_has(q, message))
        return RC_CONFLICT;
    arena_init(&a, 4096, 1 << 20);
    there = target && target != from && find_hold(q, message, from, &a, &h, &row);
    if (there) {
        bool open = find_hold(q, message, target, &a, &h, &other);

        sql_run(&q->sql, Q_hold_drop, "ii", from, message);
        drops_note(q, &h, from);
        sql_run(&q->sql, Q_quarantine_count, "iii", from, (uint64_t)-1, (uint64_t)0 - h.bytes);
        if (!sql_number(&q->sql, Q_hold_has, 0, "ii", target, message))
            sql_run(&q->sql, Q_quarantine_count, "iii", target, (uint64_t)1, h.bytes);
        if (open)
            sql_run(&q->sql, Q_message_open, "iii", message, (uint64_t)-1, (uint64_t)0);
        sql_run(&q->sql, Q_hold_add, "iiiiiiissi", target, message, row.exit, row.action, row.entered, h.received,
                h.body_bytes, row.reason, row.rule, row.kind);
        said_add(q, (struct said){.what = SAID_MOVED, .mid = h.number, .name = row.name, .text = to, .user = user});
        if (open)
            said_add(q, (struct said){.what = SAID_REASON, .mid = h.number, .name = to, .text = row.reason});
    }
    arena_done(&a);
    return there ? RC_OK : target ? RC_NOT_FOUND : RC_INVALID;
}

enum rc decide_copy(struct quarantine *q, uint64_t message, struct str address, struct str user)
{
    struct buf list = BUF(1024), json = BUF(NAMES_MAX);
    uint64_t leave = new_leave();

    if (mover_has(q, message))
        return RC_CONFLICT;
    if (!sql_number(&q->sql, Q_message_has, 0, "i", message))
        return RC_NOT_FOUND;
    buf_put_str(&list, address);
    buf_addf(&json, "{\"id\":%llu,\"by\":\"admin\"", (unsigned long long)leave);
    cpq_put_text(&json, "operator", user);
    cpq_put_u64(&json, "at", clock_wall_ms());
    buf_add(&json, str_lit(",\"rescan\":[],\"resume\":false,\"copy\":true}"));
    sql_run(&q->sql, Q_leave_add, "iiisbii", leave, message, (uint64_t)0, buf_str(&json), buf_str(&list), (uint64_t)1,
            clock_wall_ms());
    buf_done(&list);
    buf_done(&json);
    return RC_OK;
}
