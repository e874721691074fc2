/*
 * The database of figures: opening, adding batches, reading and writing segments. See reporting.h.
 *
 * Called by record. Owns reporting.db and a lock around it. A stored row holds its amounts as varints, counter and amount by
 * turns. What SQLite cannot do fails the call, and its transaction has not happened.
 */
#include "store/reporting_inside.h"

#include "base/io.h"
#include "base/json.h"
#include "base/json_read.h"
#include "base/must.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

static const struct report_info reports[REPORTS] = {
#define REPORT(name, title, key, counters) [REPORT_##name] = {#name, title, key, counters},
#include "spec/reports.def"
#undef REPORT
};
static const char *const counters[FIGURES] = {
#define FIGURE(name) [FIGURE_##name] = #name,
#include "spec/report_counters.def"
#undef FIGURE
};

static const char schema[] =
    "CREATE TABLE IF NOT EXISTS appliance(id INTEGER PRIMARY KEY, serial TEXT UNIQUE);"
    "CREATE TABLE IF NOT EXISTS mark(appliance INTEGER PRIMARY KEY, batch INT);"
    "CREATE TABLE IF NOT EXISTS figure(report TEXT, slot INT, level INT, appliance INT, key TEXT, amounts BLOB,"
    " PRIMARY KEY(report,slot,level,appliance,key)) WITHOUT ROWID;"
    "CREATE INDEX IF NOT EXISTS by_slot ON figure(level,slot);"
    "CREATE TABLE IF NOT EXISTS run(appliance INT, kind INT, epoch INT, seq INT, seq_to INT, first INT, last INT, start INT,"
    " end INT, PRIMARY KEY(appliance,kind,epoch,seq)) WITHOUT ROWID;"
    "CREATE TABLE IF NOT EXISTS listed(appliance INT, kind INT, epoch INT, seq INT, seq_to INT, first INT, last INT,"
    " start INT, end INT, lost INT, digest TEXT, PRIMARY KEY(appliance,kind,epoch,seq)) WITHOUT ROWID;"
    "CREATE TABLE IF NOT EXISTS pause(appliance INT, kind INT, start INT, end INT, PRIMARY KEY(appliance,kind,start))"
    " WITHOUT ROWID;";

