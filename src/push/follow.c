/*
 * The follower of a log. See follow.h.
 *
 * Called by the syslog sender. Owns one descriptor and a read buffer. What cannot be read now is "nothing more for now": the
 * next call tries again. A file that was cut back (record starting after a kill makes the lines again) is waited for.
 */
#include "push/follow.h"

#include "base/clock.h"
#include "base/must.h"
#include "push/saved.h"

#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

enum { HEAD = 256, AHEAD = 64 << 10, SHORT_MS = 5000, PATH = 1000 };

void follower_init(struct follower *f, const char *dir, struct str stem)
{
    *f = (struct follower){.fd = -1, .ahead = BUF(AHEAD)};
    must((f->dir = strdup(dir)));
    snprintf(f->stem, sizeof f->stem, "%.*s", STR(stem));
}

static void shut(struct follower *f)
{
    if (f->fd >= 0)
        close(f->fd);
    f->fd = -1;
    buf_clear(&f->ahead);
    f->used = 0;
    f->short_since_ms = 0;
}

void follower_done(struct follower *f)
{
    shut(f);
    buf_done(&f->ahead);
    free(f->dir);
}

/* --- finding files -------------------------------------------------------------------------------------------------- */

static int open_named(const struct follower *f, const char *name)
{
    char path[PATH];

    if (snprintf(path, sizeof path, "%s/%s", f->dir, name) >= (int)sizeof path)
        return -1;
    return open(path, O_RDONLY | O_CLOEXEC | O_NOFOLLOW);
}

static int open_current(const struct follower *f)
{
    char name[LOG_STEM_MAX + 16];

    snprintf(name, sizeof name, "%s.current", f->stem);
    return open_named(f, name);
}

static uint64_t inode_of(int fd)
{
    struct stat st;

    return fstat(fd, &st) == 0 ? st.st_ino : 0;
}

static bool head_of(int fd, size_t most, uint64_t *hash_out, uint64_t *n_out)
{
    char head[HEAD];
    ssize_t n = pread(fd, head, most < HEAD ? most : HEAD, 0);

    if (n < 0)
        return false;
    *hash_out = str_hash(str_of(head, (size_t)n));
    *n_out = (uint64_t)n;
    return true;
}

static bool same_head(int fd, const struct place *p)
{
    uint64_t hash, n;

    return head_of(fd, p->head_n, &hash, &n) && n == p->head_n && hash == p->head;
}

/* Takes over an open file; false (closed) when there is none. */
static bool take(struct follower *f, int fd, uint64_t offset)
{
    if (fd < 0)
        return false;
    shut(f);
    f->fd = fd;
    f->at = (struct place){.inode = inode_of(fd), .offset = offset};
    head_of(fd, HEAD, &f->at.head, &f->at.head_n);
    return true;
}

/* The file of a place: by inode and head, else by head alone (a home that was copied). -1 = it is gone. */
static int find(const struct follower *f, const struct saved_list *saved, const struct place *p, size_t *index_out)
{
    for (int by_inode = 1; by_inode >= 0; by_inode--) {
        for (size_t i = 0; i <= saved->n; i++) {
            int fd;

            if (i < saved->n && by_inode && saved->items[i].inode != p->inode)
                continue;
            if (!by_inode && !p->head_n)
                continue;
            fd = i < saved->n ? open_named(f, saved->items[i].name) : open_current(f);
            if (fd >= 0 && (!by_inode || inode_of(fd) == p->inode) && same_head(fd, p)) {
                *index_out = i;
                return fd;
            }
            if (fd >= 0)
                close(fd);
        }
    }
    return -1;
}

void follower_seek(struct follower *f, const struct place *to)
{
    struct place wanted = to ? *to : (struct place){0};
    struct saved_list saved;
    size_t index;
    int fd;

    shut(f);
    f->at = wanted;
    if (!wanted.inode) {
        take(f, open_current(f), 0);
        return;
    }
    saved_list_read(f->dir, &saved);
    fd = find(f, &saved, &wanted, &index);
    if (fd >= 0) {
        take(f, fd, wanted.offset);
    } else if (saved.n || access(f->dir, R_OK) == 0) {
        fd = saved.n ? open_named(f, saved.items[0].name) : open_current(f);
        f->gap = take(f, fd, 0);
    }
    saved_list_done(&saved);
}

