/*
 * Held mail is scanned again when outbreak rules change: what lies in the Outbreak quarantine of this machine, and copies of
 * what the manager holds (central.md 9).
 *
 * Called by a change of settings, a new copy, the verb outbreakupdate and a timer. Owns the message being scanned: one at a
 * time, by the scan workers in turn. What is clean is released by rule; another rule or time moves the exit; for a copy the
 * manager is told (verdicts.c). Since when the rules are in force is kept in DIR/rescan, so a change while this process was
 * away, or one that it did not finish, is made up for. A message that no worker can scan stays held until its exit.
 */
#include "quarantine/rescan.h"

#include "base/clock.h"
#include "base/crc32c.h"
#include "base/io.h"
#include "base/must.h"
#include "conf/table.h"
#include "conf/value.h"

#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

enum {
    TRIES = 3,
    ANSWER_MS = 120000,
    WORKERS = 64,
    AWAY_MS = 2000,
    TEXT_MAX = 64 << 20,
    SAME_EXIT_MS = 60000,
    GRACE_MS = 2000,
    SOON_MS = 200
};

static const uint64_t SEED = 0x27220a95fe1db4d3;

/* ---- which rules ------------------------------------------------------------------------------------------------------ */

static void put_section(const struct conf *c, const char *name, struct buf *out)
{
    const struct conf_section *s = conf_section_find(str_c(name));

    must(s);
    for (size_t i = 0; i < conf_items(c, s); i++) {
        const void *item = conf_item(c, s, i);

        buf_put_str(out, conf_item_name(s, item));
        for (const struct conf_setting *f = s->settings; f->name; f++) {
            if (str_starts(str_c(f->name), str_lit("copies_")) || str_eq(str_c(f->name), str_lit("comment")) ||
                str_eq(str_c(f->name), str_lit("enabled")))
                continue; /* no part of a judgement; while filters are off nothing is scanned */
            conf_value_format(item, f, false, out);
            buf_addc(out, '\n');
        }
    }
}

static uint64_t rules_of(const struct conf *c)
{
    struct buf text = BUF(TEXT_MAX);
    uint64_t hash;

    put_section(c, "outbreak", &text);
    put_section(c, "outbreak_rule", &text);
    hash = str_hash_seed(buf_str(&text), SEED) | 1;
    buf_done(&text);
    return hash;
}

struct state {
    uint64_t magic, rules, since_ms, local_done_ms, crc;
};
static const uint64_t MAGIC = 0x314e414353455250; /* "PRESCAN1" */

static uint64_t sum_of(const struct state *s)
{
    return crc32c(0, str_of((const char *)s, offsetof(struct state, crc)));
}

static void path_of(const struct quarantine *q, char out[SEGMENT_PATH])
{
    snprintf(out, SEGMENT_PATH, "%s/rescan", q->o.dir);
}

static void save(struct quarantine *q)
{
    const struct rescan *r = q->rescan;
    struct state s = {.magic = MAGIC, .rules = r->rules, .since_ms = r->since_ms, .local_done_ms = r->local_done_ms};
    char path[SEGMENT_PATH];
    struct err e = ERR_NONE;

    s.crc = sum_of(&s);
    path_of(q, path);
    if (io_replace_file("quarantine.rescan", path, str_of((const char *)&s, sizeof s), &e) != RC_OK)
        event(q->o.events, quarantine_write_failed, .why = str_c(err_text(&e)));
}

/* Without the file: a first start, or one that lost it: nothing is known to have changed. */
static void load(struct quarantine *q)
{
    struct rescan *r = q->rescan;
    struct buf text = BUF(sizeof(struct state));
    struct state s = {0};
    char path[SEGMENT_PATH];

    path_of(q, path);
    if (io_read_file(path, &text, NULL) == RC_OK && text.n == sizeof s)
        memcpy(&s, text.p, sizeof s);
    buf_done(&text);
    if (s.magic != MAGIC || s.crc != sum_of(&s)) {
        r->rules = rules_of(quarantine_conf(q));
        save(q);
        return;
    }
    r->rules = s.rules;
    r->since_ms = s.since_ms;
    r->local_done_ms = s.local_done_ms;
}

uint64_t outbreak_quarantine(struct quarantine *q)
{
    return sql_number(&q->sql, Q_quarantine_of_kind, 0, "i", (uint64_t)CPQ_OUTBREAK);
}