static const char *const texts[RP_STATEMENTS] = {
    [RP_APPLIANCE] = "SELECT id FROM appliance WHERE serial=?",
    [RP_APPLIANCE_ADD] = "INSERT INTO appliance(serial) VALUES(?)",
    [RP_APPLIANCES] = "SELECT id,serial FROM appliance ORDER BY serial",
    [RP_MARK] = "SELECT batch FROM mark WHERE appliance=?",
    [RP_MARK_SET] = "INSERT OR REPLACE INTO mark VALUES(?,?)",
    [RP_GET] = "SELECT amounts FROM figure WHERE report=? AND slot=? AND level=? AND appliance=? AND key=?",
    [RP_PUT] = "INSERT OR REPLACE INTO figure VALUES(?,?,?,?,?,?)",
    [RP_SLOT] = "SELECT report,key,amounts FROM figure WHERE level=0 AND slot=?1 AND appliance=?2 ORDER BY report,key",
    [RP_QUERY] = "SELECT slot,appliance,key,amounts FROM figure WHERE report=? AND slot>=? AND slot<?",
    [RP_OLD] = "SELECT report,slot,appliance,key,amounts FROM figure WHERE level=?1 AND slot<?2 ORDER BY slot LIMIT ?3",
    [RP_OLD_REMOVE] = "DELETE FROM figure WHERE report=? AND slot=? AND level=? AND appliance=? AND key=?",
    [RP_OLDEST] = "SELECT min(slot) FROM figure",
    [RP_FORGET] = "DELETE FROM figure WHERE slot<?",
    [RP_PAGES] = "SELECT (SELECT page_count FROM pragma_page_count)-(SELECT freelist_count FROM pragma_freelist_count)",
    [LG_LEFT] = "SELECT seq,seq_to,first,last,start,end FROM run WHERE appliance=? AND kind=? AND epoch=? AND seq<=? "
                "ORDER BY seq DESC LIMIT 1",
    [LG_RIGHT] = "SELECT seq,seq_to,first,last,start,end FROM run WHERE appliance=? AND kind=? AND epoch=? AND seq>? "
                 "ORDER BY seq LIMIT 1",
    [LG_PUT] = "INSERT OR REPLACE INTO run VALUES(?,?,?,?,?,?,?,?,?)",
    [LG_REMOVE] = "DELETE FROM run WHERE appliance=? AND kind=? AND epoch=? AND seq=?",
    [LG_RUNS] = "SELECT epoch,seq,seq_to,first,last,start,end FROM run WHERE appliance=? AND kind=? ORDER BY epoch,seq",
    [LG_PAUSE_ADD] = "INSERT OR REPLACE INTO pause VALUES(?,?,?,?)",
    [LG_PAUSES] = "SELECT start,end FROM pause WHERE appliance=? AND kind=? ORDER BY start",
    [LG_LISTED_PUT] = "INSERT OR REPLACE INTO listed VALUES(?,?,?,?,?,?,?,?,?,?,?)",
    [LG_LISTED_TRIM] = "DELETE FROM listed WHERE appliance=? AND kind=? AND epoch=? AND seq>=? AND seq_to<=?",
    [LG_LISTED] =
        "SELECT epoch,seq,seq_to,first,last,start,end,lost FROM listed WHERE appliance=? AND kind=? ORDER BY epoch,seq",
    [LG_LISTED_IMPORTED] = "DELETE FROM listed WHERE appliance=? AND kind=? AND epoch=? AND seq=? AND seq_to=seq",
    [LG_DIGEST] = "SELECT digest FROM listed WHERE appliance=? AND kind=? AND epoch=? AND seq=? AND lost=0",
    [LG_SPAN] = "SELECT coalesce(min(start),0),coalesce(max(end),0) FROM run WHERE appliance=? AND kind=?",
};

const struct report_info *report_info(enum report r)
{
    return &reports[r];
}

bool report_named(struct str name, enum report *out)
{
    for (unsigned i = 0; i < REPORTS; i++)
        if (str_eq(name, str_c(reports[i].name))) {
            *out = (enum report)i;
            return true;
        }
    return false;
}

const char *report_counter_name(enum report_counter c)
{
    return counters[c];
}

bool report_counter_named(struct str name, enum report_counter *out)
{
    for (unsigned i = 0; i < FIGURES; i++)
        if (str_eq(name, str_c(counters[i]))) {
            *out = (enum report_counter)i;
            return true;
        }
    return false;
}

/* --- opening ------------------------------------------------------------------------------------------------------- */

enum rc reporting_open(const char *dir, struct reporting **out, struct err *e)
{
    struct reporting *r = calloc(1, sizeof *r);
    char path[SEGMENT_PATH];
    enum rc rc;

    must(r && pthread_mutex_init(&r->lock, NULL) == 0);
    mkdir(dir, 0750);
    snprintf(path, sizeof path, "%s/reporting.db", dir);
    rc = sql_open(&r->sql, path, schema, texts, RP_STATEMENTS, e);
    if (rc != RC_OK) {
        reporting_close(r);
        return rc;
    }
    *out = r;
    return RC_OK;
}

void reporting_close(struct reporting *r)
{
    if (!r)
        return;
    sql_close(&r->sql);
    pthread_mutex_destroy(&r->lock);
    free(r);
}

uint64_t reporting_appliance(struct reporting *r, struct str serial, bool add)
{
    uint64_t id = sql_number(&r->sql, RP_APPLIANCE, 0, "s", serial);

    if (!id && add && sql_run(&r->sql, RP_APPLIANCE_ADD, "s", serial))
        id = sql_number(&r->sql, RP_APPLIANCE, 0, "s", serial);
    return id;
}

/* --- rows ---------------------------------------------------------------------------------------------------------- */

