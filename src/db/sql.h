/*
 * SQLite with few words: a database of ours alone, statements by number, binding by a string of types.
 *
 * sql_open(): one process, one connection, no other reader: locking mode exclusive, so no shared memory file. sql_open_as():
 * one connection that writes and others that read beside it (WAL), all of one process. Values travel as uint64_t
 * (below 2^63) and views. A failing statement is told once in `err` and answers as if there were nothing.
 */
#ifndef DB_SQL_H
#define DB_SQL_H

#include "base/err.h"

#include <sqlite3.h>

struct sql {
    sqlite3 *db;
    const char *const *texts;
    sqlite3_stmt **prepared;
    size_t n;
    bool open; /* in a transaction */
    bool durable;
    enum rc rc; /* of the first failure since sql_begin() */
    struct err err;
};

/* Opens or makes the file, runs `schema` (IF NOT EXISTS throughout). RC_CORRUPT when it is no database or fails its check.
 */
enum rc sql_open(struct sql *s, const char *path, const char *schema, const char *const *texts, size_t n, struct err *e);

struct sql_mode {
    bool shared;                  /* others have the file open too */
    bool read_only;               /* the file must exist; no schema is run */
    unsigned cache_kib;           /* 0 = 8192 */
    uint64_t map_bytes;           /* so much of the file is read through a mapping */
    bool (*prepare)(sqlite3 *db); /* before anything else: functions, tokenizers; may be NULL */
};
enum rc sql_open_as(struct sql *s, const char *path, const struct sql_mode *mode, const char *schema,
                    const char *const *texts, size_t n, struct err *e);
void sql_close(struct sql *s);

/* Statement `which`, reset, with its values: 'i' uint64_t, 's' struct str (text), 'b' struct str (blob), 'n' NULL (no
 * value). Never NULL but without memory, when sql_step() says false. */
sqlite3_stmt *sql_bind(struct sql *s, size_t which, const char *types, ...);
/* The next row. */
bool sql_step(struct sql *s, sqlite3_stmt *st);
/* Runs it to its end; returns the rows changed. */
int sql_run(struct sql *s, size_t which, const char *types, ...);
/* First column of the first row, `none` when there is none. */
uint64_t sql_number(struct sql *s, size_t which, uint64_t none, const char *types, ...);

uint64_t sql_u64(sqlite3_stmt *st, int column);
/* Valid until the next step. */
struct str sql_str(sqlite3_stmt *st, int column);

/* `durable`: on stable storage when its commit returns (else with the next checkpoint). */
void sql_begin(struct sql *s, bool durable);
/* Rolled back when a statement failed; says so. */
enum rc sql_commit(struct sql *s, struct err *e);
void sql_rollback(struct sql *s);

/* A statement made at run time (searches); finalise it with sql_free(). NULL and the failure in s->err. */
sqlite3_stmt *sql_prepare(struct sql *s, struct str text);
void sql_put(sqlite3_stmt *st, int at, struct str value);
void sql_free(sqlite3_stmt *st);

#endif
