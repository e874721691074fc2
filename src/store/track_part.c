/*
 * A partition as a file: opening, its batch, what is known of it. See track_part.h.
 *
 * Called by the writer (tracking.c), part_connect() by searches. Owns the writer's connection. Failures of statements end
 * the transaction at its commit; a batch that failed closes the file, and what is known is read anew.
 */
#include "store/track_part.h"

#include "base/clock.h"
#include "base/io.h"
#include "base/must.h"
#include "store/track_tokens.h"

#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>

enum { META_MIN = 1, META_MAX, META_LATE, META_TIDY };
enum { READER_CACHE_KIB = 2048, WRITER_CACHE_KIB = 16384, QUIET_ROWS = 100 };
static const uint64_t READER_MAP = 1ull << 30;

static const char schema[] =
    "CREATE TABLE IF NOT EXISTS m(id INTEGER PRIMARY KEY,mid INT,src INT,at INT,sender INT,rcpt BLOB,subject TEXT,flags INT,"
    "bytes INT,state INT,epoch INT,last INT,chunks BLOB);"
    "CREATE INDEX IF NOT EXISTS m_mid ON m(mid,src);"
    "CREATE VIRTUAL TABLE IF NOT EXISTS f USING fts5(t,content='',columnsize=0,detail=none,tokenize='postern');"
    "CREATE TABLE IF NOT EXISTS w(id INTEGER PRIMARY KEY,t TEXT,h INT);"
    "CREATE INDEX IF NOT EXISTS w_h ON w(h);"
    "CREATE VIRTUAL TABLE IF NOT EXISTS d USING fts5(t,content='',columnsize=0,detail=none,tokenize='postern');"
    "CREATE TABLE IF NOT EXISTS c(id INTEGER PRIMARY KEY,data BLOB);"
    "CREATE TABLE IF NOT EXISTS meta(k INTEGER PRIMARY KEY,v INT);"
    "CREATE TABLE IF NOT EXISTS src(id INTEGER PRIMARY KEY,serial TEXT,host TEXT);"
    "CREATE TABLE IF NOT EXISTS range(src INTEGER PRIMARY KEY,low INT,high INT);"
    "CREATE TABLE IF NOT EXISTS cover(src INT,epoch INT,ranges BLOB,PRIMARY KEY(src,epoch)) WITHOUT ROWID;";

static const char *const texts[] = {
#define STATEMENT(name, text) text,
#include "store/track_part.def"
#undef STATEMENT
};

enum rc part_connect(struct sql *s, const char *path, bool read_only, struct err *e)
{
    struct sql_mode mode = {.shared = true,
                            .read_only = read_only,
                            .cache_kib = read_only ? READER_CACHE_KIB : WRITER_CACHE_KIB,
                            .map_bytes = read_only ? READER_MAP : 0,
                            .prepare = track_tokenizer};

    return sql_open_as(s, path, &mode, schema, texts, read_only ? TRACK_READER_STATEMENTS : TRACK_STATEMENTS, e);
}

/* --- what is known --------------------------------------------------------------------------------------------------- */

static void forget_sources(struct track_part *p)
{
    for (size_t i = 0; i < p->n_sources; i++) {
        free(p->sources[i].serial);
        free(p->sources[i].host);
    }
    free(p->sources);
    p->sources = NULL;
    p->n_sources = 0;
}

struct part_source *part_source(struct track_part *p, struct str serial)
{
    for (size_t i = 0; i < p->n_sources; i++)
        if (str_eq(str_c(p->sources[i].serial), serial))
            return &p->sources[i];
    return NULL;
}

static struct part_source *source_new(struct track_part *p, uint64_t id, struct str serial, struct str host)
{
    struct part_source *s;

    must((p->sources = realloc(p->sources, (p->n_sources + 1) * sizeof *p->sources)));
    s = &p->sources[p->n_sources++];
    *s = (struct part_source){
        .id = id, .serial = strndup(serial.p ? serial.p : "", serial.n), .host = strndup(host.p ? host.p : "", host.n)};
    for (size_t k = 0; k < ROW_KINDS; k++)
        s->range[k].low = UINT64_MAX;
    return s;
}

