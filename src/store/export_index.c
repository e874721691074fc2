/*
 * The index of export segments. See export_index.h.
 *
 * Called by record. Owns exports.db and a lock around it. Acknowledgements are bits, one a manager (at most 62 ever known).
 * What SQLite cannot do (disk full) fails the call; the files stay as they are and the next opening finds them.
 */
#include "store/export_inside.h"

#include "base/io.h"
#include "base/must.h"

#include <dirent.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

enum { MANAGERS_MOST = 62 };

static const char schema[] =
    "CREATE TABLE IF NOT EXISTS segment(kind INT, epoch INT, seq INT, first INT, last INT, start INT, end INT, events INT,"
    " bytes INT, digest TEXT, acks INT, PRIMARY KEY(kind,epoch,seq)) WITHOUT ROWID;"
    "CREATE TABLE IF NOT EXISTS lost(kind INT, epoch INT, seq INT, seq_to INT, first INT, last INT, start INT, end INT,"
    " events INT, PRIMARY KEY(kind,epoch,seq)) WITHOUT ROWID;"
    "CREATE INDEX IF NOT EXISTS by_end ON segment(end,seq);"
    "CREATE TABLE IF NOT EXISTS manager(id INTEGER PRIMARY KEY, serial TEXT UNIQUE);";

static const char *const texts[EX_STATEMENTS] = {
    [EX_ADD] = "INSERT OR IGNORE INTO segment VALUES(?,?,?,?,?,?,?,?,?,?,0)",
    [EX_LIST] =
        "SELECT epoch,seq,first,last,start,end,events,bytes,digest FROM segment WHERE kind=?1 AND (epoch,seq)>=(?2,?3) "
        "ORDER BY epoch,seq LIMIT ?4",
    [EX_LIST_LOST] = "SELECT epoch,seq,first,last,start,end,events,seq_to FROM lost WHERE kind=?1 AND (epoch>?2 OR "
                     "(epoch=?2 AND seq_to>=?3)) ORDER BY epoch,seq LIMIT ?4",
    [EX_DIGEST] = "SELECT digest FROM segment WHERE kind=? AND epoch=? AND seq=?",
    [EX_MARK] = "UPDATE segment SET acks=acks|?5 WHERE kind=?1 AND epoch=?2 AND seq BETWEEN ?3 AND ?4",
    [EX_MANAGER] = "SELECT id FROM manager WHERE serial=?",
    [EX_MANAGER_ADD] = "INSERT INTO manager(serial) VALUES(?)",
    [EX_KNOWN] = "SELECT 1 FROM segment WHERE kind=? AND epoch=? AND seq=?",
    [EX_IS_LOST] = "SELECT 1 FROM lost WHERE kind=?1 AND epoch=?2 AND seq<=?3 AND seq_to>=?3",
    [EX_OLDEST] = "SELECT kind,epoch,seq,first,last,start,end,events,bytes,acks FROM segment ORDER BY end,seq LIMIT 1",
    [EX_OLDEST_DONE] = "SELECT kind,epoch,seq,first,last,start,end,events,bytes,acks FROM segment WHERE acks&?1=?1 "
                       "ORDER BY end,seq LIMIT 1",
    [EX_REMOVE] = "DELETE FROM segment WHERE kind=? AND epoch=? AND seq=?",
    [EX_RUN] = "SELECT seq FROM lost WHERE kind=?1 AND epoch=?2 AND seq_to=?3-1 AND start>?4",
    [EX_RUN_GROW] = "UPDATE lost SET seq_to=?4,last=?5,end=?6,events=events+?7 WHERE kind=?1 AND epoch=?2 AND seq=?3",
    [EX_RUN_ADD] = "INSERT OR REPLACE INTO lost VALUES(?1,?2,?3,?3,?4,?5,?6,?7,?8)",
    [EX_RUN_OLD] = "DELETE FROM lost WHERE end<?",
    [EX_BYTES] = "SELECT coalesce(sum(bytes),0) FROM segment",
    [EX_EPOCH] = "SELECT max(coalesce((SELECT max(epoch) FROM segment),0),coalesce((SELECT max(epoch) FROM lost),0))",
    [EX_FIRST] = "SELECT epoch,seq FROM segment WHERE kind=? ORDER BY epoch,seq LIMIT 1",
    [EX_LAST] = "SELECT epoch,seq,last FROM segment WHERE kind=? ORDER BY epoch DESC,seq DESC LIMIT 1",
    [EX_TOTALS] = "SELECT count(*),coalesce(sum(bytes),0) FROM segment WHERE kind=?",
    [EX_WAITING] = "SELECT count(*) FROM segment WHERE kind=?1 AND acks&?2<>?2",
    [EX_ACKED] = "SELECT epoch,seq FROM segment WHERE kind=?1 AND acks&?2=?2 ORDER BY epoch DESC,seq DESC LIMIT 1",
    [EX_NEXT] =
        "SELECT seq,first,last,start,end,events FROM segment WHERE kind=? AND epoch=? AND seq>? ORDER BY seq LIMIT 1",
};

