/*
 * The files of the store: segments that are open, where a new record goes, reading one back, and what is unlinked.
 *
 * Called by store.c, catch_up.c, decide.c and leave.c. Owns the descriptors in q->segments. A segment that a group is being
 * written to is neither closed nor unlinked.
 */
#include "quarantine/inside.h"

#include "base/clock.h"
#include "base/io.h"
#include "base/must.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <sys/stat.h>
#include <unistd.h>

/* ---- segments ------------------------------------------------------------------------------------------------------- */

void files_close(struct open_segment *s)
{
    if (s->fd >= 0)
        close(s->fd);
    *s = (struct open_segment){.fd = -1};
}

static struct open_segment *free_slot(struct quarantine *q)
{
    struct open_segment *best = NULL;

    for (size_t i = 0; i < OPEN_SEGMENTS; i++) {
        struct open_segment *s = &q->segments[i];

        if (s->fd < 0)
            return s;
        if (!store_writes_to(q, s->name.id) && (!best || s->used < best->used))
            best = s;
    }
    must(best); /* a group has fewer files than there are slots */
    files_close(best);
    return best;
}

static struct open_segment *open_one(struct quarantine *q, const struct segment_name *name, int flags, struct err *e)
{
    struct open_segment *s = free_slot(q);
    char path[SEGMENT_PATH];
    struct stat st;
    int fd;

    segment_path(path, q->o.dir, name);
    if (io_create("quarantine.segment", path, O_RDWR | flags, &fd, e) != RC_OK)
        return NULL;
    if (fstat(fd, &st) != 0) {
        err_errno(e, errno, "%s", path);
        close(fd);
        return NULL;
    }
    *s = (struct open_segment){.name = *name, .fd = fd, .used = ++q->clock};
    s->end = ((uint64_t)st.st_size + SEGMENT_PAGE - 1) / SEGMENT_PAGE * SEGMENT_PAGE;
    return s;
}

struct open_segment *files_find(struct quarantine *q, uint64_t id)
{
    for (size_t i = 0; i < OPEN_SEGMENTS; i++)
        if (q->segments[i].fd >= 0 && q->segments[i].name.id == id)
            return &q->segments[i];
    return NULL;
}

int store_segment(struct quarantine *q, const struct segment_name *name, struct err *e)
{
    struct open_segment *s = files_find(q, name->id);

    if (!s)
        s = open_one(q, name, 0, e);
    if (!s)
        return -1;
    s->used = ++q->clock;
    return s->fd;
}

static void segment_emptied(struct quarantine *q, uint64_t id)
{
    sqlite3_stmt *st = sql_bind(&q->sql, Q_segment_get, "i", id);
    struct open_segment *s = files_find(q, id);
    struct segment_name name = {.id = id};
    char path[SEGMENT_PATH], aside[SEGMENT_PATH];
    bool damaged;

    if (!sql_step(&q->sql, st) || store_writes_to(q, id)) {
        sqlite3_reset(st);
        return;
    }
    name.class = sql_u64(st, 2);
    name.day = sql_u64(st, 3);
    damaged = sql_u64(st, 4) == 2;
    sqlite3_reset(st);
    if (s)
        files_close(s);
    sql_run(&q->sql, Q_segment_drop, "i", id);
    segment_path(path, q->o.dir, &name);
    if (!damaged) {
        io_unlink("quarantine.unlink", path, NULL);
        return;
    }
    snprintf(aside, sizeof aside, "%s/aside/%llu.%llu", q->o.dir, (unsigned long long)id,
             (unsigned long long)clock_wall_ms());
    io_rename("quarantine.aside", path, aside, NULL);
}

void store_drop_empty(struct quarantine *q)
{
    uint64_t ids[64];
    size_t n;

    do {
        sqlite3_stmt *st = sql_bind(&q->sql, Q_segment_list, "");

        n = 0;
        while (n < 64 && sql_step(&q->sql, st))
            if (sql_u64(st, 4) == 0)
                ids[n++] = sql_u64(st, 0);
        sqlite3_reset(st);
        for (size_t i = 0; i < n; i++)
            segment_emptied(q, ids[i]);
    } while (n == 64);
}

