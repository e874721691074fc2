/*
 * Runs of imported segments and what the gateway lists. See ledger.h.
 *
 * Called by record and by reporting.c. Owns nothing: the tables lie in reporting.db. Imported segments that touch make one
 * run, so there are as many rows as holes.
 */
#include "store/reporting_inside.h"

#include "base/json_read.h"

#include <inttypes.h>
#include <stdio.h>

struct run {
    uint64_t seq, seq_to, first, last, start_ms, end_ms;
};

static bool read_run(struct reporting *r, sqlite3_stmt *st, struct run *out)
{
    bool have = sql_step(&r->sql, st);

    if (have)
        *out = (struct run){sql_u64(st, 0), sql_u64(st, 1), sql_u64(st, 2), sql_u64(st, 3), sql_u64(st, 4), sql_u64(st, 5)};
    sqlite3_reset(st);
    return have;
}

/* The run at or before seq. */
static bool left_of(struct reporting *r, uint64_t id, const struct segment_header *h, struct run *out)
{
    return read_run(r, sql_bind(&r->sql, LG_LEFT, "iiii", id, (uint64_t)h->kind, h->epoch, h->seq), out);
}

enum rc ledger_note(struct reporting *r, const struct segment_header *h, struct err *e)
{
    uint64_t id = reporting_appliance(r, str_c(h->serial), true), kind = h->kind;
    struct run left, right, now = {h->seq, h->seq, h->first, h->last, h->start_ms, h->end_ms};
    bool have_left = left_of(r, id, h, &left),
         have_right = read_run(r, sql_bind(&r->sql, LG_RIGHT, "iiii", id, kind, h->epoch, h->seq), &right);

    if (have_left && left.seq_to >= h->seq)
        return err_set(e, RC_EXISTS, "segment %" PRIu64 "-%" PRIu64 " was imported before", h->epoch, h->seq);
    have_left = have_left && left.seq_to + 1 == h->seq;
    have_right = have_right && right.seq == h->seq + 1;
    if ((have_left && left.last + 1 != h->first) || (have_right && h->last + 1 != right.first))
        return err_set(e, RC_CORRUPT, "the numbers of segment %" PRIu64 "-%" PRIu64 " do not follow", h->epoch, h->seq);
    if (have_left) {
        sql_run(&r->sql, LG_REMOVE, "iiii", id, kind, h->epoch, left.seq);
        now.seq = left.seq;
        now.first = left.first;
        now.start_ms = left.start_ms;
    }
    if (have_right) {
        sql_run(&r->sql, LG_REMOVE, "iiii", id, kind, h->epoch, right.seq);
        now.seq_to = right.seq_to;
        now.last = right.last;
        now.end_ms = right.end_ms;
    }
    sql_run(&r->sql, LG_PUT, "iiiiiiiii", id, kind, h->epoch, now.seq, now.seq_to, now.first, now.last, now.start_ms,
            now.end_ms);
    sql_run(&r->sql, LG_LISTED_IMPORTED, "iiii", id, kind, h->epoch, h->seq);
    return RC_OK;
}

enum rc ledger_add(struct reporting *r, const struct segment_header *h, struct err *e)
{
    enum rc rc;

    pthread_mutex_lock(&r->lock);
    sql_begin(&r->sql, true);
    rc = ledger_note(r, h, e);
    if (rc == RC_OK)
        rc = sql_commit(&r->sql, e);
    else
        sql_rollback(&r->sql);
    pthread_mutex_unlock(&r->lock);
    return rc;
}

bool ledger_has(struct reporting *r, const struct segment_header *h)
{
    struct run left;
    bool have;

    pthread_mutex_lock(&r->lock);
    have = left_of(r, reporting_appliance(r, str_c(h->serial), false), h, &left) && left.seq_to >= h->seq;
    pthread_mutex_unlock(&r->lock);
    return have;
}

enum rc ledger_paused(struct reporting *r, struct str serial, enum segment_kind kind, uint64_t from_ms, uint64_t to_ms,
                      struct err *e)
{
    enum rc rc;

    pthread_mutex_lock(&r->lock);
    sql_begin(&r->sql, true);
    sql_run(&r->sql, LG_PAUSE_ADD, "iiii", reporting_appliance(r, serial, true), (uint64_t)kind, from_ms, to_ms);
    rc = sql_commit(&r->sql, e);
    pthread_mutex_unlock(&r->lock);
    return rc;
}