/* What was received before may have been judged by older rules: new ones take a moment to reach every worker. */
static uint64_t before(const struct rescan *r)
{
    return r->since_ms ? r->since_ms + GRACE_MS : 0;
}

static bool wants(const struct rescan *r, const struct copy *c)
{
    return c->received_ms < before(r) && c->judged_ms < r->since_ms;
}

static uint64_t local_left(struct quarantine *q)
{
    const struct rescan *r = q->rescan;

    if (r->local_done_ms >= r->since_ms)
        return 0;
    return sql_number(&q->sql, Q_hold_kind_count, 0, "iiii", outbreak_quarantine(q), r->local_at, (uint64_t)CPQ_OUTBREAK,
                      before(r));
}

static uint64_t left_to_scan(struct quarantine *q)
{
    uint64_t n = local_left(q);
    size_t all;
    const struct copy *c = copies_all(q, &all);

    for (size_t i = 0; i < all; i++)
        n += wants(q->rescan, &c[i]);
    return n;
}

uint64_t rescan_all(struct quarantine *q)
{
    struct rescan *r = q->rescan;
    uint64_t n;

    r->rules = rules_of(quarantine_conf(q));
    r->since_ms = clock_wall_ms() + 1; /* later than any scan that has begun */
    r->local_done_ms = r->local_at = r->copy_at = 0;
    verdicts_forget(q);
    save(q);
    n = left_to_scan(q);
    if (n)
        event(q->o.events, outbreak_rescan, .messages = n);
    rescan_pump(q);
    return n;
}

void rescan_settings(struct quarantine *q)
{
    if (q->rescan && quarantine_conf(q)->outbreak.enabled && q->rescan->rules != rules_of(quarantine_conf(q)))
        rescan_all(q);
}

void rescan_facts(struct quarantine *q, struct rescan_facts *out)
{
    *out = (struct rescan_facts){
        .rules_since_ms = q->rescan->since_ms, .waiting = left_to_scan(q), .verdicts = q->rescan->n_out};
}

/* ---- the next one ----------------------------------------------------------------------------------------------------- */

static bool next_copy(struct quarantine *q)
{
    struct rescan *r = q->rescan;
    struct err e = ERR_NONE;
    const struct copy *c;
    enum rc rc;

    while (verdicts_room(q) && (c = copy_after(q, r->copy_at))) {
        r->copy_at = c->mid;
        if (!wants(r, c) || verdicts_has(q, c->mid))
            continue;
        r->now.local = false;
        r->now.id = c->mid;
        r->now.exit_ms = c->exit_ms;
        r->now.received_ms = c->received_ms;
        r->now.rule = c->rule;
        r->now.bytes = c->bytes;
        rc = copy_read(q, c, &r->now.arena, &r->now.texts, &r->now.fd, &e);
        if (rc == RC_OK)
            return true;
        if (rc == RC_CORRUPT || rc == RC_NOT_FOUND)
            copy_remove(q, r->now.id, COPY_DAMAGED);
        else /* it comes again with the next round */
            event(q->o.events, outbreak_rescan_failed, .mid = r->now.id, .why = str_c(err_text(&e)));
        arena_reset(&r->now.arena);
    }
    return false;
}

static enum rc read_local(struct quarantine *q, struct scanning *s, struct err *e)
{
    struct buf meta = BUF(CPQ_META_MAX);
    struct cpq_meta m;
    struct held h;
    uint64_t offset;
    uint32_t crc = 0;
    int file = -1;
    enum rc rc = held_get(q, s->id, &s->arena, &h) && !is_foreign(q, h.serial) ? RC_OK : RC_NOT_FOUND;

    if (rc == RC_OK && h.body_bytes > quarantine_conf(q)->outbreak.max_bytes)
        rc = RC_TOO_LARGE;
    if (rc == RC_OK)
        rc = store_read(q, &h, &meta, &file, &offset, e);
    if (rc == RC_OK)
        rc = cpq_meta_read(&s->arena, buf_str(&meta), &m, e);
    if (rc == RC_OK) {
        s->bytes = h.body_bytes;
        s->texts = (struct copy_texts){.policy = arena_str(&s->arena, m.mail_policy),
                                       .sender = arena_str(&s->arena, m.envelope.sender),
                                       .outgoing = str_eq(m.direction, str_lit("out"))};
        rc = sealed_part(file, offset, h.body_bytes, &crc, &s->fd, e);
    }
    if (file >= 0)
        close(file);
    buf_done(&meta);
    return rc;
}