/* --- opening: files and rows are brought together ------------------------------------------------------------------ */

static void insert(struct export_index *x, const struct segment_header *h, uint64_t bytes, const char *digest)
{
    if (sql_run(&x->sql, EX_ADD, "iiiiiiiiis", (uint64_t)h->kind, h->epoch, h->seq, h->first, h->last, h->start_ms,
                h->end_ms, h->events, bytes, str_c(digest)))
        x->bytes += bytes;
}

/* A file without a row: evicted, or finished just before the end of the process. */
static void adopt(struct export_index *x, enum segment_kind kind, uint64_t epoch, uint64_t seq)
{
    char path[SEGMENT_PATH], digest[SEGMENT_DIGEST];
    struct segment_header h;
    uint64_t bytes;

    segment_path(path, x->dir, kind, epoch, seq, false);
    if (sql_number(&x->sql, EX_IS_LOST, 0, "iii", (uint64_t)kind, epoch, seq))
        io_unlink("exports.evict", path, NULL);
    else if (segment_read_header(path, &h, NULL) == RC_OK && h.kind == kind && h.epoch == epoch && h.seq == seq &&
             segment_digest(path, &bytes, digest, NULL) == RC_OK)
        insert(x, &h, bytes, digest);
}

static void look_through(struct export_index *x, enum segment_kind kind)
{
    char folder[SEGMENT_PATH];
    struct dirent *entry;
    uint64_t epoch, seq;
    bool open;
    DIR *dir;

    snprintf(folder, sizeof folder, "%s/%.*s", x->dir, STR(segment_kind_word(kind)));
    mkdir(folder, 0750);
    dir = opendir(folder);
    while (dir && (entry = readdir(dir)))
        if (segment_name(entry->d_name, &epoch, &seq, &open) && !open &&
            !sql_number(&x->sql, EX_KNOWN, 0, "iii", (uint64_t)kind, epoch, seq))
            adopt(x, kind, epoch, seq);
    if (dir)
        closedir(dir);
}

static enum rc open_database(struct export_index *x, struct err *e)
{
    char path[SEGMENT_PATH], aside[SEGMENT_PATH];
    enum rc rc;

    snprintf(path, sizeof path, "%s/exports.db", x->dir);
    rc = sql_open(&x->sql, path, schema, texts, EX_STATEMENTS, e);
    if (rc != RC_CORRUPT)
        return rc;
    sql_close(&x->sql); /* made anew from the files; acknowledgements come again */
    snprintf(aside, sizeof aside, "%s/exports.db.damaged", x->dir);
    TRY(io_rename("exports.aside", path, aside, e));
    snprintf(aside, sizeof aside, "%s/exports.db-wal", x->dir);
    unlink(aside);
    return sql_open(&x->sql, path, schema, texts, EX_STATEMENTS, e);
}

enum rc export_index_open(const char *dir, struct export_index **out, struct err *e)
{
    struct export_index *x = calloc(1, sizeof *x);
    enum rc rc;

    must(x && pthread_mutex_init(&x->lock, NULL) == 0);
    snprintf(x->dir, sizeof x->dir, "%s", dir);
    mkdir(dir, 0750);
    rc = open_database(x, e);
    if (rc == RC_OK) {
        x->bytes = sql_number(&x->sql, EX_BYTES, 0, "");
        sql_begin(&x->sql, true);
        for (unsigned kind = 0; kind < SEGMENT_KINDS; kind++)
            look_through(x, (enum segment_kind)kind);
        rc = sql_commit(&x->sql, e);
    }
    if (rc != RC_OK) {
        export_index_close(x);
        return rc;
    }
    *out = x;
    return RC_OK;
}

void export_index_close(struct export_index *x)
{
    if (!x)
        return;
    sql_close(&x->sql);
    pthread_mutex_destroy(&x->lock);
    free(x);
}

enum rc export_index_add(struct export_index *x, const struct segment_header *h, uint64_t bytes, const char *digest,
                         struct err *e)
{
    enum rc rc;

    pthread_mutex_lock(&x->lock);
    sql_begin(&x->sql, true);
    insert(x, h, bytes, digest);
    rc = sql_commit(&x->sql, e);
    pthread_mutex_unlock(&x->lock);
    return rc;
}

/* --- listing ------------------------------------------------------------------------------------------------------- */

static void list_line(struct buf *out, sqlite3_stmt *st, uint64_t bytes, struct str digest, const char *state)
{
    buf_addf(out,
             "{\"epoch\":%" PRIu64 ",\"seq\":%" PRIu64 ",\"first\":%" PRIu64 ",\"last\":%" PRIu64 ",\"start\":%" PRIu64
             ",\"end\":%" PRIu64 ",\"events\":%" PRIu64 ",\"bytes\":%" PRIu64 ",\"sha256\":\"%.*s\",\"state\":\"%s\"",
             sql_u64(st, 0), sql_u64(st, 1), sql_u64(st, 2), sql_u64(st, 3), sql_u64(st, 4), sql_u64(st, 5), sql_u64(st, 6),
             bytes, STR(digest), state);
}

