/*
 * Writing, renaming and deleting in the virtual root. See vroot.h.
 *
 * Called by the file servers. A file is written under a temporary name that no listing shows, locked while its writer
 * lives, and renamed when it is whole; what a killed session left is removed by the next one. Names are checked before a
 * path is put together, and renames and unlinks do not follow links, so nothing outside /configuration and /captures
 * changes.
 */
#include "base/clock.h"
#include "base/io.h"
#include "shell/vroot_inside.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <sys/file.h>
#include <sys/uio.h>
#include <unistd.h>

static const char point[] = "files.write";

static enum rc path_of(const struct vroot *v, const char *folder, const char *name, char out[PATH_MAX], struct err *e)
{
    int n = snprintf(out, PATH_MAX, "%s/%s%s%s", v->home, folder, name[0] ? "/" : "", name);

    return n < 0 || n >= PATH_MAX ? err_set(e, RC_INVALID, "File name too long") : RC_OK;
}

/* base/io's errors name paths of the machine: the peer gets the cause alone. */
static enum rc plain(enum rc rc, struct err *e)
{
    if (rc == RC_OK)
        return rc;
    if (rc == RC_NO_SPACE)
        return err_set(e, rc, "No space left on device");
    if (rc == RC_NOT_FOUND)
        return err_set(e, rc, "No such file or directory");
    return err_set(e, rc, "%s", rc == RC_IO ? "Write failed" : rc_info(rc)->text);
}

/* What p names must be a file, or become one, where files may be written. */
static enum rc may_write(const struct vroot *v, const struct vpath *p, struct err *e)
{
    if (p->place != VPLACE_CONFIGURATION)
        return err_set(e, RC_NOT_PERMITTED, "Permission denied");
    if (!p->file[0])
        return err_set(e, RC_INVALID, "Is a directory");
    if (!vpath_may_write(str_c(p->file)))
        return err_set(e, RC_INVALID, "File names hold letters, digits and . _ @ - only");
    if (v->configuration < 0)
        return err_set(e, RC_UNAVAILABLE, "Not available now");
    return RC_OK;
}

