/*
 * SQLite with few words. See sql.h.
 *
 * Called by quarantine and store. Owns the connection and its statements. Every failure of SQLite ends in s->rc; a
 * transaction with a failure is rolled back at its commit, so nothing is half there.
 */
#include "db/sql.h"

#include "base/must.h"

#include <stdarg.h>
#include <stdlib.h>

enum { PAGE_CACHE_KIB = 8192, BUSY_MS = 5000 };

static enum rc failed(struct sql *s, const char *what)
{
    int code = sqlite3_errcode(s->db);

    if (s->rc != RC_OK)
        return s->rc;
    s->rc = code == SQLITE_FULL                               ? RC_NO_SPACE
            : code == SQLITE_NOMEM                            ? RC_NO_MEMORY
            : code == SQLITE_CORRUPT || code == SQLITE_NOTADB ? RC_CORRUPT
                                                              : RC_IO;
    err_set(&s->err, s->rc, "%s: %s", what, sqlite3_errmsg(s->db));
    return s->rc;
}

static bool run_text(struct sql *s, const char *text)
{
    if (sqlite3_exec(s->db, text, NULL, NULL, NULL) == SQLITE_OK)
        return true;
    failed(s, "index");
    return false;
}

static enum rc prepare_all(struct sql *s)
{
    s->prepared = calloc(s->n, sizeof *s->prepared);
    must(s->prepared);
    for (size_t i = 0; i < s->n; i++)
        if (sqlite3_prepare_v3(s->db, s->texts[i], -1, SQLITE_PREPARE_PERSISTENT, &s->prepared[i], NULL) != SQLITE_OK)
            return failed(s, s->texts[i]);
    return RC_OK;
}

static bool set_up(struct sql *s, const struct sql_mode *m, const char *schema)
{
    char text[96];

    if (m->prepare && !m->prepare(s->db)) {
        failed(s, "set-up");
        return false;
    }
    sqlite3_busy_timeout(s->db, m->shared ? BUSY_MS : 0);
    sqlite3_snprintf(sizeof text, text, "PRAGMA cache_size=-%u", m->cache_kib ? m->cache_kib : PAGE_CACHE_KIB);
    if (!run_text(s, text) || !run_text(s, "PRAGMA temp_store=MEMORY"))
        return false;
    sqlite3_snprintf(sizeof text, text, "PRAGMA mmap_size=%llu", (unsigned long long)m->map_bytes);
    if (m->map_bytes && !run_text(s, text))
        return false;
    if (m->read_only)
        return true;
    return (m->shared || run_text(s, "PRAGMA locking_mode=EXCLUSIVE")) && run_text(s, "PRAGMA journal_mode=WAL") &&
           run_text(s, "PRAGMA synchronous=NORMAL") && run_text(s, "PRAGMA journal_size_limit=67108864") &&
           run_text(s, schema);
}

enum rc sql_open_as(struct sql *s, const char *path, const struct sql_mode *mode, const char *schema,
                    const char *const *texts, size_t n, struct err *e)
{
    /* A reader opens for writing too: it may be the first to come after a crash, and then has to make the WAL's index. */
    int flags = SQLITE_OPEN_READWRITE | SQLITE_OPEN_NOMUTEX | (mode->read_only ? 0 : SQLITE_OPEN_CREATE);

    *s = (struct sql){.texts = texts, .n = n};
    if (sqlite3_open_v2(path, &s->db, flags, NULL) != SQLITE_OK)
        return err_set(e, RC_IO, "%s: %s", path, s->db ? sqlite3_errmsg(s->db) : "out of memory");
    if (!set_up(s, mode, schema) || prepare_all(s) != RC_OK)
        return err_set(e, s->rc, "%s: %s", path, s->err.text);
    return RC_OK;
}

enum rc sql_open(struct sql *s, const char *path, const char *schema, const char *const *texts, size_t n, struct err *e)
{
    return sql_open_as(s, path, &(struct sql_mode){0}, schema, texts, n, e);
}

void sql_close(struct sql *s)
{
    for (size_t i = 0; s->prepared && i < s->n; i++)
        sqlite3_finalize(s->prepared[i]);
    free(s->prepared);
    sqlite3_close(s->db);
    *s = (struct sql){0};
}

