/*
 * One text log on disk. See logfile.h.
 *
 * Called by record.c. Owns the descriptor and the buffer of lines. Disk errors are returned and leave the file as long as
 * the state says; nothing is lost, since the events stay in their files until the state that covers them is saved.
 */
#include "record/logfile.h"

#include "base/clock.h"
#include "base/io.h"
#include "base/must.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

enum { PATH = 700 };

void logfile_init(struct logfile *l, const char *dir, struct str stem)
{
    *l = (struct logfile){.fd = -1, .out = BUF(LOGFILE_BUFFER)};
    must((l->dir = strdup(dir)));
    snprintf(l->stem, sizeof l->stem, "%.*s", STR(stem));
}

void logfile_done(struct logfile *l)
{
    if (l->fd >= 0)
        close(l->fd);
    l->fd = -1;
    buf_done(&l->out);
    free(l->dir);
}

/* --- names -------------------------------------------------------------------------------------------------------- */

static void current_path(const struct logfile *l, char out[PATH])
{
    snprintf(out, PATH, "%s/%s.current", l->dir, l->stem);
}

static void saved_path(const struct logfile *l, uint64_t start_s, char out[PATH])
{
    time_t t = (time_t)start_s;
    struct tm tm;
    char when[32];

    localtime_r(&t, &tm);
    strftime(when, sizeof when, "%Y%m%dT%H%M%S", &tm);
    snprintf(out, PATH, "%s/%s.@%s.s", l->dir, l->stem, when);
}

static bool exists(const char *path)
{
    struct stat st;

    return stat(path, &st) == 0;
}

/* --- opening ------------------------------------------------------------------------------------------------------ */

static enum rc open_current(struct logfile *l, int flags, struct err *e)
{
    char path[PATH];

    current_path(l, path);
    mkdir(l->dir, 0750);
    l->fd = open(path, O_WRONLY | O_APPEND | O_CREAT | O_CLOEXEC | flags, 0640);
    return l->fd < 0 ? err_errno(e, errno, "log file %s", path) : RC_OK;
}

static enum rc begin(struct logfile *l, uint64_t start_s, struct err *e)
{
    l->state = (struct logfile_state){.start_s = start_s};
    if (l->first_lines)
        l->first_lines(l->ctx, &l->out);
    TRY(open_current(l, O_TRUNC, e));
    return logfile_write(l, e);
}

/* Cuts the file to the saved length; a shorter one (power cut) goes on at its end. */
static enum rc cut_back(struct logfile *l, struct err *e)
{
    struct stat st;

    if (fstat(l->fd, &st) != 0)
        return err_errno(e, errno, "log file of %s", l->dir);
    if ((uint64_t)st.st_size > l->state.length && ftruncate(l->fd, (off_t)l->state.length) != 0)
        return err_errno(e, errno, "log file of %s", l->dir);
    if ((uint64_t)st.st_size < l->state.length)
        l->state.length = (uint64_t)st.st_size;
    return RC_OK;
}

/* Without a saved state: goes on at the end of what is there. */
static enum rc adopt(struct logfile *l, struct err *e)
{
    struct stat st = {0};
    enum rc rc = open_current(l, 0, e);

    if (rc == RC_OK && fstat(l->fd, &st) != 0)
        rc = err_errno(e, errno, "log file of %s", l->dir);
    l->state = (struct logfile_state){.start_s = clock_wall_ms() / 1000, .length = (uint64_t)st.st_size};
    if (st.st_size == 0 && l->first_lines)
        l->first_lines(l->ctx, &l->out);
    return rc == RC_OK ? logfile_write(l, e) : rc;
}

/* The roll-over was cut short after the rename: lines beyond the state's length are made again, in the next file. */
static enum rc end_renamed(struct logfile *l, const char *path, struct err *e)
{
    l->fd = open(path, O_WRONLY | O_APPEND | O_CLOEXEC);
    if (l->fd < 0)
        return err_errno(e, errno, "log file %s", path);
    TRY(cut_back(l, e));
    if (l->last_line)
        l->last_line(l->ctx, &l->out);
    TRY(logfile_write(l, e));
    close(l->fd);
    l->fd = -1;
    return RC_OK;
}

