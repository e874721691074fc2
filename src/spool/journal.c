/*
 * The queue's journal: gathers the entries of a turn, writes them as one group, syncs in the pool. See journal.h.
 *
 * Called by queue. Owns the open file, the octets that are not known to be synced (so that a failed sync loses nothing) and
 * the waiters. The hook of PHASE_STORE does all the writing; the pool only syncs. When entries cannot be made safe they stay
 * in memory, `failed` is called once, and a new file is tried every second.
 */
#include "spool/journal.h"

#include "base/io.h"
#include "base/must.h"
#include "spool/journal_file.h"
#include "spool/reserve.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

enum { SYNC_MS = 100, RETRY_MS = 1000, RESERVE_MS = 60000, CHECKPOINT_AHEAD = 8 << 20 };
static const size_t BUF_MOST = (size_t)1 << 30, REPLAY_MOST = (size_t)1 << 31;

struct waiter {
    struct waiter *next;
    uint64_t until;
    void (*done)(void *ctx, enum rc rc);
    void *ctx;
};

struct journal {
    struct loop *loop;
    struct journal_options o;
    char dir[JOURNAL_PATH - 64];
    int fd;
    uint64_t number, oldest; /* of the open file; of the oldest one that is still there */
    uint64_t offset;         /* where the next group goes */
    uint64_t total;          /* octets since the last checkpoint began */
    struct buf group;        /* entries of this turn */
    uint64_t added, written, synced;
    struct buf syncing, unsynced; /* whole groups: covered by the sync under way; written since it began */
    struct {
        bool busy;
        int fd, old_fd; /* old_fd: the file before a rotation, synced and closed too; -1 = none */
        uint64_t until;
        bool make_reserve;
        enum rc rc;
        struct err err;
    } sync;
    int old_fd;
    uint64_t dirty_ms;   /* since when something is unsynced, 0 = nothing is */
    uint64_t reserve_ms; /* when the reserve was last looked at */
    struct waiter *waiters, **waiters_end;
    bool checkpointing, first_part;
    uint64_t checkpoint_until; /* old files go when this entry is synced; 0 = no checkpoint waits */
    uint64_t keep_from;        /* file that begins the newest checkpoint */
    bool broken, new_file_due, closing;
    enum rc told_rc; /* failure that the waiters are to hear */
    uint64_t retry_ms;
    struct loop_timer timer;
};

static void woke(void *ctx);

static void wake(struct journal *j, uint64_t in_ms)
{
    if (!j->timer.slot || j->timer.at_ms > loop_now_ms(j->loop) + in_ms)
        loop_timer_set(j->loop, &j->timer, in_ms, woke, j);
}

/* --- waiters --------------------------------------------------------------------------------------------------------- */

static void tell_waiters(struct journal *j, uint64_t until, enum rc rc)
{
    while (j->waiters && j->waiters->until <= until) {
        struct waiter *w = j->waiters;

        j->waiters = w->next;
        if (!j->waiters)
            j->waiters_end = &j->waiters;
        w->done(w->ctx, rc);
        free(w);
    }
}

/* Callbacks run here, before the phases: what they add is written before anything they send. The rest is the hook's. */
static void woke(void *ctx)
{
    struct journal *j = ctx;

    if (j->told_rc != RC_OK)
        tell_waiters(j, UINT64_MAX, j->told_rc);
    else
        tell_waiters(j, j->synced, RC_OK);
    j->told_rc = RC_OK;
}

void journal_sync(struct journal *j, void (*done)(void *ctx, enum rc rc), void *ctx)
{
    struct waiter *w = malloc(sizeof *w);

    must(w);
    *w = (struct waiter){.until = j->added, .done = done, .ctx = ctx};
    *j->waiters_end = w;
    j->waiters_end = &w->next;
    wake(j, 0);
}

/* --- files ------------------------------------------------------------------------------------------------------------ */

/* The journal goes on when the disk is full: that is what the reserve is for. */
static enum rc write_at(struct journal *j, int fd, const struct iovec *iov, int n, uint64_t offset, struct err *e)
{
    enum rc rc = io_pwritev("journal.write", fd, iov, n, offset, e);

    if (rc == RC_NO_SPACE && reserve_release(j->dir))
        rc = io_pwritev("journal.write", fd, iov, n, offset, e);
    return rc;
}