static void bind(sqlite3_stmt *st, const char *types, va_list ap)
{
    for (int i = 1; *types; types++, i++) {
        struct str v;

        switch (*types) {
        case 'i':
            sqlite3_bind_int64(st, i, (sqlite3_int64)va_arg(ap, uint64_t));
            break;
        case 's':
            v = va_arg(ap, struct str);
            sqlite3_bind_text64(st, i, v.p ? v.p : "", v.n, SQLITE_TRANSIENT, SQLITE_UTF8);
            break;
        case 'b':
            v = va_arg(ap, struct str);
            sqlite3_bind_blob64(st, i, v.p ? v.p : "", v.n, SQLITE_TRANSIENT);
            break;
        default:
            sqlite3_bind_null(st, i);
        }
    }
}

static sqlite3_stmt *vbind(struct sql *s, size_t which, const char *types, va_list ap)
{
    sqlite3_stmt *st = s->prepared[which];

    sqlite3_reset(st);
    sqlite3_clear_bindings(st);
    bind(st, types, ap);
    return st;
}

sqlite3_stmt *sql_bind(struct sql *s, size_t which, const char *types, ...)
{
    sqlite3_stmt *st;
    va_list ap;

    va_start(ap, types);
    st = vbind(s, which, types, ap);
    va_end(ap);
    return st;
}

bool sql_step(struct sql *s, sqlite3_stmt *st)
{
    int code = sqlite3_step(st);

    if (code == SQLITE_ROW)
        return true;
    if (code != SQLITE_DONE)
        failed(s, sqlite3_sql(st));
    sqlite3_reset(st);
    return false;
}

int sql_run(struct sql *s, size_t which, const char *types, ...)
{
    sqlite3_stmt *st;
    va_list ap;

    va_start(ap, types);
    st = vbind(s, which, types, ap);
    va_end(ap);
    while (sql_step(s, st))
        ;
    return sqlite3_changes(s->db);
}

uint64_t sql_number(struct sql *s, size_t which, uint64_t none, const char *types, ...)
{
    sqlite3_stmt *st;
    va_list ap;
    uint64_t v = none;

    va_start(ap, types);
    st = vbind(s, which, types, ap);
    va_end(ap);
    if (sql_step(s, st) && sqlite3_column_type(st, 0) != SQLITE_NULL)
        v = sql_u64(st, 0);
    sqlite3_reset(st);
    return v;
}

uint64_t sql_u64(sqlite3_stmt *st, int column)
{
    return (uint64_t)sqlite3_column_int64(st, column);
}

struct str sql_str(sqlite3_stmt *st, int column)
{
    const void *p = sqlite3_column_blob(st, column);

    return str_of(p, (size_t)sqlite3_column_bytes(st, column));
}

void sql_begin(struct sql *s, bool durable)
{
    must(!s->open);
    s->rc = RC_OK;
    s->err = ERR_NONE;
    if (durable != s->durable && run_text(s, durable ? "PRAGMA synchronous=FULL" : "PRAGMA synchronous=NORMAL"))
        s->durable = durable;
    s->open = run_text(s, "BEGIN");
}

void sql_rollback(struct sql *s)
{
    if (s->open && !sqlite3_get_autocommit(s->db))
        sqlite3_exec(s->db, "ROLLBACK", NULL, NULL, NULL);
    s->open = false;
}

enum rc sql_commit(struct sql *s, struct err *e)
{
    if (s->rc == RC_OK)
        run_text(s, "COMMIT");
    if (s->rc != RC_OK) {
        sql_rollback(s);
        return err_set(e, s->rc, "%s", s->err.text);
    }
    s->open = false;
    return RC_OK;
}

sqlite3_stmt *sql_prepare(struct sql *s, struct str text)
{
    sqlite3_stmt *st = NULL;

    s->rc = RC_OK;
    s->err = ERR_NONE;
    if (sqlite3_prepare_v2(s->db, text.p, (int)text.n, &st, NULL) != SQLITE_OK)
        failed(s, "search");
    return st;
}

void sql_put(sqlite3_stmt *st, int at, struct str value)
{
    sqlite3_bind_text64(st, at, value.p ? value.p : "", value.n, SQLITE_TRANSIENT, SQLITE_UTF8);
}

void sql_free(sqlite3_stmt *st)
{
    sqlite3_finalize(st);
}
