/*
 * The tracking store: opening, partitions, quota. See tracking.h.
 *
 * Called by record. Owns the catalog (what was imported; connections under way) and the list of partitions. A damaged
 * catalog or partition is set aside under another name: what it knew is imported again when it is offered again.
 */
#include "store/tracking_inside.h"

#include "base/io.h"
#include "base/must.h"
#include "store/track_tokens.h"

#include <dirent.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

static const char schema[] =
    "CREATE TABLE IF NOT EXISTS appliance(id INTEGER PRIMARY KEY,serial TEXT UNIQUE);"
    "CREATE TABLE IF NOT EXISTS cover(appliance INT,epoch INT,ranges BLOB,PRIMARY KEY(appliance,epoch)) WITHOUT ROWID;"
    "CREATE TABLE IF NOT EXISTS conn(appliance INT,kind INT,id INT,data BLOB,day INT,PRIMARY KEY(appliance,kind,id)) "
    "WITHOUT ROWID;";

static const char *const texts[] = {
#define STATEMENT(name, text) text,
#include "store/track_catalog.def"
#undef STATEMENT
};

/* --- opening ----------------------------------------------------------------------------------------------------------- */

static void set_aside(const char *path)
{
    char to[PART_PATH + 16];

    snprintf(to, sizeof to, "%s.damaged", path);
    io_rename("tracking.aside", path, to, NULL);
    snprintf(to, sizeof to, "%s-wal", path);
    unlink(to);
    snprintf(to, sizeof to, "%s-shm", path);
    unlink(to);
}

static void read_catalog(struct tracking *t)
{
    struct sql *s = &t->catalog;
    sqlite3_stmt *st = sql_bind(s, C_covers, "");

    while (sql_step(s, st)) {
        must((t->epochs = realloc(t->epochs, (t->n_epochs + 1) * sizeof *t->epochs)));
        t->epochs[t->n_epochs] = (struct track_epoch){.appliance = sql_u64(st, 0), .epoch = sql_u64(st, 1)};
        cover_get(&t->epochs[t->n_epochs++].cover, sql_str(st, 2));
    }
    st = sql_bind(s, C_appliances, "");
    while (sql_step(s, st))
        for (size_t i = 0; i < t->n_epochs; i++)
            if (t->epochs[i].appliance == sql_u64(st, 0) && !t->epochs[i].serial)
                must((t->epochs[i].serial = strndup(sql_str(st, 1).n ? sql_str(st, 1).p : "", sql_str(st, 1).n)));
    for (size_t i = 0; i < t->n_epochs; i++)
        if (!t->epochs[i].serial)
            must((t->epochs[i].serial = strdup("")));
}

static enum rc open_catalog(struct tracking *t, struct err *e)
{
    struct sql_mode mode = {.cache_kib = 2048};
    char path[PART_PATH];
    enum rc rc;

    snprintf(path, sizeof path, "%s/catalog.db", t->dir);
    rc = sql_open_as(&t->catalog, path, &mode, schema, texts, CATALOG_STATEMENTS, e);
    if (rc == RC_CORRUPT) {
        sql_close(&t->catalog);
        set_aside(path);
        rc = sql_open_as(&t->catalog, path, &mode, schema, texts, CATALOG_STATEMENTS, e);
    }
    if (rc == RC_OK)
        read_catalog(t);
    return rc;
}

static int by_name(const void *a, const void *b)
{
    return strcmp((*(struct track_part *const *)a)->name, (*(struct track_part *const *)b)->name);
}

static enum rc add_part(struct tracking *t, const char *name, struct track_part **out, struct err *e)
{
    struct track_part *p = calloc(1, sizeof *p);
    enum rc rc;

    must(p);
    rc = part_load(p, t->dir, name, e);
    if (rc != RC_OK) {
        char path[PART_PATH];

        snprintf(path, sizeof path, "%s/%s", t->dir, name);
        if (rc == RC_CORRUPT)
            set_aside(path);
        free(p);
        return rc;
    }
    p->shown = p->sum;
    pthread_mutex_lock(&t->lock);
    must((t->parts = realloc(t->parts, (t->n_parts + 1) * sizeof(struct track_part *))));
    t->parts[t->n_parts++] = p;
    qsort(t->parts, t->n_parts, sizeof(struct track_part *), by_name);
    pthread_mutex_unlock(&t->lock);
    *out = p;
    return RC_OK;
}

static enum rc open_parts(struct tracking *t, struct err *e)
{
    DIR *d = opendir(t->dir);
    struct track_part *p;
    struct dirent *entry;
    enum rc rc = RC_OK;

    if (!d)
        return err_set(e, RC_IO, "%s cannot be read", t->dir);
    while ((rc == RC_OK || rc == RC_CORRUPT) && (entry = readdir(d))) {
        size_t n = strlen(entry->d_name);

        if (n < 8 || n >= PART_NAME || strcmp(entry->d_name + n - 3, ".db") != 0 || !ascii_digit(entry->d_name[0]))
            continue;
        rc = add_part(t, entry->d_name, &p, e);
        if (rc == RC_OK) {
            part_close(p);
            p->shown = p->sum;
        }
    }
    closedir(d);
    return rc == RC_CORRUPT ? RC_OK : rc;
}

enum rc tracking_open(const char *dir, const struct tracking_options *o, struct tracking **out, struct err *e)
{
    struct tracking *t = calloc(1, sizeof *t);
    enum rc rc = RC_OK;