/* One more file, its head written; not yet synced but for the directory. */
static enum rc make_file(struct journal *j, int *fd_out, struct err *e)
{
    char path[JOURNAL_PATH], dir[JOURNAL_PATH];
    unsigned char head[JOURNAL_HEAD];
    struct iovec iov = {head, sizeof head};
    enum rc rc;
    int fd;

    journal_file_path(path, j->dir, j->number + 1);
    snprintf(dir, sizeof dir, "%s/journal", j->dir);
    TRY(io_create("journal.open", path, O_WRONLY | O_TRUNC, &fd, e));
    journal_file_head(head, j->number + 1);
    rc = write_at(j, fd, &iov, 1, 0, e);
    if (rc == RC_OK)
        rc = io_sync_dir("journal.open", dir, e);
    if (rc != RC_OK) {
        close(fd);
        io_unlink("journal.unlink", path, NULL);
        return rc;
    }
    j->number++;
    j->offset = JOURNAL_HEAD;
    *fd_out = fd;
    return RC_OK;
}

static void failed(struct journal *j, enum rc rc, const struct err *e)
{
    bool news = !j->broken;

    j->broken = true;
    j->retry_ms = loop_now_ms(j->loop) + RETRY_MS;
    j->told_rc = j->waiters ? rc : RC_OK;
    wake(j, j->waiters ? 0 : RETRY_MS);
    if (news && j->o.failed)
        j->o.failed(j->o.ctx, rc, e);
}

static void drop_newest(struct journal *j)
{
    char path[JOURNAL_PATH];

    journal_file_path(path, j->dir, j->number--);
    io_unlink("journal.unlink", path, NULL);
}

/* The file is not to be trusted any more: everything not known to be synced goes to a new one. */
static enum rc start_again(struct journal *j, struct err *e)
{
    struct iovec iov[2] = {{j->syncing.p, j->syncing.n}, {j->unsynced.p, j->unsynced.n}};
    struct buf swap;
    int fd, old = j->fd;
    enum rc rc;

    TRY(make_file(j, &fd, e));
    j->fd = fd;
    rc = write_at(j, fd, iov, 2, j->offset, e);
    if (rc != RC_OK) {
        j->fd = old;
        close(fd);
        drop_newest(j);
        return rc;
    }
    if (old >= 0)
        close(old);
    j->offset += j->syncing.n + j->unsynced.n;
    buf_add(&j->syncing, buf_str(&j->unsynced));
    buf_clear(&j->unsynced);
    swap = j->unsynced;
    j->unsynced = j->syncing;
    j->syncing = swap;
    j->dirty_ms = loop_now_ms(j->loop);
    j->new_file_due = false;
    return RC_OK;
}

/* --- a turn ------------------------------------------------------------------------------------------------------------ */

static enum rc write_group(struct journal *j, struct err *e)
{
    unsigned char head[JOURNAL_HEAD];
    struct iovec iov[2] = {{head, sizeof head}, {j->group.p, j->group.n}};

    if (!j->group.n)
        return RC_OK;
    journal_group_head(head, j->written + 1, (uint32_t)(j->added - j->written), buf_str(&j->group));
    TRY(write_at(j, j->fd, iov, 2, j->offset, e));
    buf_add(&j->unsynced, str_of(head, sizeof head));
    buf_add(&j->unsynced, buf_str(&j->group));
    must(!j->unsynced.failed);
    j->offset += sizeof head + j->group.n;
    j->total += sizeof head + j->group.n;
    j->written = j->added;
    buf_clear(&j->group);
    buf_shrink(&j->group, 1 << 20);
    if (!j->dirty_ms)
        j->dirty_ms = loop_now_ms(j->loop);
    return RC_OK;
}

static void remove_old(struct journal *j)
{
    char path[JOURNAL_PATH];

    for (; j->oldest < j->keep_from; j->oldest++) {
        journal_file_path(path, j->dir, j->oldest);
        io_unlink("journal.unlink", path, NULL);
    }
    j->checkpoint_until = 0;
}

static void sync_work(void *ctx)
{
    struct journal *j = ctx;

    j->sync.rc = RC_OK;
    if (j->sync.old_fd >= 0)
        j->sync.rc = io_sync("journal.sync", j->sync.old_fd, &j->sync.err);
    if (j->sync.rc == RC_OK)
        j->sync.rc = io_sync("journal.sync", j->sync.fd, &j->sync.err);
    if (j->sync.make_reserve)
        reserve_make(j->dir, j->o.reserve_bytes, NULL);
}

