/*
 * Emitting: events of a turn are coded into one buffer and appended to the process's own file before their effects leave.
 *
 * Called by every role. Owns the file DIR/ROLE.INDEX.N.ev (N rises with each start and each 16 MiB; a file that has a
 * successor is never written again) and the buffer. When a write fails the file is left as it is, whole blocks that reached
 * it are forgotten, and the rest goes to the next file, tried once a second; meanwhile up to 16 MiB of connection events are
 * kept, more are dropped and counted, while message events may fill four times that (F5).
 */
#include "event/block.h"
#include "event/render.h"

#include "base/clock.h"
#include "base/io.h"
#include "base/must.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

enum { KEEP_CONNECTION = 16 << 20, KEEP_MESSAGE = 64 << 20, FILE_FULL = 16 << 20, RETRY_MS = 1000, KEEP_IDLE = 64 << 10 };
static const uint64_t UNREAD_MOST = 1ull << 30; /* F5 */

struct events {
    struct loop *loop;
    struct board *board;
    uint64_t (*stamp)(void *ctx);
    void *stamp_ctx;
    char *dir, *role;
    unsigned index;
    uint64_t number; /* N of the file that is open, or of the last one */
    int fd;          /* -1: none */
    uint64_t size;   /* octets written to fd */
    uint64_t retry_ms, look_ms;
    bool crowded; /* too much is unread: connection events are dropped */
    uint64_t dropped;
    uint64_t last_stamp;
    struct block_writer w;
    bool droppable[EVENT_TYPE_COUNT];
    bool kept; /* trace, tests: nothing is written */
    struct buf text;
};

/* --- files -------------------------------------------------------------------------------------------------------- */

/* Highest N of this process's files, and octets of all event files there. */
static uint64_t look_around(struct events *ev, uint64_t *bytes_out)
{
    DIR *dir = opendir(ev->dir);
    char prefix[64];
    size_t n = (size_t)snprintf(prefix, sizeof prefix, "%s.%u.", ev->role, ev->index);
    uint64_t last = 0, bytes = 0;
    struct dirent *entry;
    struct stat st;

    while (dir && (entry = readdir(dir))) {
        struct str name = str_c(entry->d_name);
        uint64_t number;

        if (!str_ends(name, str_lit(".ev")))
            continue;
        if (fstatat(dirfd(dir), entry->d_name, &st, 0) == 0)
            bytes += (uint64_t)st.st_size;
        if (str_starts(name, str_of(prefix, n)) && str_u64(str_of(name.p + n, name.n - n - 3), &number) && number > last)
            last = number;
    }
    if (dir)
        closedir(dir);
    *bytes_out = bytes;
    return last;
}

static enum rc file_open(struct events *ev, struct err *e)
{
    char path[512];
    struct buf head = BUF(FILE_HEADER);
    uint64_t bytes, last = look_around(ev, &bytes);
    enum rc rc;

    ev->crowded = bytes > UNREAD_MOST;
    ev->number = (last > ev->number ? last : ev->number) + 1;
    snprintf(path, sizeof path, "%s/%s.%u.%llu.ev", ev->dir, ev->role, ev->index, (unsigned long long)ev->number);
    ev->fd = open(path, O_WRONLY | O_CREAT | O_EXCL | O_APPEND | O_CLOEXEC, 0640);
    if (ev->fd < 0)
        return err_errno(e, errno, "event file %s", path);
    event_file_header_put(&head, &(struct event_file_header){random_u64(), event_boot(), clock_wall_ms()});
    rc = io_write("event.open", ev->fd, buf_str(&head), e);
    buf_done(&head);
    ev->size = FILE_HEADER;
    return rc;
}

static void file_close(struct events *ev)
{
    if (ev->fd >= 0)
        close(ev->fd);
    ev->fd = -1;
}

/* After a failed write: whole blocks that reached the file are not written a second time. */
static void forget_written(struct events *ev)
{
    struct stat st;
    struct block b;
    size_t done = 0, reached;

    if (fstat(ev->fd, &st) != 0 || (uint64_t)st.st_size <= ev->size)
        return;
    reached = (size_t)((uint64_t)st.st_size - ev->size);
    while (done < ev->w.out.n && block_open(str_from(buf_str(&ev->w.out), done), &b) == BLOCK_GOOD &&
           done + b.size <= reached)
        done += b.size;
    buf_drop(&ev->w.out, done);
}

static void write_failed(struct events *ev)
{
    if (ev->fd >= 0)
        forget_written(ev);
    file_close(ev);
    ev->retry_ms = clock_mono_ms() + RETRY_MS;
}

static void report_dropped(struct events *ev)
{
    uint64_t n = ev->dropped;

    ev->dropped = 0;
    event(ev, events_not_recorded, .role = str_c(ev->role), .count = n);
}

/* While crowded: looks once a second whether record has caught up. */
static void look_again(struct events *ev)
{
    uint64_t now_ms = clock_mono_ms(), bytes;

    if (now_ms < ev->look_ms)
        return;
    ev->look_ms = now_ms + RETRY_MS;
    look_around(ev, &bytes);
    ev->crowded = bytes > UNREAD_MOST;
}