/* Of the file and of what is not in it yet. */
static uint64_t bytes_of(const struct track_part *p)
{
    char wal[PART_PATH + 8];
    struct stat st;
    uint64_t sum = stat(p->path, &st) == 0 ? (uint64_t)st.st_size : 0;

    snprintf(wal, sizeof wal, "%s-wal", p->path);
    return sum + (stat(wal, &st) == 0 ? (uint64_t)st.st_size : 0);
}

static void read_sum(struct track_part *p)
{
    struct sql *s = &p->sql;

    p->sum = (struct track_sum){.rows = p->last_row,
                                .low = UINT64_MAX,
                                .min_ms = sql_number(s, T_meta_get, 0, "i", (uint64_t)META_MIN),
                                .max_ms = sql_number(s, T_meta_get, 0, "i", (uint64_t)META_MAX),
                                .late_ms = sql_number(s, T_meta_get, 0, "i", (uint64_t)META_LATE)};
    p->sum.bytes = bytes_of(p);
}

static void read_known(struct track_part *p)
{
    struct sql *s = &p->sql;
    sqlite3_stmt *st = sql_bind(s, T_src_list, "");

    forget_sources(p);
    while (sql_step(s, st))
        source_new(p, sql_u64(st, 0), sql_str(st, 1), sql_str(st, 2));
    p->last_row = sql_number(s, T_row_last, 0, "");
    read_sum(p);
    st = sql_bind(s, T_range_list, "");
    while (sql_step(s, st))
        for (size_t i = 0; i < p->n_sources; i++)
            if (p->sources[i].id == sql_u64(st, 0) / ROW_KINDS) {
                p->sources[i].range[sql_u64(st, 0) % ROW_KINDS] = (struct part_range){sql_u64(st, 1), sql_u64(st, 2)};
                p->sum.low = sql_u64(st, 1) < p->sum.low ? sql_u64(st, 1) : p->sum.low;
                p->sum.high = sql_u64(st, 2) > p->sum.high ? sql_u64(st, 2) : p->sum.high;
            }
    p->last_word = sql_number(s, T_word_last, 0, "");
    p->last_chunk = sql_number(s, T_chunk_last, 0, "");
}

enum rc part_load(struct track_part *p, const char *dir, const char *name, struct err *e)
{
    unsigned year, month, day;
    struct tm tm = {0};
    enum rc rc;

    *p = (struct track_part){.seed = random_u64()};
    steps_chunk_init(&p->chunk);
    p->scratch = BUF(STEPS_RAW_MAX);
    p->tokens = BUF(1 << 20);
    snprintf(p->name, sizeof p->name, "%s", name);
    snprintf(p->path, sizeof p->path, "%s/%s", dir, name);
    if (sscanf(name, "%4u%2u%2u-", &year, &month, &day) != 3)
        return err_set(e, RC_INVALID, "%s is no name of a partition", name);
    tm.tm_year = (int)year - 1900;
    tm.tm_mon = (int)month - 1;
    tm.tm_mday = (int)day;
    p->day = (uint64_t)timegm(&tm) / 86400;
    rc = part_open(p, e);
    if (rc != RC_OK)
        part_free(p);
    return rc;
}

void part_free(struct track_part *p)
{
    part_close(p);
    forget_sources(p);
    steps_chunk_done(&p->chunk);
    buf_done(&p->scratch);
    buf_done(&p->tokens);
}

/* --- the writer -------------------------------------------------------------------------------------------------------- */

enum rc part_open(struct track_part *p, struct err *e)
{
    enum rc rc;

    if (p->open)
        return RC_OK;
    rc = part_connect(&p->sql, p->path, false, e);
    if (rc != RC_OK) {
        sql_close(&p->sql);
        return rc;
    }
    p->open = true;
    steps_chunk_done(&p->chunk);
    p->chunk_id = 0;
    read_known(p);
    return RC_OK;
}

void part_close(struct track_part *p)
{
    if (!p->open)
        return;
    part_abandon(p);
    sql_close(&p->sql);
    p->sum.bytes = bytes_of(p);
    free(p->words);
    p->words = NULL;
    p->open = false;
    steps_chunk_done(&p->chunk);
    buf_done(&p->scratch);
    buf_done(&p->tokens);
    p->scratch = BUF(STEPS_RAW_MAX);
    p->tokens = BUF(1 << 20);
}

