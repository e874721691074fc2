/*
 * Makes segment files and marks them free or in use again. See segment.h.
 *
 * Called by the writer's pool work (and segment_find_free once at its start). The header page is written and synced before
 * a segment is handed out, so its old records can never be taken for mail of the new life. A file that could not be made
 * whole is unlinked again.
 */
#include "spool/segment.h"

#include "base/clock.h"
#include "base/io.h"
#include "spool/recover.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

enum { FILL_STEP = 1 << 20 };

static enum rc make_dir(const char *path, struct err *e)
{
    if (mkdir(path, 0700) != 0 && errno != EEXIST)
        return err_errno(e, errno, "mkdir %s", path);
    return RC_OK;
}

enum rc segment_make_dirs(const char *dir, struct err *e)
{
    char path[SPOOL_PATH];

    TRY(make_dir(dir, e));
    snprintf(path, sizeof path, "%s/seg", dir);
    TRY(make_dir(path, e));
    snprintf(path, sizeof path, "%s/big", dir);
    TRY(make_dir(path, e));
    return io_sync_dir("spool.dir", dir, e);
}

static enum rc sync_seg_dir(const char *dir, struct err *e)
{
    char path[SPOOL_PATH];

    snprintf(path, sizeof path, "%s/seg", dir);
    return io_sync_dir("spool.dir", path, e);
}

static enum rc write_header(int fd, uint32_t state, const struct segment *s, uint64_t owner, struct err *e)
{
    char page[PAGE] = {0};
    struct segment_header h = {
        .state = state, .segment = s->id, .generation = s->generation, .owner = owner, .size = s->size, .salt = s->salt};
    struct iovec iov = {page, sizeof page};

    layout_seal_segment(&h);
    memcpy(page, &h, sizeof h);
    TRY(io_pwritev("spool.header", fd, &iov, 1, 0, e));
    return io_sync("spool.header", fd, e);
}

/* In small synced steps, so that a commit beside it never waits for much of this. */
static enum rc fill(int fd, uint64_t from, uint64_t to, struct err *e)
{
    char *zeros = calloc(1, FILL_STEP);
    enum rc rc = zeros ? RC_OK : err_set(e, RC_NO_MEMORY, "spool.fill");

    while (rc == RC_OK && from < to) {
        uint64_t n = to - from < FILL_STEP ? to - from : FILL_STEP;
        struct iovec iov = {zeros, n};

        rc = io_pwritev("spool.fill", fd, &iov, 1, from, e);
        sync_file_range(fd, (off_t)from, (off_t)n,
                        SYNC_FILE_RANGE_WAIT_BEFORE | SYNC_FILE_RANGE_WRITE | SYNC_FILE_RANGE_WAIT_AFTER);
        from += n;
    }
    free(zeros);
    return rc;
}

static enum rc allocate(int fd, uint64_t size, struct err *e)
{
    if (fallocate(fd, 0, 0, (off_t)size) == 0)
        return RC_OK;
    if (errno != EOPNOTSUPP)
        return err_errno(e, errno, "fallocate");
    return ftruncate(fd, (off_t)size) == 0 ? RC_OK : err_errno(e, errno, "ftruncate");
}

static enum rc build(int fd, const char *dir, const struct segment *s, unsigned owner, bool zeros, struct err *e)
{
    TRY(allocate(fd, s->size, e));
    if (zeros)
        TRY(fill(fd, 0, s->size, e));
    TRY(write_header(fd, SEGMENT_IN_USE, s, owner, e));
    return sync_seg_dir(dir, e);
}

enum rc segment_make(const char *dir, uint64_t id, uint64_t generation, unsigned owner, uint64_t size, bool zeros,
                     struct segment *out, struct err *e)
{
    char path[SPOOL_PATH];
    struct segment s = {.id = id, .generation = generation, .salt = random_u64(), .size = size, .used = PAGE};
    enum rc rc;

    layout_segment_path(path, dir, id);
    TRY(io_create("spool.make", path, O_RDWR | O_EXCL, &s.fd, e));
    rc = build(s.fd, dir, &s, owner, zeros, e);
    if (rc == RC_OK) {
        *out = s;
        return RC_OK;
    }
    close(s.fd);
    io_unlink("spool.unlink", path, NULL);
    return rc;
}