/* --- what the gateway lists ---------------------------------------------------------------------------------------- */

static bool read_line(struct arena *a, struct str line, struct segment_header *h, uint64_t *seqs, struct str *digest,
                      bool *lost)
{
    const struct json *v;

    if (json_read(a, line, &v, NULL) != RC_OK || !json_u64(json_get(v, "epoch"), &h->epoch) ||
        !json_u64(json_get(v, "seq"), &h->seq) || !json_u64(json_get(v, "first"), &h->first) ||
        !json_u64(json_get(v, "last"), &h->last) || !json_u64(json_get(v, "start"), &h->start_ms) ||
        !json_u64(json_get(v, "end"), &h->end_ms) || !h->seq || !h->epoch)
        return false;
    if (!json_u64(json_get(v, "seqs"), seqs) || !*seqs)
        *seqs = 1;
    *digest = json_str_of(json_get(v, "sha256"));
    *lost = str_eq(json_str_of(json_get(v, "state")), str_lit("lost"));
    return true;
}

static void note_listed(struct reporting *r, uint64_t id, const struct segment_header *h, uint64_t seqs, struct str digest,
                        bool lost)
{
    uint64_t kind = h->kind, to = h->seq + seqs - 1;
    struct run left;

    if (!lost && left_of(r, id, h, &left) && left.seq_to >= to)
        return; /* imported */
    if (lost)
        sql_run(&r->sql, LG_LISTED_TRIM, "iiiii", id, kind, h->epoch, h->seq, to);
    sql_run(&r->sql, LG_LISTED_PUT, "iiiiiiiiiis", id, kind, h->epoch, h->seq, to, h->first, h->last, h->start_ms, h->end_ms,
            (uint64_t)lost, digest);
}

enum rc ledger_listed(struct reporting *r, struct str serial, enum segment_kind kind, struct str lines, struct err *e)
{
    struct segment_header h = {.kind = kind};
    struct str line, digest;
    struct arena a;
    uint64_t id, seqs;
    bool lost;
    enum rc rc;

    arena_init(&a, 4096, 64 << 10);
    pthread_mutex_lock(&r->lock);
    sql_begin(&r->sql, false);
    id = reporting_appliance(r, serial, true);
    while (lines.n && str_split(&lines, '\n', &line)) {
        if (line.n && read_line(&a, line, &h, &seqs, &digest, &lost))
            note_listed(r, id, &h, seqs, digest, lost);
        arena_reset(&a);
    }
    rc = sql_commit(&r->sql, e);
    pthread_mutex_unlock(&r->lock);
    arena_done(&a);
    return rc;
}

bool ledger_digest(struct reporting *r, const struct segment_header *h, char out[SEGMENT_DIGEST])
{
    sqlite3_stmt *st;
    struct str digest;
    bool have;

    pthread_mutex_lock(&r->lock);
    st = sql_bind(&r->sql, LG_DIGEST, "iiii", reporting_appliance(r, str_c(h->serial), false), (uint64_t)h->kind, h->epoch,
                  h->seq);
    have = sql_step(&r->sql, st);
    digest = have ? sql_str(st, 0) : STR_NONE;
    have = digest.n == SEGMENT_DIGEST - 1;
    if (have)
        snprintf(out, SEGMENT_DIGEST, "%.*s", STR(digest));
    sqlite3_reset(st);
    pthread_mutex_unlock(&r->lock);
    return have;
}

enum rc ledger_runs(struct reporting *r, struct str serial, enum segment_kind kind, struct buf *out, struct err *e)
{
    sqlite3_stmt *st;
    enum rc rc;

    pthread_mutex_lock(&r->lock);
    sql_begin(&r->sql, false);
    st = sql_bind(&r->sql, LG_RUNS, "ii", reporting_appliance(r, serial, false), (uint64_t)kind);
    while (sql_step(&r->sql, st))
        for (int i = 0; i < 3; i++)
            buf_put_varint(out, sql_u64(st, i));
    rc = sql_commit(&r->sql, e);
    pthread_mutex_unlock(&r->lock);
    return rc;
}