static void add_part(struct figure *f, uint64_t counter, uint64_t amount)
{
    if (counter >= FIGURES)
        return;
    for (size_t i = 0; i < f->n; i++)
        if (f->parts[i].counter == counter) {
            f->parts[i].amount += amount;
            return;
        }
    f->parts[f->n].counter = (enum report_counter)counter;
    f->parts[f->n++].amount = amount;
}

void figure_add_blob(struct figure *f, struct str blob)
{
    uint64_t counter, amount;

    while (get_varint(&blob, &counter) && get_varint(&blob, &amount))
        add_part(f, counter, amount);
}

void reporting_put(struct reporting *r, uint64_t appliance, enum figure_level level, const struct figure *f)
{
    struct str report = str_c(reports[f->report].name);
    struct figure sum = *f;
    struct buf blob = BUF(FIGURES * 24);
    sqlite3_stmt *st = sql_bind(&r->sql, RP_GET, "siiis", report, f->slot_ms, (uint64_t)level, appliance, f->key);

    if (sql_step(&r->sql, st))
        figure_add_blob(&sum, sql_str(st, 0));
    sqlite3_reset(st);
    for (size_t i = 0; i < sum.n; i++) {
        buf_put_varint(&blob, sum.parts[i].counter);
        buf_put_varint(&blob, sum.parts[i].amount);
    }
    sql_run(&r->sql, RP_PUT, "siiisb", report, f->slot_ms, (uint64_t)level, appliance, f->key, buf_str(&blob));
    buf_done(&blob);
}

enum rc reporting_add(struct reporting *r, struct str serial, uint64_t batch, figure_next *next, void *ctx, struct err *e)
{
    struct figure f;
    uint64_t id;
    enum rc rc;

    pthread_mutex_lock(&r->lock);
    sql_begin(&r->sql, true);
    id = reporting_appliance(r, serial, true);
    if (batch > sql_number(&r->sql, RP_MARK, 0, "i", id)) {
        while (r->sql.rc == RC_OK && next(ctx, &f))
            reporting_put(r, id, LEVEL_QUARTER, &f);
        sql_run(&r->sql, RP_MARK_SET, "ii", id, batch);
    }
    rc = sql_commit(&r->sql, e);
    pthread_mutex_unlock(&r->lock);
    return rc;
}

/* --- segments ------------------------------------------------------------------------------------------------------ */

static void put_line(struct segment_writer *w, uint64_t slot_ms, struct str report, struct str key, struct str blob)
{
    struct buf *out = segment_line(w);
    const char *between = "";
    uint64_t counter, amount;

    buf_addf(out, "{\"n\":%" PRIu64 ",\"s\":%" PRIu64 ",\"r\":\"%.*s\",\"k\":", segment_next(w), slot_ms, STR(report));
    json_str(out, key);
    buf_add(out, str_lit(",\"c\":{"));
    while (get_varint(&blob, &counter) && get_varint(&blob, &amount))
        if (counter < FIGURES) {
            buf_addf(out, "%s\"%s\":%" PRIu64, between, counters[counter], amount);
            between = ",";
        }
    buf_add(out, str_lit("}}\n"));
    segment_added(w);
}

void reporting_write_pause(struct segment_writer *w, uint64_t slot_ms, uint64_t from_ms, uint64_t to_ms)
{
    buf_addf(segment_line(w), "{\"n\":%" PRIu64 ",\"s\":%" PRIu64 ",\"paused\":{\"from\":%" PRIu64 ",\"to\":%" PRIu64 "}}\n",
             segment_next(w), slot_ms, from_ms, to_ms);
    segment_added(w);
}

enum rc reporting_write(struct reporting *r, struct str serial, uint64_t slot_ms, struct segment_writer *w, struct err *e)
{
    sqlite3_stmt *st;
    enum rc rc = RC_OK;

