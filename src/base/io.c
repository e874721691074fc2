/*
 * Writes, syncs and renames with faults on demand. See io.h.
 *
 * Called by every room that touches the disk. Owns the fault's state (one per process). A short write is continued, an
 * interrupted call repeated; a failed sync is reported and must not be repeated on that file by the caller.
 */
#include "base/io.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

enum action { NOTHING, KILL_BEFORE, KILL_AFTER, FAIL_ENOSPC, FAIL_EIO, SHORT_WRITE, DELAY };

static struct {
    enum action action;
    char point[48];
    uint64_t at; /* pass to act on, 0 = every one */
    unsigned delay_ms;
    uint64_t passes; /* atomic: the sync runs in the pool */
    const char *log;
} fault;

static struct {
    io_observer *fn;
    void *ctx;
} observer;

void io_observe(io_observer *fn, void *ctx)
{
    observer.fn = fn;
    observer.ctx = ctx;
}

static void seen(struct io_op op)
{
    if (observer.fn)
        observer.fn(observer.ctx, &op);
}

static void seen_path(enum io_kind kind, const char *point, const char *path, const char *to)
{
    seen((struct io_op){.kind = kind, .point = point, .path = path, .to = to, .fd = -1});
}

/* The first `n` octets of the vector, as writes one behind the other. */
static void seen_vector(const char *point, int fd, const struct iovec *iov, int n_iov, size_t n, uint64_t offset)
{
    for (int i = 0; i < n_iov && n && observer.fn; i++) {
        size_t here = iov[i].iov_len < n ? iov[i].iov_len : n;

        seen((struct io_op){
            .kind = IO_WRITE, .point = point, .fd = fd, .offset = offset, .data = str_of(iov[i].iov_base, here)});
        offset += here;
        n -= here;
    }
}

static enum action action_of(struct str text, unsigned *delay_out)
{
    static const struct {
        const char *name;
        enum action action;
    } names[] = {{"kill-before", KILL_BEFORE},
                 {"kill-after", KILL_AFTER},
                 {"enospc", FAIL_ENOSPC},
                 {"eio", FAIL_EIO},
                 {"short", SHORT_WRITE}};
    uint64_t ms;

    for (size_t i = 0; i < sizeof names / sizeof *names; i++)
        if (str_eq(text, str_c(names[i].name)))
            return names[i].action;
    if (str_starts(text, str_lit("delay=")) && str_u64(str_from(text, 6), &ms) && ms < 60000) {
        *delay_out = (unsigned)ms;
        return DELAY;
    }
    return NOTHING;
}

void io_init(const char *role)
{
    struct str rest = str_c(getenv("POSTERN_FAULT")), who, point, n;

    fault.action = NOTHING;
    fault.passes = 0;
    fault.log = getenv("POSTERN_FAULT_LOG");
    if (getenv("POSTERN_FAULT_ONCE") && fault.log && access(fault.log, F_OK) == 0)
        return; /* it has acted in an earlier life of a role */
    if (!str_split(&rest, ':', &who) || !str_split(&rest, ':', &point) || !str_split(&rest, ':', &n))
        return;
    if (!str_eq(who, str_c(role)) || !str_u64(n, &fault.at) || point.n >= sizeof fault.point || !rest.p)
        return;
    memcpy(fault.point, point.p, point.n);
    fault.point[point.n] = '\0';
    fault.action = action_of(rest, &fault.delay_ms);
}

static void say(const char *point)
{
    int fd = fault.log ? open(fault.log, O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0600) : -1;

    if (fd < 0)
        return;
    dprintf(fd, "%s %llu\n", point, (unsigned long long)fault.passes);
    close(fd);
}

/* What this pass of the point is to do; counts the pass. */
static enum action pass(const char *point)
{
    uint64_t n;

    if (fault.action == NOTHING || strcmp(point, fault.point) != 0)
        return NOTHING;
    n = __atomic_add_fetch(&fault.passes, 1, __ATOMIC_SEQ_CST);
    if (fault.at && n != fault.at)
        return NOTHING;
    say(point);
    if (fault.action == KILL_BEFORE)
        kill(getpid(), SIGKILL);
    if (fault.action == DELAY)
        usleep(fault.delay_ms * 1000);
    return fault.action;
}