/* An existing file with its header; the header page of a file that is no segment does not fit. */
static enum rc open_header(const char *dir, uint64_t id, int *fd_out, struct segment_header *h, struct err *e)
{
    char path[SPOOL_PATH];
    enum rc rc;
    int fd;

    layout_segment_path(path, dir, id);
    fd = open(path, O_RDWR | O_CLOEXEC);
    if (fd < 0)
        return err_errno(e, errno, "open %s", path);
    rc = io_pread(fd, h, sizeof *h, 0, e);
    if (rc == RC_OK && !layout_segment_fits(h, id))
        rc = err_set(e, RC_CORRUPT, "%s: header does not fit", path);
    if (rc != RC_OK) {
        close(fd);
        return rc;
    }
    *fd_out = fd;
    return RC_OK;
}

enum rc segment_take(const char *dir, uint64_t id, uint64_t generation, unsigned owner, uint64_t size, struct segment *out,
                     struct err *e)
{
    struct segment s = {.id = id, .generation = generation, .salt = random_u64(), .size = size, .used = PAGE};
    struct segment_header h;
    enum rc rc = RC_OK;

    TRY(open_header(dir, id, &s.fd, &h, e));
    if (h.state != SEGMENT_FREE || h.owner != owner || h.size != size)
        rc = err_set(e, RC_INVALID, "segment %llu is not free for use", (unsigned long long)id);
    if (rc == RC_OK)
        rc = write_header(s.fd, SEGMENT_IN_USE, &s, owner, e);
    if (rc == RC_OK)
        *out = s;
    else
        close(s.fd);
    return rc;
}

static enum rc give(int fd, const struct segment_header *h, bool wipe, struct err *e)
{
    struct segment s = {.id = h->segment, .generation = h->generation, .size = h->size, .salt = h->salt};

    if (wipe)
        TRY(fill(fd, PAGE, h->size, e));
    if (h->state == SEGMENT_FREE && !wipe)
        return RC_OK;
    return write_header(fd, SEGMENT_FREE, &s, h->owner, e);
}

enum rc segment_give(const char *dir, uint64_t id, bool wipe, struct err *e)
{
    struct segment_header h;
    enum rc rc;
    int fd;

    TRY(open_header(dir, id, &fd, &h, e));
    rc = give(fd, &h, wipe, e);
    close(fd);
    return rc;
}

enum rc spool_mark_free(const char *dir, uint64_t segment, uint64_t generation, struct err *e)
{
    struct segment_header h;
    enum rc rc;
    int fd;

    TRY(open_header(dir, segment, &fd, &h, e));
    if (h.generation == generation)
        rc = give(fd, &h, false, e);
    else
        rc = err_set(e, RC_CORRUPT, "segment %llu has generation %llu", (unsigned long long)segment,
                     (unsigned long long)h.generation);
    close(fd);
    return rc;
}

bool segment_is_needed(const char *dir, uint64_t id)
{
    struct segment_header h, other;
    struct spool_void v;
    bool is_void;
    int fd;

    if (open_header(dir, id, &fd, &h, NULL) != RC_OK)
        return false;
    is_void = recover_void(fd, id, &v);
    close(fd);
    if (!is_void || open_header(dir, v.segment, &fd, &other, NULL) != RC_OK)
        return false;
    close(fd);
    return other.generation == v.generation && other.state == SEGMENT_IN_USE;
}

size_t segment_find_free(const char *dir, unsigned owner, uint64_t size, uint64_t *ids_out, size_t max)
{
    char path[SPOOL_PATH];
    struct dirent *entry;
    size_t n = 0;
    DIR *d;

    snprintf(path, sizeof path, "%s/seg", dir);
    d = opendir(path);
    while (d && n < max && (entry = readdir(d))) {
        struct segment_header h;
        uint64_t id;
        int fd;

        if (!str_u64(str_c(entry->d_name), &id) || open_header(dir, id, &fd, &h, NULL) != RC_OK)
            continue;
        close(fd);
        if (h.state == SEGMENT_FREE && h.owner == owner && h.size == size && !segment_is_needed(dir, id))
            ids_out[n++] = id;
    }
    if (d)
        closedir(d);
    return n;
}