void events_flush(struct events *ev)
{
    struct block_writer *w = &ev->w;
    size_t n;

    if (ev->crowded)
        look_again(ev);
    if (ev->kept || (!w->out.n && !ev->dropped))
        return;
    if (ev->fd < 0 && ev->retry_ms && clock_mono_ms() < ev->retry_ms)
        return;
    if (ev->dropped && !ev->crowded)
        report_dropped(ev);
    block_close(w);
    n = w->out.n;
    if ((ev->fd < 0 && file_open(ev, NULL) != RC_OK) || io_write("event.write", ev->fd, buf_str(&w->out), NULL) != RC_OK) {
        write_failed(ev);
        return;
    }
    ev->retry_ms = 0;
    ev->size += n;
    buf_clear(&w->out);
    buf_shrink(&w->out, KEEP_IDLE);
    if (ev->board)
        board_store(&ev->board->events_dirty, 1);
    if (ev->size >= FILE_FULL)
        file_close(ev);
}

static void at_end_of_turn(void *ctx)
{
    events_flush(ctx);
}

/* --- life --------------------------------------------------------------------------------------------------------- */

static struct events *events_make(void)
{
    struct events *ev = calloc(1, sizeof *ev);

    must(ev);
    ev->fd = -1;
    ev->w.out = BUF(KEEP_MESSAGE);
    ev->text = BUF(KEEP_MESSAGE);
    for (unsigned type = EVENT_NONE + 1; type < EVENT_TYPE_COUNT; type++) {
        const struct event_info *row = event_info(type);

        ev->droppable[type] = row->level >= LEVEL_INFO;
        for (const struct field *f = row->fields; f->type != FIELD_END; f++)
            if (str_eq(str_c(f->name), str_lit("mid")))
                ev->droppable[type] = false;
    }
    return ev;
}

struct events *events_new(struct loop *loop, const char *dir, const char *role, unsigned index, struct board *board,
                          uint64_t (*stamp)(void *ctx), void *stamp_ctx, struct err *e)
{
    struct events *ev = events_make();

    ev->loop = loop;
    ev->board = board;
    ev->stamp = stamp;
    ev->stamp_ctx = stamp_ctx;
    ev->index = index;
    must((ev->dir = strdup(dir)) && (ev->role = strdup(role)));
    mkdir(dir, 0750);
    if (access(dir, W_OK) != 0) {
        err_errno(e, errno, "event directory %s", dir);
        events_free(ev);
        return NULL;
    }
    if (file_open(ev, NULL) != RC_OK)
        write_failed(ev); /* a full disk: tried again once a second */
    if (loop)
        loop_at_end(loop, PHASE_EVENT, at_end_of_turn, ev);
    return ev;
}

struct events *events_kept_new(void)
{
    struct events *ev = events_make();

    ev->kept = true;
    return ev;
}

void events_free(struct events *ev)
{
    if (!ev)
        return;
    events_flush(ev);
    file_close(ev);
    buf_done(&ev->w.out);
    buf_done(&ev->text);
    free(ev->dir);
    free(ev->role);
    free(ev);
}

bool events_full(const struct events *ev)
{
    return ev && (ev->crowded || ev->w.out.n > KEEP_CONNECTION);
}

/* --- emitting ------------------------------------------------------------------------------------------------------ */

void event_emit(struct events *ev, enum event_type type, const void *fields)
{
    const struct event_info *row = event_info(type);
    uint64_t stamp;

    if (!ev)
        return;
    must(row);
    if (ev->droppable[type] && (ev->crowded || ev->w.out.n > KEEP_CONNECTION)) {
        ev->dropped++;
        return;
    }
    stamp = ev->stamp ? ev->stamp(ev->stamp_ctx) : clock_mono_ns();
    if (stamp <= ev->last_stamp)
        stamp = ev->last_stamp + 1;
    ev->last_stamp = stamp;
    if (!ev->w.out.n && ev->loop)
        loop_again(ev->loop); /* emitted in a later phase than PHASE_EVENT: written before the loop blocks all the same */
    if (!block_add(&ev->w, row, type, clock_wall_ms(), stamp, fields))
        ev->dropped++;
}

struct str events_kept_text(struct events *ev)
{
    struct renderer *r = renderer_new(DIALECT_MODERN, IF_SUBJECT | IF_MESSAGE_ID | IF_RESPONSE);
    struct event_record rec;
    struct block_event coded;
    struct block b;
    struct str rest;

    block_close(&ev->w);
    rest = buf_str(&ev->w.out);
    buf_clear(&ev->text);
    while (rest.n && block_open(rest, &b) == BLOCK_GOOD) {
        rest = str_from(rest, b.size);
        while (block_next(&b, &coded) && block_event_decode(&coded, &rec)) {
            uint64_t logs = renderer_logs(r, rec.type);

            for (unsigned log = 0; logs && log < LOG_TYPE_COUNT; log++)
                if (logs & 1ull << log && render_text(r, (enum log_type)log, &rec, &ev->text)) {
                    buf_addc(&ev->text, '\n');
                    break;
                }
        }
    }
    renderer_free(r);
    buf_addc(&ev->text, '\0');
    ev->text.n--;
    return buf_str(&ev->text);
}