static void sync_done(void *ctx)
{
    struct journal *j = ctx;

    j->sync.busy = false;
    if (j->sync.old_fd >= 0)
        close(j->sync.old_fd);
    if (j->sync.rc != RC_OK) {
        j->new_file_due = true;
        j->retry_ms = 0; /* a new file is tried at once, in the hook of this turn */
        return;
    }
    buf_clear(&j->syncing);
    buf_shrink(&j->syncing, 1 << 20);
    j->synced = j->sync.until;
    j->broken = false;
    tell_waiters(j, j->synced, RC_OK);
    if (j->checkpoint_until && j->synced >= j->checkpoint_until)
        remove_old(j);
}

static void start_sync(struct journal *j)
{
    struct buf empty = j->syncing;
    uint64_t now = loop_now_ms(j->loop);

    j->syncing = j->unsynced;
    j->unsynced = empty;
    j->dirty_ms = 0;
    j->sync.busy = true;
    j->sync.fd = j->fd;
    j->sync.old_fd = j->old_fd;
    j->old_fd = -1;
    j->sync.until = j->written;
    j->sync.make_reserve = j->o.reserve_bytes && now >= j->reserve_ms + RESERVE_MS;
    if (j->sync.make_reserve)
        j->reserve_ms = now;
    loop_work(j->loop, sync_work, sync_done, j);
}

/* Begins a checkpoint in a new file when enough was written since the last. */
static enum rc rotate(struct journal *j, struct err *e)
{
    int fd;

    if (!j->o.checkpoint || j->checkpointing || j->checkpoint_until || j->total < j->o.rotate_bytes || j->sync.busy ||
        j->old_fd >= 0)
        return RC_OK;
    TRY(make_file(j, &fd, e));
    j->old_fd = j->fd;
    j->fd = fd;
    j->keep_from = j->number;
    j->total = 0;
    j->checkpointing = j->first_part = true;
    return RC_OK;
}

static void checkpoint_part(struct journal *j)
{
    bool more;

    if (!j->checkpointing || j->unsynced.n > CHECKPOINT_AHEAD)
        return;
    more = j->o.checkpoint(j->o.ctx, j, j->first_part);
    j->first_part = false;
    if (more) {
        wake(j, 0);
        return;
    }
    j->checkpointing = false;
    j->checkpoint_until = j->added ? j->added : 1;
}

static enum rc turn(struct journal *j, struct err *e)
{
    if (j->new_file_due && !j->sync.busy)
        TRY(start_again(j, e));
    if (j->new_file_due)
        return RC_OK;
    TRY(rotate(j, e));
    checkpoint_part(j);
    return write_group(j, e);
}

static void turn_end(void *ctx)
{
    struct journal *j = ctx;
    uint64_t now = loop_now_ms(j->loop);
    struct err e = ERR_NONE;
    enum rc rc;

    if (j->closing)
        return;
    if (j->retry_ms && now < j->retry_ms) {
        j->told_rc = j->waiters ? RC_IO : RC_OK;
        wake(j, j->waiters ? 0 : j->retry_ms - now);
        return;
    }
    rc = turn(j, &e);
    if (rc != RC_OK) {
        j->new_file_due = j->new_file_due || rc != RC_NO_SPACE;
        failed(j, rc, &e);
        return;
    }
    j->retry_ms = 0;
    j->told_rc = RC_OK;
    if (j->waiters && j->waiters->until <= j->synced)
        wake(j, 0);
    if (!j->dirty_ms || j->sync.busy || j->new_file_due)
        return;
    if (j->waiters || now >= j->dirty_ms + SYNC_MS || j->broken)
        start_sync(j);
    else
        wake(j, j->dirty_ms + SYNC_MS - now);
}

/* --- the face ------------------------------------------------------------------------------------------------------------
 */

void journal_add(struct journal *j, uint64_t kind, struct str octets)
{
    buf_put_varint(&j->group, kind);
    buf_put_str(&j->group, octets);
    must(!j->group.failed);
    j->added++;
}

uint64_t journal_added(const struct journal *j)
{
    return j->added;
}

