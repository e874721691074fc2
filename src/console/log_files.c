/*
 * The files of a log subscription. See log_files.h.
 *
 * Called by log_grep.c, log_tail.c and log_findevent.c in a session's own process, so it may block. Owns the names and one
 * descriptor. Reads what the disk gives: a file that cannot be opened is passed over.
 */
#include "console/log_files.h"

#include "base/must.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

enum { BLOCK = 256 << 10, LINE_MOST = 8 << 20, WHEN = 15 };

/* STEM.@YYYYMMDDThhmmss.s (readers accept .c too), STEM.current. */
static bool file_when(struct str name, char when_out[WHEN + 1])
{
    size_t at = str_find_str(name, str_lit(".@"));

    when_out[0] = 0;
    if (str_ends(name, str_lit(".current")))
        return true;
    if (at == name.n || name.n != at + 2 + WHEN + 2 || !(str_ends(name, str_lit(".s")) || str_ends(name, str_lit(".c"))))
        return false;
    memcpy(when_out, name.p + at + 2, WHEN);
    when_out[WHEN] = 0;
    return true;
}

static int in_time_order(const void *a, const void *b)
{
    const struct log_file *x = a, *y = b;

    if (!x->when[0] || !y->when[0])
        return !x->when[0] - !y->when[0];
    return strcmp(x->when, y->when);
}

static void add_file(struct log_files *f, const char *dir, const char *name)
{
    struct log_file file = {0};
    char path[PATH_MAX];
    struct stat st;

    if (!file_when(str_c(name), file.when) || snprintf(path, sizeof path, "%s/%s", dir, name) >= (int)sizeof path ||
        stat(path, &st) != 0 || !S_ISREG(st.st_mode))
        return;
    file.bytes = (uint64_t)st.st_size;
    must((file.path = strdup(path)));
    must((f->items = realloc(f->items, (f->n + 1) * sizeof *f->items)));
    f->items[f->n++] = file;
}

enum rc log_files_list(const char *home, struct str name, struct log_files *out, struct err *e)
{
    char dir[PATH_MAX];
    struct dirent *entry;
    struct log_files f = {0};
    DIR *d = NULL;

    if (name.n && name.p[0] != '.' && str_find(name, '/') == name.n &&
        snprintf(dir, sizeof dir, "%s/log/%.*s", home, STR(name)) < (int)sizeof dir)
        d = opendir(dir);
    if (!d)
        return err_set(e, RC_NOT_FOUND, "there is no log named %.*s", STR(name));
    while ((entry = readdir(d)))
        add_file(&f, dir, entry->d_name);
    closedir(d);
    if (f.n)
        qsort(f.items, f.n, sizeof *f.items, in_time_order);
    *out = f;
    return RC_OK;
}

void log_files_done(struct log_files *f)
{
    for (size_t i = 0; i < f->n; i++)
        free(f->items[i].path);
    free(f->items);
    *f = (struct log_files){0};
}

const char *log_files_current(const struct log_files *f)
{
    return f->n && !f->items[f->n - 1].when[0] ? f->items[f->n - 1].path : NULL;
}

/* --- reading ------------------------------------------------------------------------------------------------------ */

void log_reader_init(struct log_reader *r, const struct log_files *files)
{
    *r = (struct log_reader){.files = files, .fd = -1, .buf = BUF(LINE_MOST + BLOCK)};
}

void log_reader_done(struct log_reader *r)
{
    if (r->fd >= 0)
        close(r->fd);
    buf_done(&r->buf);
    r->fd = -1;
}

/* Opens the file at r->at, or one after it. */
static bool open_next(struct log_reader *r)
{
    while (r->fd < 0 && r->at < r->files->n) {
        r->fd = open(r->files->items[r->at].path, O_RDONLY | O_CLOEXEC);
        if (r->fd < 0)
            r->at++;
    }
    return r->fd >= 0;
}

/* Reads more behind what is left; false at the end of the file. */
static bool read_more(struct log_reader *r)
{
    char *at = buf_reserve(&r->buf, BLOCK);
    ssize_t n;

    must(at);
    do
        n = read(r->fd, at, BLOCK);
    while (n < 0 && errno == EINTR);
    if (n > 0)
        r->buf.n += (size_t)n;
    return n > 0;
}

bool log_reader_next(struct log_reader *r, struct str *block_out)
{
    buf_drop(&r->buf, r->given);
    r->given = 0;
    while (open_next(r)) {
        size_t before = r->buf.n;
        bool more = read_more(r);
        const char *end = r->buf.n > before ? memrchr(r->buf.p + before, '\n', r->buf.n - before) : NULL;

        if (more && !end && r->buf.n < LINE_MOST)
            continue;
        if (!more) {
            close(r->fd);
            r->fd = -1;
            r->at++;
        }
        r->given = end ? (size_t)(end + 1 - r->buf.p) : r->buf.n;
        *block_out = str_of(r->buf.p, r->given);
        if (r->given)
            return true;
    }
    return false;
}

bool log_line_take(struct str *block, struct str *line_out)
{
    size_t n = str_find(*block, '\n');

    if (!block->n)
        return false;
    *line_out = str_first(*block, n);
    *block = str_from(*block, n + 1);
    return true;
}
