/*
 * Reads the event files of one process. See source.h.
 *
 * Called by merge.c in record. Owns the descriptor and the buffer of the file that is being read. Blocks that are not whole
 * yet wait; in a file that has a successor they are torn, counted as damage and skipped, as are blocks with a wrong sum.
 */
#include "event/source.h"

#include "base/io.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <sys/stat.h>
#include <unistd.h>

void source_init(struct event_source *s, struct str name)
{
    *s = (struct event_source){.fd = -1, .buf = BUF(3 * (size_t)BLOCK_MAX)};
    memcpy(s->name, name.p, name.n < SOURCE_NAME ? name.n : SOURCE_NAME - 1);
}

void source_done(struct event_source *s)
{
    if (s->fd >= 0)
        close(s->fd);
    s->fd = -1;
    buf_done(&s->buf);
}

static bool file_open(struct event_source *s, const char *dir, uint64_t boot)
{
    char path[512], head[FILE_HEADER];

    snprintf(path, sizeof path, "%s/%s.%llu.ev", dir, s->name, (unsigned long long)s->number);
    s->fd = open(path, O_RDONLY | O_CLOEXEC);
    if (s->fd < 0)
        return false;
    if (io_pread(s->fd, head, sizeof head, 0, NULL) != RC_OK ||
        !event_file_header_get(str_of(head, sizeof head), &s->file)) {
        close(s->fd);
        s->fd = -1;
        return false;
    }
    s->offset = FILE_HEADER;
    s->given = 0;
    if (s->wanted_id == s->file.id && s->wanted_offset >= FILE_HEADER) {
        s->offset = s->wanted_offset;
        s->given = s->wanted_given;
    }
    s->wanted_id = s->wanted_offset = s->wanted_given = 0;
    s->foreign = s->file.boot != boot;
    s->size = s->synced = 0;
    return true;
}

void source_refresh(struct event_source *s, const char *dir, uint64_t boot)
{
    struct stat st;

    s->in_block = s->has_head = false;
    buf_drop(&s->buf, s->at);
    buf_shrink(&s->buf, 0);
    s->offset += s->at;
    s->at = 0;
    if (s->fd < 0 && (!s->number || !file_open(s, dir, boot)))
        return;
    if (fstat(s->fd, &st) == 0)
        s->size = (uint64_t)st.st_size;
}

/* Octets of the file that are not in buf. */
static uint64_t beyond(const struct event_source *s)
{
    uint64_t loaded = s->offset + s->buf.n;

    return s->fd >= 0 && s->size > loaded ? s->size - loaded : 0;
}

static bool load(struct event_source *s)
{
    uint64_t n = beyond(s);
    char *to;

    if (!n)
        return false;
    buf_drop(&s->buf, s->at); /* no block is open here, so nothing points into buf */
    s->offset += s->at;
    s->at = 0;
    n = n < SOURCE_CHUNK ? n : SOURCE_CHUNK;
    to = buf_reserve(&s->buf, (size_t)n);
    if (!to || io_pread(s->fd, to, (size_t)n, s->offset + s->buf.n, NULL) != RC_OK) {
        s->buf.failed = false;
        return false;
    }
    s->buf.n += (size_t)n;
    return true;
}

/* The next event of the open block; closes it at its end. */
static bool in_block(struct event_source *s, uint64_t *skip)
{
    while (block_next(&s->block, &s->head)) {
        if (*skip) {
            (*skip)--;
            continue;
        }
        s->has_head = true;
        return true;
    }
    s->damaged += s->block.count ? s->block.events.n : 0;
    s->in_block = false;
    s->at += s->block.size;
    s->given = 0;
    return false;
}

bool source_head(struct event_source *s, bool *finished_out)
{
    uint64_t skip = 0;

    *finished_out = false;
    for (;;) {
        struct str rest = str_from(buf_str(&s->buf), s->at);
        enum block_state state;

        if (s->has_head || (s->in_block && in_block(s, &skip)))
            return true;
        rest = str_from(buf_str(&s->buf), s->at);
        state = block_open(rest, &s->block);
        if (state == BLOCK_GOOD) {
            s->in_block = true;
            skip = s->given;
            continue;
        }
        if (state == BLOCK_SHORT && load(s))
            continue;
        *finished_out = s->next != 0 && !rest.n && !beyond(s);
        if (!rest.n || (state == BLOCK_SHORT && !s->next))
            return false;
        s->at += block_resync(rest);
        s->given = 0;
        s->damaged += block_resync(rest);
    }
}

void source_give(struct event_source *s)
{
    s->given++;
    s->has_head = false;
}

int source_advance(struct event_source *s, uint64_t number)
{
    int old = s->fd;

    if (old >= 0 && s->synced >= s->size) {
        close(old);
        old = -1;
    }
    s->fd = -1;
    s->number = number;
    s->next = 0;
    s->offset = s->at = 0;
    s->given = 0;
    s->in_block = s->has_head = false;
    buf_clear(&s->buf);
    return old;
}