/* The present file is read to its end and no longer the open one: goes to the next. */
static bool next_file(struct follower *f)
{
    struct saved_list saved;
    size_t i = 0;
    int fd;

    saved_list_read(f->dir, &saved);
    while (i < saved.n && saved.items[i].inode != f->at.inode)
        i++;
    if (i == saved.n) {
        f->gap = saved.n > 0; /* ours was deleted meanwhile, and perhaps those after it; all that are left are newer */
        i = 0;
    } else {
        i++;
    }
    fd = i < saved.n ? open_named(f, saved.items[i].name) : open_current(f);
    saved_list_done(&saved);
    return take(f, fd, 0);
}

static bool is_open_file(const struct follower *f)
{
    char path[PATH];
    struct stat st;

    snprintf(path, sizeof path, "%s/%s.current", f->dir, f->stem);
    if (stat(path, &st) != 0)
        return true; /* a roll-over is under way */
    return st.st_ino == f->at.inode;
}

/* --- reading ------------------------------------------------------------------------------------------------------- */

/* The file is shorter than what was read of it: it grows again with the same lines. When it does not, its end it is. */
static void wait_short(struct follower *f, uint64_t size)
{
    uint64_t now_ms = clock_mono_ms();

    if (!f->short_since_ms)
        f->short_since_ms = now_ms;
    if (now_ms - f->short_since_ms < SHORT_MS)
        return;
    f->at.offset = size;
    f->short_since_ms = 0;
}

static bool refill(struct follower *f)
{
    struct stat st;
    char *room;
    ssize_t n;

    buf_drop(&f->ahead, f->used);
    f->used = 0;
    if (f->ahead.n == AHEAD || fstat(f->fd, &st) != 0)
        return false;
    if ((uint64_t)st.st_size < f->at.offset + f->ahead.n) {
        buf_clear(&f->ahead);
        if ((uint64_t)st.st_size < f->at.offset)
            wait_short(f, (uint64_t)st.st_size);
        return false;
    }
    f->short_since_ms = 0;
    room = buf_reserve(&f->ahead, AHEAD - f->ahead.n);
    n = room ? pread(f->fd, room, AHEAD - f->ahead.n, (off_t)(f->at.offset + f->ahead.n)) : -1;
    if (n <= 0)
        return false;
    f->ahead.n += (size_t)n;
    if (f->at.head_n < HEAD)
        head_of(f->fd, HEAD, &f->at.head, &f->at.head_n);
    return true;
}

static bool take_line(struct follower *f, struct str *line_out)
{
    struct str rest = str_from(buf_str(&f->ahead), f->used);
    size_t n = str_find(rest, '\n');

    if (n == rest.n && rest.n < AHEAD)
        return false;
    *line_out = str_first(rest, n);
    n += n < rest.n;
    f->used += n;
    f->at.offset += n;
    return true;
}

bool follower_line(struct follower *f, struct str *line_out)
{
    if (f->fd < 0)
        follower_seek(f, f->at.inode ? &f->at : NULL);
    while (f->fd >= 0) {
        bool last;

        if (take_line(f, line_out))
            return true;
        last = !is_open_file(f); /* looked at before the read: what was written before the roll-over is seen by it */
        if (refill(f))
            continue;
        if (last && f->ahead.n) { /* a saved file without a line end: it will not get one */
            *line_out = buf_str(&f->ahead);
            f->used = f->ahead.n;
            f->at.offset += f->ahead.n;
            return true;
        }
        if (!last || !next_file(f))
            return false;
    }
    return false;
}

uint64_t follower_waiting(struct follower *f, uint64_t *files_out)
{
    struct saved_list saved;
    struct stat st;
    uint64_t bytes = 0, files = 0;
    bool after = false;
    int fd = open_current(f);

    if (f->fd >= 0 && fstat(f->fd, &st) == 0 && (uint64_t)st.st_size > f->at.offset)
        bytes = (uint64_t)st.st_size - f->at.offset;
    saved_list_read(f->dir, &saved);
    for (size_t i = 0; i < saved.n; i++) {
        if (after) {
            bytes += saved.items[i].bytes;
            files++;
        }
        after = after || saved.items[i].inode == f->at.inode;
    }
    if (after && fd >= 0 && fstat(fd, &st) == 0) {
        bytes += (uint64_t)st.st_size;
        files++;
    }
    saved_list_done(&saved);
    if (fd >= 0)
        close(fd);
    *files_out = files;
    return bytes;
}