static void local_over(struct quarantine *q)
{
    q->rescan->local_done_ms = q->rescan->since_ms;
    save(q);
}

static bool next_local(struct quarantine *q)
{
    struct rescan *r = q->rescan;
    uint64_t quarantine = outbreak_quarantine(q);
    struct err e = ERR_NONE;

    while (r->local_done_ms < r->since_ms) {
        sqlite3_stmt *st =
            sql_bind(&q->sql, Q_hold_kind_next, "iiii", quarantine, r->local_at, (uint64_t)CPQ_OUTBREAK, before(r));

        if (!sql_step(&q->sql, st)) {
            sqlite3_reset(st);
            local_over(q);
            return false;
        }
        r->now.local = true;
        r->now.id = r->local_at = sql_u64(st, 0);
        r->now.quarantine = quarantine;
        r->now.exit_ms = sql_u64(st, 1);
        r->now.rule = copy_rule(sql_str(st, 2));
        r->now.received_ms = sql_u64(st, 3);
        sqlite3_reset(st);
        if (read_local(q, &r->now, &e) == RC_OK)
            return true;
        arena_reset(&r->now.arena); /* of another machine, too large, or unreadable: it stays until its exit */
    }
    return false;
}

/* ---- verdicts --------------------------------------------------------------------------------------------------------- */

static void scanned_local(struct quarantine *q, const struct scanning *s, const struct bus_outbreak_answer *m,
                          uint64_t exit_ms)
{
    struct err e = ERR_NONE;

    decide_begin(q);
    if (m->held)
        decide_exit(q, s->id, s->quarantine, exit_ms, m->rule);
    else
        decide_hold(q, s->id, s->quarantine, HOLD_RELEASE, BY_RULE, STR_NONE);
    decide_end(q, &e);
}

static void scanned_copy(struct quarantine *q, const struct scanning *s, const struct bus_outbreak_answer *m,
                         uint64_t exit_ms)
{
    struct verdict v = {.mid = s->id, .exit_ms = exit_ms, .scanned_ms = s->begun_ms, .clean = !m->held};

    snprintf(v.rule, sizeof v.rule, "%.*s", STR(m->rule));
    verdicts_add(q, &v);
}

/* No word is needed. */
static void nothing_new(struct quarantine *q, const struct scanning *s)
{
    struct copy *c = s->local ? NULL : copy_find(q, s->id);

    if (!c)
        return;
    c->judged_ms = s->begun_ms;
    copy_update(q, c);
}

static void scanned(struct quarantine *q, struct scanning *s, const struct bus_outbreak_answer *m)
{
    uint64_t exit_ms = (s->received_ms ? s->received_ms : s->begun_ms) + m->keep_ms;
    bool same_exit = exit_ms + SAME_EXIT_MS >= s->exit_ms && exit_ms <= s->exit_ms + SAME_EXIT_MS;

    event(q->o.events, outbreak_rescanned, .mid = s->id, .held = m->held, .rule = m->rule);
    if (same_exit)
        exit_ms = s->exit_ms;
    if (m->held && same_exit && copy_rule(m->rule) == s->rule)
        nothing_new(q, s);
    else if (s->local)
        scanned_local(q, s, m, exit_ms);
    else if (copy_find(q, s->id))
        scanned_copy(q, s, m, exit_ms);
}

/* ---- scanning --------------------------------------------------------------------------------------------------------- */

static void ask_worker(struct quarantine *q);

static void scan_over(struct rescan *r)
{
    if (r->now.fd >= 0)
        close(r->now.fd);
    r->now.fd = -1;
    r->now.on = false;
    arena_reset(&r->now.arena);
}

static void again(void *ctx)
{
    struct quarantine *q = ctx;

    if (q->rescan->now.on && !q->rescan->now.call)
        ask_worker(q);
    else
        rescan_pump(q);
}