    must(t);
    pthread_mutex_init(&t->lock, NULL);
    t->scratch = BUF(8 << 20);
    tracking_options_set(t, o);
    if ((size_t)snprintf(t->dir, sizeof t->dir, "%s", dir) >= sizeof t->dir)
        rc = err_set(e, RC_INVALID, "%s is too long", dir);
    steps_init();
    mkdir(dir, 0750);
    if (rc == RC_OK)
        rc = open_catalog(t, e);
    if (rc == RC_OK)
        rc = open_parts(t, e);
    if (rc != RC_OK) {
        tracking_close(t);
        return rc;
    }
    *out = t;
    return RC_OK;
}

void tracking_close(struct tracking *t)
{
    if (!t)
        return;
    tracking_abandon(t);
    readers_forget(t, NULL);
    for (size_t i = 0; i < t->n_parts; i++) {
        part_free(t->parts[i]);
        free(t->parts[i]);
    }
    for (size_t i = 0; i < t->n_epochs; i++) {
        free(t->epochs[i].serial);
        cover_done(&t->epochs[i].cover);
    }
    sql_close(&t->catalog);
    free(t->parts);
    free(t->epochs);
    free(t->rows);
    free(t->conns);
    buf_done(&t->scratch);
    pthread_mutex_destroy(&t->lock);
    free(t);
}

void tracking_options_set(struct tracking *t, const struct tracking_options *o)
{
    pthread_mutex_lock(&t->lock);
    t->given = *o;
    if (!t->given.partition_rows)
        t->given.partition_rows = PARTITION_ROWS;
    pthread_mutex_unlock(&t->lock);
}

/* --- partitions ----------------------------------------------------------------------------------------------------------
 */

struct track_part *tracking_part_for(struct tracking *t, uint64_t wall_ms, struct err *e)
{
    static const uint64_t LAST_DAY = 84006; /* in 2200: a clock that says more is broken */
    uint64_t day = wall_ms / DAY_MS < LAST_DAY ? wall_ms / DAY_MS : LAST_DAY, next = 1;
    time_t seconds = (time_t)(day * 86400);
    struct track_part *p = NULL;
    char name[PART_NAME + 32];
    struct tm tm;

    for (size_t i = 0; i < t->n_parts; i++)
        if (t->parts[i]->day == day) {
            p = t->parts[i];
            next = strtoull(p->name + 9, NULL, 10) + 1;
        }
    if (p && (p->open ? p->last_row : p->sum.rows) + p->fresh < t->options.partition_rows)
        return p;
    gmtime_r(&seconds, &tm);
    snprintf(name, sizeof name, "%04d%02d%02d-%06llu.db", tm.tm_year + 1900, tm.tm_mon + 1, tm.tm_mday,
             (unsigned long long)next);
    return add_part(t, name, &p, e) == RC_OK ? p : NULL;
}

void tracking_close_some(struct tracking *t, size_t keep)
{
    for (;;) {
        struct track_part *oldest = NULL;
        size_t n = 0;

        for (size_t i = 0; i < t->n_parts; i++)
            if (t->parts[i]->open) {
                n++;
                if (!oldest || t->parts[i]->used < oldest->used)
                    oldest = t->parts[i];
            }
        if (n <= keep)
            return;
        if (oldest->last_row >= t->options.partition_rows || oldest != t->parts[t->n_parts - 1])
            part_tidy(oldest);
        part_close(oldest);
        pthread_mutex_lock(&t->lock);
        oldest->shown = oldest->sum;
        pthread_mutex_unlock(&t->lock);
    }
}

static void drop_part(struct tracking *t, size_t i, bool aside)
{
    struct track_part *p = t->parts[i];
    char path[PART_PATH + 8];

    pthread_mutex_lock(&t->lock);
    memmove(t->parts + i, t->parts + i + 1, (--t->n_parts - i) * sizeof(struct track_part *));
    pthread_mutex_unlock(&t->lock);
    readers_forget(t, p->name);
    part_close(p);
    if (aside) {
        set_aside(p->path);
    } else {
        io_unlink("tracking.quota", p->path, NULL);
        snprintf(path, sizeof path, "%s-wal", p->path);
        unlink(path);
        snprintf(path, sizeof path, "%s-shm", p->path);
        unlink(path);
    }
    part_free(p);
    free(p);
}

void tracking_quota(struct tracking *t)
{
    while (t->options.max_bytes && t->n_parts > 1 && tracking_bytes(t) > t->options.max_bytes)
        drop_part(t, 0, false);
}

void tracking_aside(struct tracking *t)
{
    for (size_t i = t->n_parts; i-- > 0;)
        if (t->parts[i]->damaged)
            drop_part(t, i, true);
}

/* --- figures -------------------------------------------------------------------------------------------------------------
 */

uint64_t tracking_bytes(struct tracking *t)
{
    uint64_t sum = 0;

    pthread_mutex_lock(&t->lock);
    for (size_t i = 0; i < t->n_parts; i++)
        sum += t->parts[i]->shown.bytes;
    pthread_mutex_unlock(&t->lock);
    return sum;
}

uint64_t tracking_messages(struct tracking *t)
{
    uint64_t sum = 0;

    pthread_mutex_lock(&t->lock);
    for (size_t i = 0; i < t->n_parts; i++)
        sum += t->parts[i]->shown.rows;
    pthread_mutex_unlock(&t->lock);
    return sum;
}

void tracking_span(struct tracking *t, struct str serial, uint64_t *first_ms, uint64_t *last_ms)
{
    *first_ms = *last_ms = 0;
    pthread_mutex_lock(&t->lock);
    for (size_t i = 0; i < t->n_parts; i++) {
        struct track_part *p = t->parts[i];

        if (!p->shown.rows || (serial.n && !part_source(p, serial)))
            continue;
        if (!*first_ms || p->shown.min_ms < *first_ms)
            *first_ms = p->shown.min_ms;
        if (p->shown.max_ms > *last_ms)
            *last_ms = p->shown.max_ms;
    }
    pthread_mutex_unlock(&t->lock);
}