    pthread_mutex_lock(&r->lock);
    sql_begin(&r->sql, false);
    st = sql_bind(&r->sql, RP_SLOT, "ii", slot_ms, reporting_appliance(r, serial, false));
    while (rc == RC_OK && sql_step(&r->sql, st)) {
        put_line(w, slot_ms, sql_str(st, 0), sql_str(st, 1), sql_str(st, 2));
        if (segment_wants_flush(w))
            rc = segment_flush(w, e);
    }
    sqlite3_reset(st);
    if (rc == RC_OK)
        rc = sql_commit(&r->sql, e);
    else
        sql_rollback(&r->sql);
    pthread_mutex_unlock(&r->lock);
    return rc == RC_OK ? segment_flush(w, e) : rc;
}

static bool read_parts(const struct json *c, struct figure *f)
{
    enum report_counter counter;
    uint64_t amount;

    if (!json_is(c, JSON_OBJECT))
        return false;
    for (const struct json *v = c->first; v; v = v->next) {
        if (!json_u64(v, &amount))
            return false;
        if (report_counter_named(v->key, &counter))
            add_part(f, counter, amount);
    }
    return true;
}

/* RC_NOT_FOUND: a report we do not know. */
static enum rc read_figure(const struct json *v, struct figure *f)
{
    *f = (struct figure){0};
    if (!json_u64(json_get(v, "s"), &f->slot_ms) || f->slot_ms % SLOT_MS != 0 || !json_is(json_get(v, "k"), JSON_STRING) ||
        !read_parts(json_get(v, "c"), f))
        return RC_CORRUPT;
    f->key = json_str_of(json_get(v, "k"));
    if (f->key.n > FIGURE_KEY_MOST)
        return RC_CORRUPT;
    return report_named(json_str_of(json_get(v, "r")), &f->report) ? RC_OK : RC_NOT_FOUND;
}

static enum rc import_pause(struct reporting *r, uint64_t id, const struct json *v)
{
    uint64_t from_ms, to_ms;

    if (!json_u64(json_get(v, "from"), &from_ms) || !json_u64(json_get(v, "to"), &to_ms) || to_ms < from_ms)
        return RC_CORRUPT;
    sql_run(&r->sql, LG_PAUSE_ADD, "iiii", id, (uint64_t)SEGMENT_REPORTING, from_ms, to_ms);
    return RC_OK;
}

static enum rc import_line(struct reporting *r, uint64_t id, struct arena *a, struct str line)
{
    const struct json *v, *pause;
    struct figure f;

    if (json_read(a, line, &v, NULL) != RC_OK)
        return RC_CORRUPT;
    pause = json_get(v, "paused");
    if (pause)
        return import_pause(r, id, pause);
    TRY(read_figure(v, &f));
    reporting_put(r, id, LEVEL_QUARTER, &f);
    return RC_OK;
}

static enum rc import_lines(struct reporting *r, uint64_t id, struct segment_reader *in, struct err *e)
{
    struct arena a;
    struct str line;
    enum rc rc;

    arena_init(&a, 4096, 1 << 20);
    while ((rc = segment_read(in, &line, e)) == RC_OK && r->sql.rc == RC_OK) {
        rc = import_line(r, id, &a, line);
        if (rc == RC_CORRUPT)
            break;
        arena_reset(&a);
    }
    arena_done(&a);
    if (rc == RC_CORRUPT)
        return err_set(e, rc, "a line of the segment is no figure, or lines are missing");
    return rc == RC_NOT_FOUND ? RC_OK : rc;
}

enum rc reporting_import(struct reporting *r, struct segment_reader *in, struct err *e)
{
    const struct segment_header *h = segment_head(in);
    uint64_t id;
    enum rc rc;

    pthread_mutex_lock(&r->lock);
    sql_begin(&r->sql, true);
    id = reporting_appliance(r, str_c(h->serial), true);
    rc = ledger_note(r, h, e);
    if (rc == RC_OK)
        rc = import_lines(r, id, in, e);
    if (rc == RC_OK)
        rc = sql_commit(&r->sql, e);
    else
        sql_rollback(&r->sql);
    pthread_mutex_unlock(&r->lock);
    return rc;
}