static void on_answer(void *ctx, enum rc rc, const void *msg)
{
    const struct bus_outbreak_answer *m = msg;
    struct quarantine *q = ctx;
    struct scanning *s = &q->rescan->now;

    s->call = 0;
    if (rc != RC_OK && ++s->tries < TRIES) { /* the worker died, maybe of this message */
        loop_timer_set(q->o.loop, &q->rescan->timer, AWAY_MS, again, q);
        return;
    }
    if (rc == RC_OK && m->rc == RC_UNAVAILABLE) { /* it does not have these settings yet */
        loop_timer_set(q->o.loop, &q->rescan->timer, SOON_MS, again, q);
        return;
    }
    if (s->begun_ms < q->rescan->since_ms) {
        /* rules have changed again meanwhile: it comes once more */
    } else if (rc == RC_OK && m->rc == RC_OK) {
        scanned(q, s, m);
    } else {
        if (rc != RC_OK || m->rc != RC_NOT_IMPLEMENTED)
            event(q->o.events, outbreak_rescan_failed, .mid = s->id,
                  .why = str_c(rc_info(rc != RC_OK ? rc : RC_CORRUPT)->text));
        nothing_new(q, s);
    }
    scan_over(q->rescan);
    rescan_pump(q);
}

static struct bus_peer *worker(struct quarantine *q)
{
    struct bus_peer *p = NULL;

    for (unsigned i = 0; i < WORKERS && !p; i++)
        p = bus_peer(q->o.bus, ROLE_scan, q->rescan->worker++ % WORKERS);
    return p;
}

static void ask_worker(struct quarantine *q)
{
    struct scanning *s = &q->rescan->now;
    struct bus_peer *to = worker(q);

    if (!to) {
        loop_timer_set(q->o.loop, &q->rescan->timer, AWAY_MS, again, q);
        return;
    }
    s->call = bus_call_fd(q->o.bus, to, BUS_outbreak_question,
                          &(struct bus_outbreak_question){.mid = s->id,
                                                          .bytes = s->bytes,
                                                          .version = quarantine_conf(q)->version,
                                                          .outgoing = s->texts.outgoing,
                                                          .policy = s->texts.policy,
                                                          .sender = s->texts.sender},
                          s->fd, ANSWER_MS, on_answer, q);
}

void rescan_pump(struct quarantine *q)
{
    struct rescan *r = q->rescan;

    if (!r || !q->o.bus || q->stopping || r->now.on || !r->since_ms || !quarantine_conf(q)->outbreak.enabled)
        return;
    if (!next_copy(q) && !next_local(q))
        return;
    r->now.on = true;
    r->now.tries = 0;
    r->now.begun_ms = clock_wall_ms();
    if (r->now.begun_ms < r->since_ms)
        r->now.begun_ms = r->since_ms;
    ask_worker(q);
}

/* Judged by older rules, perhaps, and the round has passed its number. */
void rescan_arrived(struct quarantine *q, const struct incoming *in)
{
    struct rescan *r = q->rescan;
    bool outbreak = false;

    for (size_t i = 0; in->meta.class == CPQ_PVO && i < in->meta.n_holds; i++)
        outbreak = outbreak || in->meta.holds[i].kind == CPQ_OUTBREAK;
    if (!r || !outbreak || is_foreign(q, in->meta.serial) || in->meta.received >= before(r))
        return;
    if (r->local_done_ms >= r->since_ms || in->id <= r->local_at)
        r->local_at = in->id - 1;
    if (r->local_done_ms) {
        r->local_done_ms = 0;
        save(q);
    }
    rescan_pump(q);
}

void rescan_copied(struct quarantine *q, const struct copy *c)
{
    struct rescan *r = q->rescan;

    if (r && wants(r, c) && c->mid <= r->copy_at)
        r->copy_at = c->mid - 1;
    rescan_pump(q);
}

enum rc rescan_open(struct quarantine *q, struct err *e)
{
    struct rescan *r = calloc(1, sizeof *r);

    (void)e;
    must(r);
    q->rescan = r;
    r->now.fd = -1;
    arena_init(&r->now.arena, 4096, TEXT_MAX);
    load(q);
    rescan_settings(q);
    loop_timer_set(q->o.loop, &r->timer, AWAY_MS, again, q); /* what an earlier process did not finish */
    return RC_OK;
}

void rescan_close(struct quarantine *q)
{
    struct rescan *r = q->rescan;

    if (!r)
        return;
    verdicts_close(q);
    loop_timer_cancel(q->o.loop, &r->timer);
    if (r->now.call)
        bus_cancel(q->o.bus, r->now.call);
    scan_over(r);
    arena_done(&r->now.arena);
    free(r);
    q->rescan = NULL;
}