void part_tidy(struct track_part *p)
{
    uint64_t tidy;

    if (part_open(p, NULL) != RC_OK)
        return;
    tidy = sql_number(&p->sql, T_meta_get, 0, "i", (uint64_t)META_TIDY);
    if (p->last_row <= tidy + tidy / 8) /* a late row now and then is not worth it */
        return;
    sql_begin(&p->sql, false);
    sqlite3_exec(p->sql.db, "INSERT INTO f(f) VALUES('optimize');INSERT INTO d(d) VALUES('optimize')", NULL, NULL, NULL);
    sql_run(&p->sql, T_meta_put, "ii", (uint64_t)META_TIDY, p->last_row);
    sql_commit(&p->sql, NULL);
}

enum rc part_begin(struct track_part *p, struct err *e)
{
    if (p->batch)
        return RC_OK;
    TRY(part_open(p, e));
    sql_begin(&p->sql, true);
    if (p->sql.rc != RC_OK) {
        sql_rollback(&p->sql);
        return err_set(e, p->sql.rc, "%s", p->sql.err.text);
    }
    p->batch = true;
    p->before = steps_mark(&p->chunk);
    return RC_OK;
}

static void put_known(struct track_part *p, uint64_t src, uint64_t epoch, const struct cover *covered)
{
    struct cover mine = {0};

    sql_run(&p->sql, T_meta_put, "ii", (uint64_t)META_MIN, p->sum.min_ms);
    sql_run(&p->sql, T_meta_put, "ii", (uint64_t)META_MAX, p->sum.max_ms);
    sql_run(&p->sql, T_meta_put, "ii", (uint64_t)META_LATE, p->sum.late_ms);
    for (size_t i = 0; i < p->n_sources; i++) {
        const struct part_source *s = &p->sources[i];

        if (s->id != src)
            continue;
        sql_run(&p->sql, T_src_put, "iss", s->id, str_c(s->serial), str_c(s->host));
        for (size_t k = 0; k < ROW_KINDS; k++)
            if (s->range[k].low <= s->range[k].high)
                sql_run(&p->sql, T_range_put, "iii", s->id * ROW_KINDS + k, s->range[k].low, s->range[k].high);
    }
    part_covered(p, src, epoch, &mine);
    cover_add_all(&mine, covered);
    buf_clear(&p->scratch);
    cover_put(&mine, &p->scratch);
    sql_run(&p->sql, T_cover_put, "iib", src, epoch, buf_str(&p->scratch));
    cover_done(&mine);
}

static enum rc put_chunk(struct track_part *p, struct err *e)
{
    if (p->chunk.groups == p->before.groups)
        return RC_OK;
    buf_clear(&p->scratch);
    TRY(steps_put(&p->chunk, &p->scratch, e));
    sql_run(&p->sql, T_chunk_put, "ib", p->chunk_id, buf_str(&p->scratch));
    return RC_OK;
}

enum rc part_commit(struct track_part *p, uint64_t src, uint64_t epoch, const struct cover *covered, struct err *e)
{
    enum rc rc = put_chunk(p, e);

    if (rc == RC_OK)
        put_known(p, src, epoch, covered);
    io_pass("tracking.commit");
    if (rc == RC_OK)
        rc = sql_commit(&p->sql, e);
    if (rc != RC_OK) {
        p->damaged = rc == RC_CORRUPT;
        part_abandon(p);
        return rc;
    }
    io_passed("tracking.commit");
    p->batch = false;
    if (p->last_row - p->sum.rows < QUIET_ROWS)
        sqlite3_db_release_memory(p->sql.db); /* little comes: what is asked for again is in the page cache */
    if (steps_size(&p->chunk) >= STEPS_CHUNK) {
        steps_chunk_done(&p->chunk);
        p->chunk_id = 0;
    }
    p->sum.rows = p->last_row;
    p->sum.bytes = bytes_of(p);
    return RC_OK;
}

void part_abandon(struct track_part *p)
{
    if (!p->batch)
        return;
    p->batch = false;
    sql_rollback(&p->sql);
    p->sql.rc = RC_OK;
    free(p->words); /* it knows words that are not there */
    p->words = NULL;
    steps_chunk_done(&p->chunk);
    p->chunk_id = 0;
    read_known(p);
}