static void after(enum action act)
{
    if (act == KILL_AFTER)
        kill(getpid(), SIGKILL);
}

static enum rc fail(enum action act, const char *point, struct err *e)
{
    if (act == FAIL_ENOSPC)
        return err_errno(e, ENOSPC, "%s", point);
    return err_errno(e, EIO, "%s", point);
}

static bool failing(enum action act)
{
    return act == FAIL_ENOSPC || act == FAIL_EIO;
}

static struct str advance(struct str data, size_t done)
{
    return str_from(data, done);
}

enum rc io_create(const char *point, const char *path, int flags, int *fd_out, struct err *e)
{
    enum action act = pass(point);
    int fd;

    if (failing(act))
        return fail(act, point, e);
    fd = open(path, flags | O_CREAT | O_CLOEXEC, 0600);
    if (fd < 0)
        return err_errno(e, errno, "%s: open %s", point, path);
    seen((struct io_op){.kind = IO_CREATE, .point = point, .path = path, .fd = fd});
    after(act);
    *fd_out = fd;
    return RC_OK;
}

enum rc io_write(const char *point, int fd, struct str data, struct err *e)
{
    enum action act = pass(point);

    if (failing(act))
        return fail(act, point, e);
    if (act == SHORT_WRITE)
        data.n /= 2;
    while (data.n) {
        ssize_t n = write(fd, data.p, data.n);

        if (n < 0 && errno == EINTR)
            continue;
        if (n < 0)
            return err_errno(e, errno, "%s", point);
        seen((struct io_op){
            .kind = IO_WRITE, .point = point, .fd = fd, .offset = UINT64_MAX, .data = str_first(data, (size_t)n)});
        data = advance(data, (size_t)n);
    }
    after(act);
    return act == SHORT_WRITE ? err_errno(e, ENOSPC, "%s", point) : RC_OK;
}

static enum rc pwrite_all(const char *point, int fd, struct str data, uint64_t offset, struct err *e)
{
    while (data.n) {
        ssize_t n = pwrite(fd, data.p, data.n, (off_t)offset);

        if (n < 0 && errno == EINTR)
            continue;
        if (n < 0)
            return err_errno(e, errno, "%s", point);
        data = advance(data, (size_t)n);
        offset += (uint64_t)n;
    }
    return RC_OK;
}

/* The rest of a vector after a short pwritev, one piece at a time: rare, so simple. */
static enum rc write_rest(const char *point, int fd, const struct iovec *iov, int n, size_t done, uint64_t offset,
                          struct err *e)
{
    for (int i = 0; i < n; i++) {
        size_t skip = done < iov[i].iov_len ? done : iov[i].iov_len;
        struct str part = str_of((const char *)iov[i].iov_base + skip, iov[i].iov_len - skip);

        done -= skip;
        offset += skip;
        TRY(pwrite_all(point, fd, part, offset, e));
        offset += part.n;
    }
    return RC_OK;
}

enum rc io_pwritev(const char *point, int fd, const struct iovec *iov, int n, uint64_t offset, struct err *e)
{
    enum action act = pass(point);
    size_t total = 0;
    ssize_t got;

    if (failing(act))
        return fail(act, point, e);
    for (int i = 0; i < n; i++)
        total += iov[i].iov_len;
    if (act == SHORT_WRITE) {
        got = pwritev(fd, iov, n / 2 ? n / 2 : 1, (off_t)offset);
        if (got > 0)
            seen_vector(point, fd, iov, n, (size_t)got, offset);
        return err_errno(e, ENOSPC, "%s", point);
    }
    do
        got = n <= IOV_MAX ? pwritev(fd, iov, n, (off_t)offset) : 0;
    while (got < 0 && errno == EINTR);
    if (got < 0)
        return err_errno(e, errno, "%s", point);
    if ((size_t)got < total)
        TRY(write_rest(point, fd, iov, n, (size_t)got, offset, e));
    seen_vector(point, fd, iov, n, total, offset);
    after(act);
    return RC_OK;
}

enum rc io_sync(const char *point, int fd, struct err *e)
{
    enum action act = pass(point);

