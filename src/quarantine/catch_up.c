/*
 * Brings the index up to what the segment files hold, at the start.
 *
 * Called by store.c. Owns nothing. Each file is read from the mark the index has for it, so a start after an orderly end
 * reads nothing. What the index knows already, and what has left (by its key or the mark in the record), is passed over. A
 * place that is no record is the tail of a group that was never acknowledged, or damage: it is skipped to the next page and
 * said.
 */
#include "quarantine/inside.h"

#include "base/clock.h"

#include <dirent.h>
#include <errno.h>
#include <stdio.h>
#include <sys/stat.h>
#include <unistd.h>

enum { RECORDS_A_COMMIT = 500, META_ARENA_MAX = 64 << 20 };

struct reading {
    struct quarantine *q;
    struct buf meta;
    unsigned found, skipped, damaged;
};

static bool hex_digest(struct str hex, unsigned char out[DIGEST])
{
    for (size_t i = 0; i < DIGEST; i++) {
        uint64_t v;

        if (!str_hex(str_of(hex.p + 2 * i, 2), &v))
            return false;
        out[i] = (unsigned char)v;
    }
    return true;
}

static bool big_is_there(struct quarantine *q, const struct record_head *h)
{
    char path[SEGMENT_PATH];
    struct stat st;

    if (!h->big)
        return true;
    segment_big_path(path, q->o.dir, h->id);
    return stat(path, &st) == 0 && (uint64_t)st.st_size == h->body_bytes;
}

static void take(struct reading *r, const struct segment_name *name, uint64_t offset, const struct record_head *h)
{
    struct quarantine *q = r->q;
    unsigned char digest[DIGEST];
    struct cpq_meta m;
    struct arena a;
    uint64_t id;
    bool left = false;

    arena_init(&a, 4096, META_ARENA_MAX);
    if (h->gone || sql_number(&q->sql, Q_message_has, 0, "i", h->id)) {
        arena_done(&a);
        return;
    }
    if (!big_is_there(q, h) || cpq_meta_read(&a, buf_str(&r->meta), &m, NULL) != RC_OK || !hex_digest(m.sha256, digest) ||
        map_holds(q, &a, &m, NULL) != RC_OK) {
        r->damaged++;
        arena_done(&a);
        return;
    }
    if (enter_key(q, &m, digest, &id, &left) != RC_EXISTS) { /* else held under another record, or it has left */
        enter_message(q, h->id, &m, digest, name, offset, record_bytes(h) + (h->big ? h->body_bytes : 0), h->big,
                      h->taken_ms);
        r->found++;
    }
    arena_done(&a);
}

static enum rc read_segment(struct reading *r, const struct segment_name *name, uint64_t mark, struct err *e)
{
    struct quarantine *q = r->q;
    int fd = store_segment(q, name, e);
    struct record_head h;
    uint64_t at = mark, end;
    struct stat st;
    unsigned n = 0, before = r->damaged;
    enum rc rc;

    r->skipped = 0;
    if (fd < 0 || fstat(fd, &st) != 0)
        return fd < 0 ? RC_IO : err_errno(e, errno, "segment %llu", (unsigned long long)name->id);
    end = (uint64_t)st.st_size;
    if (at >= end)
        return RC_OK;
    sql_begin(&q->sql, false);
    sql_run(&q->sql, Q_segment_add, "iii", name->id, name->class, name->day);
    while ((rc = record_next(fd, &at, end, &h, &r->meta, &r->skipped, e)) == RC_OK) {
        r->damaged += r->skipped; /* a tail has nothing behind it */
        r->skipped = 0;
        take(r, name, at, &h);
        at += record_bytes(&h);
        if (++n % RECORDS_A_COMMIT == 0) {
            sql_run(&q->sql, Q_segment_mark, "ii", name->id, at);
            TRY(sql_commit(&q->sql, e));
            sql_begin(&q->sql, false);
        }
    }
    sql_run(&q->sql, Q_segment_mark, "ii", name->id, end);
    if (r->damaged != before)
        sql_run(&q->sql, Q_segment_close, "ii", name->id, (uint64_t)2); /* kept beside when nothing readable is left in it */
    TRY(sql_commit(&q->sql, e));
    return rc == RC_NOT_FOUND ? RC_OK : rc;
}

static uint64_t mark_of(struct quarantine *q, uint64_t id)
{
    return sql_number(&q->sql, Q_segment_get, 0, "i", id);
}

/* Bodies whose record was never written. */
static void sweep_big(struct quarantine *q)
{
    char path[SEGMENT_PATH + 300];
    struct dirent *one;
    DIR *d;

    snprintf(path, sizeof path, "%s/big", q->o.dir);
    d = opendir(path);
    while (d && (one = readdir(d))) {
        uint64_t id;
        bool whole = str_u64(str_c(one->d_name), &id);

        if (one->d_name[0] == '.' || (whole && sql_number(&q->sql, Q_message_has, 0, "i", id)))
            continue;
        snprintf(path, sizeof path, "%s/big/%s", q->o.dir, one->d_name);
        unlink(path);
    }
    if (d)
        closedir(d);
}

static enum rc read_all(struct reading *r, struct err *e)
{
    struct quarantine *q = r->q;
    struct segment_name name;
    char path[SEGMENT_PATH];
    struct dirent *one;
    enum rc rc = RC_OK;
    DIR *d;

    snprintf(path, sizeof path, "%s/data", q->o.dir);
    d = opendir(path);
    if (!d)
        return err_errno(e, errno, "%s", path);
    while (rc == RC_OK && (one = readdir(d))) {
        if (!segment_name_read(one->d_name, &name) || name.class >= POOLS)
            continue;
        if (name.id >= q->next_segment)
            q->next_segment = name.id + 1;
        rc = read_segment(r, &name, mark_of(q, name.id), e);
    }
    closedir(d);
    return rc;
}

enum rc catch_up(struct quarantine *q, struct err *e)
{
    struct reading r = {.q = q, .meta = BUF(CPQ_META_MAX)};
    enum rc rc;

    q->next_segment = 1;
    q->next_big = clock_wall_ms(); /* names of bodies under way are never those of a life before */
    rc = read_all(&r, e);
    buf_done(&r.meta);
    if (rc != RC_OK)
        return rc;
    sweep_big(q);
    store_drop_empty(q);
    if (r.damaged)
        event(q->o.events, quarantine_damaged, .file = str_lit("data"),
              .why = str_lit("octets that are no record were passed over"));
    return RC_OK;
}