static void lost_line(struct buf *out, sqlite3_stmt *st)
{
    uint64_t seqs = sql_u64(st, 7) - sql_u64(st, 1) + 1;

    list_line(out, st, 0, STR_NONE, "lost");
    if (seqs > 1)
        buf_addf(out, ",\"seqs\":%" PRIu64, seqs);
    buf_add(out, str_lit("}\n"));
}

/* Both lists are in order: the earlier of their heads comes next. */
static void merge(struct export_index *x, sqlite3_stmt *have, sqlite3_stmt *lost, struct buf *out)
{
    bool more = sql_step(&x->sql, have), more_lost = sql_step(&x->sql, lost);

    for (unsigned n = 0; n < EXPORT_LIST_MOST && (more || more_lost); n++) {
        bool take_lost = more_lost && (!more || sql_u64(lost, 0) < sql_u64(have, 0) ||
                                       (sql_u64(lost, 0) == sql_u64(have, 0) && sql_u64(lost, 1) < sql_u64(have, 1)));

        if (take_lost) {
            lost_line(out, lost);
            more_lost = sql_step(&x->sql, lost);
        } else {
            list_line(out, have, sql_u64(have, 7), sql_str(have, 8), "ready");
            buf_add(out, str_lit("}\n"));
            more = sql_step(&x->sql, have);
        }
    }
    sqlite3_reset(have);
    sqlite3_reset(lost);
}

enum rc export_index_list(struct export_index *x, enum segment_kind kind, uint64_t epoch, uint64_t seq, struct buf *out,
                          struct err *e)
{
    enum rc rc;

    pthread_mutex_lock(&x->lock);
    sql_begin(&x->sql, false);
    merge(x, sql_bind(&x->sql, EX_LIST, "iiii", (uint64_t)kind, epoch, seq, (uint64_t)EXPORT_LIST_MOST),
          sql_bind(&x->sql, EX_LIST_LOST, "iiii", (uint64_t)kind, epoch, seq, (uint64_t)EXPORT_LIST_MOST), out);
    rc = sql_commit(&x->sql, e);
    pthread_mutex_unlock(&x->lock);
    return rc;
}

/* --- acknowledgements ---------------------------------------------------------------------------------------------- */

uint64_t export_manager(struct export_index *x, struct str serial, bool add)
{
    uint64_t id = sql_number(&x->sql, EX_MANAGER, 0, "s", serial);

    if (!id && add && sql_run(&x->sql, EX_MANAGER_ADD, "s", serial))
        id = sql_number(&x->sql, EX_MANAGER, 0, "s", serial);
    return id && id <= MANAGERS_MOST ? 1ull << id : 0;
}

uint64_t export_managers(struct export_index *x, const struct str *serials, size_t n)
{
    uint64_t bits = 0;

    for (size_t i = 0; i < n; i++)
        if (serials[i].n)
            bits |= export_manager(x, serials[i], true);
    return bits;
}

static enum rc ack(struct export_index *x, uint64_t bit, enum segment_kind kind, uint64_t epoch, uint64_t seq, uint64_t to,
                   struct str digest, struct err *e)
{
    sqlite3_stmt *st = sql_bind(&x->sql, EX_DIGEST, "iii", (uint64_t)kind, epoch, to);
    bool known = sql_step(&x->sql, st), same = known && str_eqi(sql_str(st, 0), digest);

    sqlite3_reset(st);
    if (!bit)
        return err_set(e, RC_LIMIT, "too many managers");
    if (!known || seq > to)
        return err_set(e, RC_NOT_FOUND, "no segment %" PRIu64 "-%" PRIu64, epoch, to);
    if (!same)
        return err_set(e, RC_CONFLICT, "another digest than that of segment %" PRIu64 "-%" PRIu64, epoch, to);
    sql_run(&x->sql, EX_MARK, "iiiii", (uint64_t)kind, epoch, seq, to, bit);
    return RC_OK;
}

enum rc export_index_ack(struct export_index *x, struct str manager, enum segment_kind kind, uint64_t epoch, uint64_t seq,
                         uint64_t to, struct str digest, struct err *e)
{
    enum rc rc, stored;

    pthread_mutex_lock(&x->lock);
    sql_begin(&x->sql, true);
    rc = ack(x, export_manager(x, manager, true), kind, epoch, seq, to, digest, e);
    stored = sql_commit(&x->sql, rc == RC_OK ? e : NULL);
    pthread_mutex_unlock(&x->lock);
    return rc == RC_OK ? stored : rc;
}