/* The file that takes messages of this class and day now. */
struct open_segment *files_for(struct quarantine *q, uint64_t class, uint64_t day, bool *fresh, struct err *e)
{
    struct segment_name name = {.class = class, .day = day};

    *fresh = false;
    for (size_t i = 0; i < OPEN_SEGMENTS; i++) {
        struct open_segment *s = &q->segments[i];

        if (s->fd >= 0 && s->name.class == class && s->name.day == day && s->end < SEGMENT_MAX)
            return s;
    }
    name.id = sql_number(&q->sql, Q_segment_of_day, 0, "ii", class, day);
    if (name.id) {
        struct open_segment *s = open_one(q, &name, 0, NULL);

        if (s && s->end < SEGMENT_MAX)
            return s;
    }
    name.id = q->next_segment++;
    *fresh = true;
    return open_one(q, &name, O_CREAT | O_EXCL, e);
}

/* ---- reading -------------------------------------------------------------------------------------------------------- */

enum rc store_read(struct quarantine *q, const struct held *h, struct buf *meta, int *body_fd, uint64_t *body_offset,
                   struct err *e)
{
    sqlite3_stmt *st = sql_bind(&q->sql, Q_segment_get, "i", h->segment);
    struct segment_name name = {.id = h->segment};
    struct record_head head;
    char path[SEGMENT_PATH];
    int fd;

    if (!sql_step(&q->sql, st)) {
        return err_set(e, RC_CORRUPT, "segment %llu is gone", (unsigned long long)h->segment);
    }
    name.class = sql_u64(st, 2);
    name.day = sql_u64(st, 3);
    sqlite3_reset(st);
    fd = store_segment(q, &name, e);
    if (fd < 0)
        return e && e->rc ? e->rc : RC_IO;
    TRY(record_read(fd, h->offset, &head, meta, e));
    if (head.id != h->id)
        return err_set(e, RC_CORRUPT, "record of another message");
    *body_offset = head.big ? 0 : h->offset + RECORD_HEAD + head.meta_bytes;
    if (!body_fd)
        return RC_OK;
    if (head.big)
        segment_big_path(path, q->o.dir, h->id);
    else
        segment_path(path, q->o.dir, &name);
    *body_fd = open(path, O_RDONLY | O_CLOEXEC);
    return *body_fd >= 0 ? RC_OK : err_errno(e, errno, "%s", path);
}

/* ---- beginning ---- */

enum rc files_make_dirs(const struct quarantine *q, struct err *e)
{
    static const char *const names[] = {"", "/data", "/big", "/aside", "/copies"};
    char path[SEGMENT_PATH];

    for (size_t i = 0; i < sizeof names / sizeof *names; i++) {
        snprintf(path, sizeof path, "%s%s", q->o.dir, names[i]);
        if (mkdir(path, 0700) != 0 && errno != EEXIST)
            return err_errno(e, errno, "%s", path);
    }
    return RC_OK;
}

/* An index that cannot be read is put aside and made anew from the segments. */
enum rc files_open_index(struct quarantine *q, struct err *e)
{
    char path[SEGMENT_PATH], aside[SEGMENT_PATH], wal[SEGMENT_PATH];
    enum rc rc = index_open(&q->sql, q->o.dir, e);

    if (rc != RC_CORRUPT)
        return rc;
    event(q->o.events, quarantine_damaged, .file = str_lit("index.db"), .why = str_c(err_text(e)));
    sql_close(&q->sql);
    snprintf(path, sizeof path, "%s/index.db", q->o.dir);
    snprintf(wal, sizeof wal, "%s/index.db-wal", q->o.dir);
    snprintf(aside, sizeof aside, "%s/aside/index.%llu", q->o.dir, (unsigned long long)clock_wall_ms());
    TRY(io_rename("quarantine.aside", path, aside, e));
    io_unlink("quarantine.aside", wal, NULL);
    return index_open(&q->sql, q->o.dir, e);
}