void vwrite_sweep(const struct vroot *v)
{
    enum { UNLOCKED_AT_MOST_S = 60 };
    int own = v->configuration < 0 ? -1 : openat(v->configuration, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    DIR *dir = own < 0 ? NULL : fdopendir(own);
    const struct dirent *d;
    char path[PATH_MAX];
    struct stat st;

    if (!dir && own >= 0)
        close(own);
    while (dir && (d = readdir(dir))) {
        int fd;

        if (strncmp(d->d_name, VROOT_TEMPORARY, sizeof VROOT_TEMPORARY - 1) != 0 ||
            vroot_open_file(v->configuration, d->d_name, &fd, &st, NULL) != RC_OK)
            continue;
        if (flock(fd, LOCK_EX | LOCK_NB) == 0 &&
            st.st_mtime + UNLOCKED_AT_MOST_S < (int64_t)(clock_wall_ms() / 1000) && /* its writer may be about to lock it */
            path_of(v, "configuration", d->d_name, path, NULL) == RC_OK)
            io_unlink(point, path, NULL);
        close(fd);
    }
    if (dir)
        closedir(dir);
}

/* Room in /configuration for one file more? */
static enum rc check_room(const struct vroot *v, uint64_t *bytes_out, struct err *e)
{
    struct vpath folder;
    struct vlist all = {0};
    struct arena a;
    enum rc rc;

    *bytes_out = 0;
    arena_init(&a, 8192, VROOT_LIST_BYTES);
    rc = vpath_make(str_lit("/"), str_lit("configuration"), &folder, e);
    if (rc == RC_OK)
        rc = vroot_list(v, &folder, &a, &all, e);
    for (size_t i = 0; i < all.n; i++)
        *bytes_out += all.items[i].st.size;
    arena_done(&a);
    if (rc == RC_OK && (all.n >= VROOT_FILES_MAX || *bytes_out >= VROOT_TOTAL_MAX))
        rc = err_set(e, RC_LIMIT, "/configuration is full: delete files first");
    return rc;
}

static enum rc copy_former(struct vwrite *w, struct err *e)
{
    char *chunk;
    int from;
    struct stat st;
    enum rc rc = vroot_open_file(w->root->configuration, w->name, &from, &st, e);
    struct buf b = BUF(1 << 16);
    ssize_t n = 0;

    if (rc == RC_NOT_FOUND)
        return RC_OK; /* nothing to keep */
    if (rc != RC_OK)
        return rc;
    chunk = buf_reserve(&b, 1 << 16);
    while (rc == RC_OK && chunk && (n = read(from, chunk, 1 << 16)) > 0)
        rc = vwrite_at(w, w->size, str_of(chunk, (size_t)n), e);
    if (rc == RC_OK && (n < 0 || !chunk))
        rc = err_set(e, RC_IO, "Read failed");
    buf_done(&b);
    close(from);
    return rc;
}

enum rc vwrite_begin(const struct vroot *v, const struct vpath *p, enum vwrite_mode mode, struct vwrite *out, struct err *e)
{
    struct vwrite w = {.root = v, .fd = -1, .exclusive = mode == VWRITE_NEW};
    struct vstat st;
    char path[PATH_MAX];
    enum rc rc;

    TRY(may_write(v, p, e));
    if (mode == VWRITE_NEW && vroot_stat(v, p, &st, NULL) == RC_OK)
        return err_set(e, RC_EXISTS, "File exists");
    TRY(check_room(v, &w.bytes, e));
    snprintf(w.name, sizeof w.name, "%s", p->file);
    snprintf(w.temporary, sizeof w.temporary, VROOT_TEMPORARY "%016llx", (unsigned long long)random_u64());
    TRY(path_of(v, "configuration", w.temporary, path, e));
    TRY(plain(io_create(point, path, O_WRONLY | O_EXCL | O_NOFOLLOW, &w.fd, e), e));
    flock(w.fd, LOCK_EX | LOCK_NB);
    rc = mode == VWRITE_KEEP ? copy_former(&w, e) : RC_OK;
    if (rc != RC_OK)
        vwrite_abort(&w);
    else
        *out = w;
    return rc;
}

enum rc vwrite_at(struct vwrite *w, uint64_t offset, struct str data, struct err *e)
{
    struct iovec iov = {.iov_base = (void *)(uintptr_t)data.p, .iov_len = data.n};
    uint64_t end = offset + data.n;

    if (offset > VROOT_FILE_MAX || end > VROOT_FILE_MAX)
        return err_set(e, RC_TOO_LARGE, "File too large: the limit is %d MB", VROOT_FILE_MAX >> 20);
    if (w->bytes + end > VROOT_TOTAL_MAX)
        return err_set(e, RC_LIMIT, "/configuration is full: delete files first");
    if (data.n)
        TRY(plain(io_pwritev(point, w->fd, &iov, 1, offset, e), e));
    if (end > w->size)
        w->size = end;
    return RC_OK;
}

enum rc vwrite_cut(struct vwrite *w, uint64_t size, struct err *e)
{
    if (size > VROOT_FILE_MAX)
        return err_set(e, RC_TOO_LARGE, "File too large: the limit is %d MB", VROOT_FILE_MAX >> 20);
    if (ftruncate(w->fd, (off_t)size) != 0)
        return vroot_errno(e, errno);
    w->size = size;
    return RC_OK;
}

void vwrite_abort(struct vwrite *w)
{
    char path[PATH_MAX];

    if (w->fd < 0)
        return;
    close(w->fd);
    w->fd = -1;
    if (path_of(w->root, "configuration", w->temporary, path, NULL) == RC_OK)
        io_unlink(point, path, NULL);
}

static enum rc commit(struct vwrite *w, struct err *e)
{
    char from[PATH_MAX], to[PATH_MAX], folder[PATH_MAX];
    struct stat st;

    TRY(path_of(w->root, "configuration", w->temporary, from, e));
    TRY(path_of(w->root, "configuration", w->name, to, e));
    TRY(path_of(w->root, "configuration", "", folder, e));
    if (w->exclusive && fstatat(w->root->configuration, w->name, &st, AT_SYMLINK_NOFOLLOW) == 0)
        return err_set(e, RC_EXISTS, "File exists");
    TRY(plain(io_sync(point, w->fd, e), e));
    TRY(plain(io_rename(point, from, to, e), e));
    close(w->fd);
    w->fd = -1;
    return plain(io_sync_dir(point, folder, e), e);
}

enum rc vwrite_commit(struct vwrite *w, struct err *e)
{
    enum rc rc = commit(w, e);

    if (rc == RC_OK)
        vroot_tell(w->root, "wrote /configuration/%s, %llu bytes", w->name, (unsigned long long)w->size);
    vwrite_abort(w); /* nothing to do when the file has its name */
    return rc;
}

enum rc vroot_remove(const struct vroot *v, const struct vpath *p, struct err *e)
{
    const char *folder = p->place == VPLACE_CAPTURES ? "captures" : "configuration";
    char path[PATH_MAX];
    struct vstat st;

    if (!p->file[0])
        return err_set(e, RC_INVALID, "Is a directory");
    TRY(vroot_stat(v, p, &st, e));
    if (p->place != VPLACE_CONFIGURATION && p->place != VPLACE_CAPTURES)
        return err_set(e, RC_NOT_PERMITTED, "Permission denied");
    TRY(path_of(v, folder, p->file, path, e));
    TRY(plain(io_unlink("files.remove", path, e), e));
    vroot_tell(v, "deleted %s", p->text);
    return RC_OK;
}

enum rc vroot_rename(const struct vroot *v, const struct vpath *from, const struct vpath *to, bool replace, struct err *e)
{
    char old[PATH_MAX], new[PATH_MAX];
    struct vstat st;

    TRY(vroot_stat(v, from, &st, e));
    TRY(may_write(v, from, e));
    TRY(may_write(v, to, e));
    if (!replace && vroot_stat(v, to, &st, NULL) == RC_OK)
        return err_set(e, RC_EXISTS, "File exists");
    TRY(path_of(v, "configuration", from->file, old, e));
    TRY(path_of(v, "configuration", to->file, new, e));
    TRY(plain(io_rename("files.rename", old, new, e), e));
    vroot_tell(v, "renamed %s to %s", from->text, to->text);
    return RC_OK;
}
