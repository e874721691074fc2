/*
 * The reserve file. See reserve.h.
 *
 * Made by the journal at its start and again once there is space; released by whoever meets ENOSPC while it writes what must
 * not be lost: the journal, and the writer with a void record.
 */
#include "spool/reserve.h"

#include "base/io.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <sys/stat.h>
#include <sys/statvfs.h>
#include <unistd.h>

enum { PATH_BYTES = 4096 };

enum rc reserve_make(const char *dir, uint64_t bytes, struct err *e)
{
    char path[PATH_BYTES];
    struct statvfs fs;
    struct stat st;
    int fd, failed;

    snprintf(path, sizeof path, "%s/reserve", dir);
    if (!bytes || stat(path, &st) == 0 || statvfs(dir, &fs) != 0 || (uint64_t)fs.f_bavail * fs.f_frsize < 3 * bytes)
        return RC_OK;
    TRY(io_create("spool.reserve", path, O_WRONLY | O_EXCL, &fd, e));
    failed = fallocate(fd, 0, 0, (off_t)bytes) == 0 ? 0 : errno;
    close(fd);
    if (!failed)
        return RC_OK;
    io_unlink("spool.unlink", path, NULL);
    return err_errno(e, failed, "reserve");
}

bool reserve_release(const char *dir)
{
    char path[PATH_BYTES];

    snprintf(path, sizeof path, "%s/reserve", dir);
    return io_unlink("spool.unlink", path, NULL) == RC_OK;
}
