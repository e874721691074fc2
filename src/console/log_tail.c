/*
 * The engine of `tail`. See log_tail.h.
 *
 * Called by the console and by log_grep.c for one command. Owns the descriptor of the file it follows and the line that is
 * not whole yet. A file that was rolled over is read to its end, then the one that follows it in time, so that no line is
 * left out however many roll-overs lie between two looks.
 */
#include "console/log_tail.h"

#include "base/must.h"

#include <errno.h>
#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

enum { CHUNK = 64 << 10, LINE_MOST = 8 << 20 };

struct tail {
    const char *home;
    struct str name;
    const struct log_out *out;
    int fd; /* -1: there was no open file yet */
    struct stat file;
    uint64_t at;
    struct buf part; /* a line whose end is not there yet */
    bool stopped;
};

static void show(struct tail *t, struct str line)
{
    if (!t->stopped)
        t->stopped = !t->out->line(t->out->ctx, line);
}

/* --- the last lines ----------------------------------------------------------------------------------------------- */

/* Where the last *lines lines of the file begin; *lines becomes the number that is still missing. */
static uint64_t last_lines_at(int fd, uint64_t size, size_t *lines)
{
    char chunk[CHUNK];
    uint64_t end = size;
    bool last = true; /* the file's own last octet ends a line, it does not begin one */

    while (end) {
        size_t n = end < CHUNK ? (size_t)end : CHUNK;

        if (pread(fd, chunk, n, (off_t)(end - n)) != (ssize_t)n)
            return end;
        for (size_t i = n; i--;) {
            if (chunk[i] == '\n' && !last && --*lines == 0)
                return end - n + i + 1;
            last = false;
        }
        end -= n;
    }
    if (size)
        --*lines;
    return 0;
}

/* Shows what has been added to the file since; keeps what is no whole line. */
static void show_news(struct tail *t)
{
    struct str rest, line;
    ssize_t n;

    while (!t->stopped && t->fd >= 0) {
        char *to = buf_reserve(&t->part, CHUNK);

        must(to);
        n = pread(t->fd, to, CHUNK, (off_t)t->at);
        if (n < 0 && errno == EINTR)
            continue;
        if (n <= 0)
            return;
        t->at += (uint64_t)n;
        t->part.n += (size_t)n;
        rest = buf_str(&t->part);
        for (size_t end; (end = str_find(rest, '\n')) < rest.n; rest = str_from(rest, end + 1)) {
            line = str_first(rest, end);
            show(t, line);
        }
        buf_drop(&t->part, t->part.n - rest.n);
        if (t->part.n >= LINE_MOST)
            buf_clear(&t->part);
    }
}

static void take(struct tail *t, const char *path)
{
    if (t->fd >= 0)
        close(t->fd);
    if (t->part.n)
        show(t, buf_str(&t->part)); /* a file whose last line has no end */
    buf_clear(&t->part);
    t->at = 0;
    t->fd = open(path, O_RDONLY | O_CLOEXEC);
    if (t->fd >= 0 && fstat(t->fd, &t->file) != 0) {
        close(t->fd);
        t->fd = -1;
    }
}

static void show_last(struct tail *t, const struct log_files *files, size_t lines)
{
    size_t first = files->n;
    uint64_t at = 0;

    while (lines && first) {
        take(t, files->items[--first].path);
        if (t->fd >= 0)
            at = last_lines_at(t->fd, (uint64_t)t->file.st_size, &lines);
    }
    for (size_t i = first; i < files->n && !t->stopped; i++, at = 0) {
        take(t, files->items[i].path);
        t->at = at;
        show_news(t);
    }
    if (t->fd < 0 && log_files_current(files))
        take(t, log_files_current(files));
}

/* --- following ---------------------------------------------------------------------------------------------------- */

static bool is_ours(const struct tail *t, const char *path)
{
    struct stat st;

    return t->fd >= 0 && stat(path, &st) == 0 && st.st_dev == t->file.st_dev && st.st_ino == t->file.st_ino;
}

/* Goes on to the file behind ours while there is one. When ours is gone the oldest that is younger follows, at worst the
 * open file. */
static void follow_rolled(struct tail *t, struct log_files *files)
{
    size_t ours = files->n;

    for (size_t i = 0; i < files->n; i++)
        if (is_ours(t, files->items[i].path))
            ours = i;
    show_news(t); /* what was added before it was renamed */
    for (size_t i = ours < files->n ? ours + 1 : files->n - 1; i < files->n && !t->stopped; i++) {
        take(t, files->items[i].path);
        show_news(t);
    }
}

static void look(struct tail *t)
{
    struct log_files files;
    struct stat st;
    const char *current;

    show_news(t);
    if (log_files_list(t->home, t->name, &files, NULL) != RC_OK)
        return;
    current = log_files_current(&files);
    if (current && !is_ours(t, current))
        follow_rolled(t, &files);
    else if (t->fd >= 0 && fstat(t->fd, &st) == 0 && (uint64_t)st.st_size < t->at)
        t->at = (uint64_t)st.st_size; /* cut back after a crash: its last lines are written again */
    log_files_done(&files);
}

enum rc log_tail(const char *home, struct str name, size_t lines, const struct log_out *out, struct err *e)
{
    struct tail t = {.home = home, .name = name, .out = out, .fd = -1, .part = BUF(LINE_MOST + CHUNK)};
    struct log_files files;

    TRY(log_files_list(home, name, &files, e));
    show_last(&t, &files, lines);
    log_files_done(&files);
    while (!t.stopped && out->stop && !out->stop(out->ctx, TAIL_POLL_MS))
        look(&t);
    if (t.fd >= 0)
        close(t.fd);
    buf_done(&t.part);
    return RC_OK;
}
