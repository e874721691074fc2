/*
 * Reading the virtual root. See vroot.h.
 *
 * Called by the three file servers of a session. Owns the descriptors of the folders. Each open goes below one of them,
 * O_NOFOLLOW and by one name without a slash, so nothing outside can be reached whatever the path says.
 */
#include "shell/vroot.h"

#include "base/buf.h"
#include "base/clock.h"
#include "shell/vroot_inside.h"

#include <errno.h>
#include <fcntl.h>
#include <stdarg.h>
#include <stdio.h>
#include <time.h>
#include <unistd.h>

void vroot_tell(const struct vroot *v, const char *format, ...)
{
    struct buf text = BUF(4096);
    va_list ap;

    if (!v->told)
        return;
    va_start(ap, format);
    buf_addfv(&text, format, ap);
    va_end(ap);
    v->told(v->ctx, buf_str(&text));
    buf_done(&text);
}

enum rc vroot_errno(struct err *e, int number)
{
    switch (number) {
    case ENOENT:
    case ELOOP: /* a link is no file of ours */
    case ENOTDIR:
        return err_set(e, RC_NOT_FOUND, "No such file or directory");
    case EEXIST:
        return err_set(e, RC_EXISTS, "File exists");
    case EACCES:
    case EPERM:
    case EROFS:
        return err_set(e, RC_NOT_PERMITTED, "Permission denied");
    default:
        err_errno(e, number, "x");
        return err_set(e, e ? e->rc : RC_IO, "%s", strerror(number));
    }
}

bool vroot_allowed(unsigned role)
{
    enum { ADMINISTRATOR = 0, OPERATOR = 1, TECHNICIAN = 4 };

    return role == ADMINISTRATOR || role == OPERATOR || role == TECHNICIAN;
}

int vroot_open_folder(int below, const char *name)
{
    return below < 0 ? -1 : openat(below, name, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
}

/* The folder of p as a descriptor that the caller closes; -1: it has no files. */
enum rc vroot_folder(const struct vroot *v, const struct vpath *p, int *fd_out, struct err *e)
{
    int fd = -1;

    if (p->place == VPLACE_CONFIGURATION)
        fd = vroot_open_folder(v->configuration, ".");
    else if (p->place == VPLACE_CAPTURES)
        fd = vroot_open_folder(v->captures, ".");
    else if (p->place == VPLACE_LOG)
        fd = vroot_open_folder(v->log, p->folder);
    if (fd < 0 && p->place == VPLACE_LOG)
        return err_set(e, RC_NOT_FOUND, "No such file or directory");
    *fd_out = fd;
    return RC_OK;
}

enum rc vroot_open_file(int folder, const char *name, int *fd_out, struct stat *st_out, struct err *e)
{
    int fd;

    if (folder < 0)
        return vroot_errno(e, ENOENT);
    fd = openat(folder, name, O_RDONLY | O_NOFOLLOW | O_NONBLOCK | O_NOCTTY | O_CLOEXEC);
    if (fd < 0)
        return vroot_errno(e, errno);
    if (fstat(fd, st_out) != 0 || !S_ISREG(st_out->st_mode)) {
        close(fd);
        return vroot_errno(e, ENOENT);
    }
    *fd_out = fd;
    return RC_OK;
}

struct vstat vroot_stat_of(const struct stat *st, enum vplace place)
{
    bool folder = S_ISDIR(st->st_mode);

    return (struct vstat){.folder = folder,
                          .writable = place == VPLACE_CONFIGURATION,
                          .size = folder ? 0 : (uint64_t)st->st_size,
                          .mtime_s = st->st_mtime};
}

static enum rc stat_file(int folder, const struct vpath *p, struct vstat *out, struct err *e)
{
    struct stat st;

    if (folder < 0 || fstatat(folder, p->file, &st, AT_SYMLINK_NOFOLLOW) != 0 || !S_ISREG(st.st_mode))
        return vroot_errno(e, ENOENT);
    *out = vroot_stat_of(&st, p->place);
    return RC_OK;
}

enum rc vroot_stat(const struct vroot *v, const struct vpath *p, struct vstat *out, struct err *e)
{
    int folder;
    struct stat st;
    enum rc rc = RC_OK;

    TRY(vroot_folder(v, p, &folder, e));
    if (p->file[0])
        rc = stat_file(folder, p, out, e);
    else if (fstat(folder < 0 ? v->home_fd : folder, &st) != 0)
        rc = vroot_errno(e, errno);
    else
        *out = vroot_stat_of(&st, p->place);
    if (folder >= 0)
        close(folder);
    return rc;
}

enum rc vroot_read(const struct vroot *v, const struct vpath *p, int *fd_out, struct vstat *out, struct err *e)
{
    int folder;
    struct stat st;
    enum rc rc;

    TRY(vroot_folder(v, p, &folder, e));
    if (!p->file[0])
        rc = err_set(e, RC_INVALID, "Is a directory");
    else
        rc = vroot_open_file(folder, p->file, fd_out, &st, e);
    if (folder >= 0)
        close(folder);
    if (rc != RC_OK)
        return rc;
    *out = vroot_stat_of(&st, p->place);
    vroot_tell(v, "read %s", p->text);
    return RC_OK;
}

enum rc vroot_open(struct vroot *v, const char *home, struct err *e)
{
    int fd = open(home, O_PATH | O_DIRECTORY | O_CLOEXEC); /* the home itself may be beyond our rights */

    if (fd < 0)
        return err_errno(e, errno, "%s", home);
    *v = (struct vroot){.home = home,
                        .home_fd = fd,
                        .configuration = vroot_open_folder(fd, "configuration"),
                        .captures = vroot_open_folder(fd, "captures"),
                        .log = vroot_open_folder(fd, "log")};
    vwrite_sweep(v);
    return RC_OK;
}

void vroot_close(struct vroot *v)
{
    int *fds[] = {&v->home_fd, &v->configuration, &v->captures, &v->log};

    for (size_t i = 0; i < sizeof fds / sizeof *fds; i++) {
        if (*fds[i] >= 0)
            close(*fds[i]);
        *fds[i] = -1;
    }
}

void vroot_long_line(struct str name, const struct vstat *st, struct buf *out)
{
    enum { HALF_A_YEAR_S = 182 * 24 * 3600 };
    time_t t = (time_t)st->mtime_s, now = (time_t)(clock_wall_ms() / 1000);
    bool recent = t > now - HALF_A_YEAR_S && t <= now + 3600;
    char when[32] = "";
    struct tm tm;

    if (localtime_r(&t, &tm))
        strftime(when, sizeof when, recent ? "%b %e %H:%M" : "%b %e  %Y", &tm);
    buf_addf(out, "%s %3d %-8s %-8s %10llu %s %.*s",
             st->folder ? (st->writable ? "drwxr-xr-x" : "dr-xr-xr-x") : (st->writable ? "-rw-r--r--" : "-r--r--r--"),
             st->folder ? 2 : 1, "admin", "config", (unsigned long long)st->size, when, STR(name));
}