uint64_t journal_synced(const struct journal *j)
{
    return j->synced;
}

bool journal_ok(const struct journal *j)
{
    return !j->broken;
}

static enum rc replay_file(struct journal *j, uint64_t number, journal_entry_fn *entry, bool *torn_out, struct err *e)
{
    char path[JOURNAL_PATH];
    struct buf file = BUF(REPLAY_MOST);
    struct stat st;
    enum rc rc;

    journal_file_path(path, j->dir, number);
    if (stat(path, &st) == 0 && st.st_size > 0)
        buf_reserve(&file, (size_t)st.st_size);
    rc = io_read_file(path, &file, e);
    if (rc == RC_OK) {
        journal_replay(buf_str(&file), &j->added, entry, j->o.ctx, torn_out);
        j->total += file.n;
    }
    buf_done(&file);
    return rc;
}

static enum rc replay(struct journal *j, journal_entry_fn *entry, bool *torn_out, struct err *e)
{
    struct buf numbers = BUF(1 << 20);
    enum rc rc = journal_files(j->dir, &numbers, e);
    struct str rest = buf_str(&numbers);
    uint64_t number;

    j->oldest = 0;
    while (rc == RC_OK && get_u64(&rest, &number)) {
        if (!j->oldest)
            j->oldest = number;
        j->number = number;
        rc = replay_file(j, number, entry, torn_out, e);
    }
    buf_done(&numbers);
    if (!j->oldest)
        j->oldest = 1;
    return rc;
}

static enum rc open_all(struct journal *j, journal_entry_fn *entry, bool *torn_out, struct err *e)
{
    char path[JOURNAL_PATH];

    snprintf(path, sizeof path, "%s/journal", j->dir);
    if (mkdir(j->dir, 0700) != 0 && errno != EEXIST)
        return err_errno(e, errno, "mkdir %s", j->dir);
    if (mkdir(path, 0700) != 0 && errno != EEXIST)
        return err_errno(e, errno, "mkdir %s", path);
    TRY(replay(j, entry, torn_out, e));
    j->written = j->synced = j->added;
    reserve_make(j->dir, j->o.reserve_bytes, NULL);
    j->reserve_ms = loop_now_ms(j->loop);
    TRY(make_file(j, &j->fd, e));
    TRY(io_sync("journal.sync", j->fd, e));
    return io_sync_dir("journal.open", j->dir, e);
}

struct journal *journal_open(struct loop *loop, const struct journal_options *o, journal_entry_fn *entry, bool *torn_out,
                             struct err *e)
{
    struct journal *j = calloc(1, sizeof *j);

    must(j);
    *j = (struct journal){.loop = loop,
                          .o = *o,
                          .fd = -1,
                          .old_fd = -1,
                          .group = BUF(BUF_MOST),
                          .syncing = BUF(BUF_MOST),
                          .unsynced = BUF(BUF_MOST)};
    snprintf(j->dir, sizeof j->dir, "%s", o->dir);
    j->waiters_end = &j->waiters;
    *torn_out = false;
    if (open_all(j, entry, torn_out, e) == RC_OK) {
        loop_at_end(loop, PHASE_STORE, turn_end, j);
        return j;
    }
    if (j->fd >= 0)
        close(j->fd);
    free(j);
    return NULL;
}

void journal_close(struct journal *j)
{
    enum rc rc;

    if (!j)
        return;
    j->closing = true;
    while (j->sync.busy)
        loop_turn(j->loop, true);
    rc = j->new_file_due ? start_again(j, NULL) : RC_OK;
    if (rc == RC_OK)
        rc = write_group(j, NULL);
    if (rc == RC_OK && j->old_fd >= 0)
        rc = io_sync("journal.sync", j->old_fd, NULL);
    if (rc == RC_OK)
        rc = io_sync("journal.sync", j->fd, NULL);
    tell_waiters(j, UINT64_MAX, rc);
    loop_at_end_cancel(j->loop, PHASE_STORE, turn_end, j);
    loop_timer_cancel(j->loop, &j->timer);
    if (j->old_fd >= 0)
        close(j->old_fd);
    if (j->fd >= 0)
        close(j->fd);
    buf_done(&j->group);
    buf_done(&j->syncing);
    buf_done(&j->unsynced);
    free(j);
}