    if (failing(act))
        return fail(act, point, e);
    if (fdatasync(fd) != 0)
        return err_errno(e, errno, "%s", point);
    seen((struct io_op){.kind = IO_SYNC, .point = point, .fd = fd});
    after(act);
    return RC_OK;
}

enum rc io_rename(const char *point, const char *from, const char *to, struct err *e)
{
    enum action act = pass(point);

    if (failing(act))
        return fail(act, point, e);
    if (rename(from, to) != 0)
        return err_errno(e, errno, "%s: rename %s to %s", point, from, to);
    seen_path(IO_RENAME, point, from, to);
    after(act);
    return RC_OK;
}

enum rc io_unlink(const char *point, const char *path, struct err *e)
{
    enum action act = pass(point);

    if (failing(act))
        return fail(act, point, e);
    if (unlink(path) != 0)
        return err_errno(e, errno, "%s: unlink %s", point, path);
    seen_path(IO_UNLINK, point, path, NULL);
    after(act);
    return RC_OK;
}

enum rc io_sync_dir(const char *point, const char *path, struct err *e)
{
    enum action act = pass(point);
    int fd = failing(act) ? -1 : open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    enum rc rc;

    if (failing(act))
        return fail(act, point, e);
    if (fd < 0)
        return err_errno(e, errno, "%s: open %s", point, path);
    rc = fsync(fd) == 0 ? RC_OK : err_errno(e, errno, "%s: sync %s", point, path);
    close(fd);
    if (rc == RC_OK) {
        seen_path(IO_SYNC_DIR, point, path, NULL);
        after(act);
    }
    return rc;
}

enum rc io_pread(int fd, void *out, size_t n, uint64_t offset, struct err *e)
{
    char *at = out;

    while (n) {
        ssize_t got = pread(fd, at, n, (off_t)offset);

        if (got < 0 && errno == EINTR)
            continue;
        if (got < 0)
            return err_errno(e, errno, "pread");
        if (got == 0)
            return err_set(e, RC_CORRUPT, "file ends %zu octets early", n);
        at += got;
        n -= (size_t)got;
        offset += (uint64_t)got;
    }
    return RC_OK;
}

static enum rc write_new(const char *point, const char *path, struct str content, struct err *e)
{
    int fd = open(path, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);
    enum rc rc;

    if (fd < 0)
        return err_errno(e, errno, "%s: open %s", point, path);
    rc = io_write(point, fd, content, e);
    if (rc == RC_OK)
        rc = io_sync(point, fd, e);
    close(fd);
    return rc;
}

enum rc io_replace_file(const char *point, const char *path, struct str content, struct err *e)
{
    char new_path[PATH_MAX], dir[PATH_MAX];
    char *slash;

    if (snprintf(new_path, sizeof new_path, "%s.new", path) >= (int)sizeof new_path)
        return err_set(e, RC_INVALID, "%s: path too long", point);
    snprintf(dir, sizeof dir, "%s", path);
    slash = strrchr(dir, '/');
    if (slash)
        *slash = '\0';
    TRY(write_new(point, new_path, content, e));
    TRY(io_rename(point, new_path, path, e));
    return io_sync_dir(point, slash ? dir : ".", e);
}

enum rc io_read_file(const char *path, struct buf *out, struct err *e)
{
    int fd = open(path, O_RDONLY | O_CLOEXEC);
    ssize_t n = 0;

    if (fd < 0)
        return err_errno(e, errno, "open %s", path);
    for (;;) {
        char tmp[16384];

        n = read(fd, tmp, sizeof tmp);
        if (n < 0 && errno == EINTR)
            continue;
        if (n <= 0)
            break;
        buf_add(out, str_of(tmp, (size_t)n));
    }
    close(fd);
    if (n < 0)
        return err_errno(e, errno, "read %s", path);
    return out->failed ? err_set(e, RC_TOO_LARGE, "%s is larger than %zu octets", path, out->max) : RC_OK;
}

void io_pass(const char *point)
{
    pass(point);
}

void io_passed(const char *point)
{
    uint64_t n = __atomic_load_n(&fault.passes, __ATOMIC_SEQ_CST);

    if (fault.action == KILL_AFTER && strcmp(point, fault.point) == 0 && (fault.at == 0 || n == fault.at))
        kill(getpid(), SIGKILL);
}