enum rc logfile_open(struct logfile *l, const struct logfile_state *saved, struct err *e)
{
    char path[PATH];

    if (!saved || !saved->start_s)
        return adopt(l, e);
    l->state = *saved;
    saved_path(l, saved->start_s, path);
    if (saved->roll_to_s && exists(path)) {
        TRY(end_renamed(l, path, e));
        return begin(l, saved->roll_to_s, e); /* what stands in .current comes after the state */
    }
    current_path(l, path);
    if (!exists(path)) {
        l->state.length = 0;
        return begin(l, clock_wall_ms() / 1000, e);
    }
    TRY(open_current(l, 0, e));
    TRY(cut_back(l, e));
    return saved->roll_to_s ? logfile_roll(l, e) : RC_OK;
}

/* --- writing ------------------------------------------------------------------------------------------------------ */

enum rc logfile_write(struct logfile *l, struct err *e)
{
    enum rc rc;

    if (!l->out.n)
        return RC_OK;
    if (l->fd < 0)
        TRY(open_current(l, 0, e));
    rc = io_write("log.write", l->fd, buf_str(&l->out), e);
    if (rc != RC_OK) {
        (void)!ftruncate(l->fd, (off_t)l->state.length);
        return rc;
    }
    l->state.length += l->out.n;
    l->unsynced = true;
    buf_clear(&l->out);
    buf_shrink(&l->out, 256 << 10);
    return RC_OK;
}

/* --- roll-over ---------------------------------------------------------------------------------------------------- */

void logfile_roll_begin(struct logfile *l, uint64_t now_s)
{
    char path[PATH];
    uint64_t to = now_s > l->state.start_s ? now_s : l->state.start_s + 1;

    for (saved_path(l, to, path); exists(path); saved_path(l, ++to, path))
        ; /* the hour that a change of time repeats */
    l->state.roll_to_s = to;
}

enum rc logfile_roll(struct logfile *l, struct err *e)
{
    char from[PATH], to[PATH];
    uint64_t start_s = l->state.roll_to_s, length = l->state.length;

    must(start_s && !l->out.n);
    if (l->last_line)
        l->last_line(l->ctx, &l->out);
    current_path(l, from);
    saved_path(l, l->state.start_s, to);
    if (logfile_write(l, e) != RC_OK || io_rename("log.roll", from, to, e) != RC_OK) {
        buf_clear(&l->out);
        if (l->fd >= 0)
            (void)!ftruncate(l->fd, (off_t)length);
        l->state.length = length;
        return RC_IO;
    }
    io_sync("log.roll.sync", l->fd, NULL);
    close(l->fd);
    l->fd = -1;
    TRY(begin(l, start_s, e));
    return io_sync_dir("log.roll.dir", l->dir, e);
}

struct saved_files {
    char **names;
    size_t n;
};

static int by_name(const void *a, const void *b)
{
    return strcmp(*(char *const *)a, *(char *const *)b);
}

static struct saved_files list_saved(const struct logfile *l)
{
    struct saved_files list = {0};
    DIR *dir = opendir(l->dir);
    struct dirent *entry;
    char prefix[LOGFILE_STEM + 3];

    snprintf(prefix, sizeof prefix, "%s.@", l->stem);
    while (dir && (entry = readdir(dir))) {
        struct str name = str_c(entry->d_name);

        if (!str_starts(name, str_c(prefix)) || !str_ends(name, str_lit(".s")))
            continue;
        must((list.names = realloc(list.names, (list.n + 1) * sizeof *list.names)));
        must((list.names[list.n++] = strdup(entry->d_name)));
    }
    if (dir)
        closedir(dir);
    if (list.n)
        qsort(list.names, list.n, sizeof *list.names, by_name);
    return list;
}

size_t logfile_prune(const struct logfile *l, size_t most)
{
    struct saved_files list = list_saved(l);
    size_t gone = 0;
    char path[PATH];

    for (size_t i = 0; i < list.n; i++) {
        if (list.n - i > most) {
            snprintf(path, sizeof path, "%s/%s", l->dir, list.names[i]);
            gone += io_unlink("log.prune", path, NULL) == RC_OK;
        }
        free(list.names[i]);
    }
    free(list.names);
    return gone;
}
