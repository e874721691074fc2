/*
 * One stream from the event files of all processes. See merge.h.
 *
 * Called by record. Owns a source per process and the list of files that still need a sync. Files are found by reading the
 * directory at each round; they are deleted once a state that lies behind them is on stable storage. Nothing here fails:
 * what cannot be read is reported as damage and skipped.
 */
#include "event/merge.h"
#include "event/source.h"

#include "base/clock.h"
#include "base/io.h"
#include "base/must.h"

#include <dirent.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

enum { UNSYNCED_MOST = 64, STATE_VERSION = 1 };

struct event_merge {
    char *dir;
    uint64_t boot;
    struct event_source **sources;
    size_t n;
    uint64_t round_ns, release_ns; /* begin of this round and of the one before: only what is older is given */
    bool release_all;
    bool holds;
    uint64_t last_stamp, late;
    int unsynced[UNSYNCED_MOST];
    size_t n_unsynced;
    void (*damage)(void *ctx, const char *file, uint64_t bytes);
    void *damage_ctx;
};

struct event_merge *event_merge_new(const char *dir)
{
    struct event_merge *m = calloc(1, sizeof *m);

    must(m && (m->dir = strdup(dir)));
    m->boot = event_boot();
    return m;
}

void event_merge_free(struct event_merge *m)
{
    if (!m)
        return;
    for (size_t i = 0; i < m->n; i++) {
        source_done(m->sources[i]);
        free(m->sources[i]);
    }
    for (size_t i = 0; i < m->n_unsynced; i++)
        close(m->unsynced[i]);
    free(m->sources);
    free(m->dir);
    free(m);
}

void event_merge_on_damage(struct event_merge *m, void (*fn)(void *ctx, const char *file, uint64_t bytes), void *ctx)
{
    m->damage = fn;
    m->damage_ctx = ctx;
}

/* --- finding files ------------------------------------------------------------------------------------------------ */

static struct event_source *source_named(struct event_merge *m, struct str name)
{
    struct event_source *s;

    for (size_t i = 0; i < m->n; i++)
        if (str_eq(name, str_c(m->sources[i]->name)))
            return m->sources[i];
    must((m->sources = realloc(m->sources, (m->n + 1) * sizeof *m->sources)) && (s = malloc(sizeof *s)));
    source_init(s, name);
    m->sources[m->n++] = s;
    return s;
}

/* "queue.0.17.ev": name "queue.0", number 17. */
static bool parse_name(const char *file, struct str *name_out, uint64_t *number_out)
{
    struct str name = str_c(file);
    size_t dot;

    if (!str_ends(name, str_lit(".ev")))
        return false;
    name.n -= 3;
    dot = str_find_last(name, '.');
    if (dot == name.n || dot == 0 || dot >= SOURCE_NAME || !str_u64(str_from(name, dot + 1), number_out) || !*number_out)
        return false;
    *name_out = str_first(name, dot);
    return true;
}

static void each_file(struct event_merge *m, void (*fn)(struct event_merge *m, struct str name, uint64_t number))
{
    DIR *dir = opendir(m->dir);
    struct dirent *entry;
    struct str name;
    uint64_t number;

    while (dir && (entry = readdir(dir)))
        if (parse_name(entry->d_name, &name, &number))
            fn(m, name, number);
    if (dir)
        closedir(dir);
}

static void found(struct event_merge *m, struct str name, uint64_t number)
{
    struct event_source *s = source_named(m, name);

    if (number > s->number && (!s->next || number < s->next))
        s->next = number;
}

static void advance(struct event_merge *m, struct event_source *s)
{
    int old = source_advance(s, s->next);

    if (old >= 0 && m->n_unsynced < UNSYNCED_MOST)
        m->unsynced[m->n_unsynced++] = old;
    else if (old >= 0)
        close(old);
}

/* A source without a file takes its first one; one whose file is gone (someone deleted it) goes on to the next. */
static void refresh(struct event_merge *m, struct event_source *s)
{
    source_refresh(s, m->dir, m->boot);
    while (s->fd < 0 && s->next) {
        advance(m, s);
        each_file(m, found);
        source_refresh(s, m->dir, m->boot);
    }
}

void event_merge_round(struct event_merge *m, uint64_t now_ns)
{
    m->release_ns = m->round_ns;
    m->round_ns = now_ns;
    m->release_all = m->holds = false;
    for (size_t i = 0; i < m->n; i++)
        m->sources[i]->next = 0;
    each_file(m, found);
    for (size_t i = 0; i < m->n; i++)
        refresh(m, m->sources[i]);
}

void event_merge_release_all(struct event_merge *m)
{
    m->release_all = true;
}

/* --- giving events out -------------------------------------------------------------------------------------------- */

static void report(struct event_merge *m, struct event_source *s)
{
    char file[SOURCE_NAME + 32];
    uint64_t bytes = s->damaged;

    if (!bytes)
        return;
    s->damaged = 0;
    snprintf(file, sizeof file, "%s.%llu.ev", s->name, (unsigned long long)s->number);
    if (m->damage)
        m->damage(m->damage_ctx, file, bytes);
}

/* The source has a next event; goes on to its next file at the end of one. */
static bool ready(struct event_merge *m, struct event_source *s)
{
    bool finished, have;

    while (!(have = source_head(s, &finished)) && finished) {
        report(m, s);
        advance(m, s);
        each_file(m, found);
        refresh(m, s);
    }
    report(m, s);
    return have;
}

static bool before(const struct event_source *a, const struct event_source *b)
{
    if (a->foreign != b->foreign)
        return a->foreign;
    if (a->foreign && a->file.boot != b->file.boot)
        return a->file.made_ms < b->file.made_ms;
    return a->head.stamp < b->head.stamp;
}

static struct event_source *earliest(struct event_merge *m)
{
    struct event_source *first = NULL;

    for (size_t i = 0; i < m->n; i++) {
        struct event_source *s = m->sources[i];

        if ((s->has_head || ready(m, s)) && (!first || before(s, first)))
            first = s;
    }
    return first;
}

bool event_merge_next(struct event_merge *m, struct event_record *out)
{
    for (;;) {
        struct event_source *s = earliest(m);
        bool good;

        if (!s)
            return false;
        if (!s->foreign && !m->release_all && s->head.stamp >= m->release_ns) {
            m->holds = true;
            return false;
        }
        good = block_event_decode(&s->head, out);
        source_give(s);
        if (!good) {
            s->damaged += s->head.fields.n;
            continue;
        }
        if (!s->foreign) {
            m->late += out->stamp < m->last_stamp;
            m->last_stamp = out->stamp > m->last_stamp ? out->stamp : m->last_stamp;
        }
        return true;
    }
}

bool event_merge_holds(const struct event_merge *m)
{
    return m->holds;
}

uint64_t event_merge_unread(const struct event_merge *m)
{
    uint64_t bytes = 0;

    for (size_t i = 0; i < m->n; i++) {
        const struct event_source *s = m->sources[i];

        bytes += s->size > s->offset + s->at ? s->size - s->offset - s->at : 0;
    }
    return bytes;
}

uint64_t event_merge_late(const struct event_merge *m)
{
    return m->late;
}

/* --- position ------------------------------------------------------------------------------------------------------ */

void event_merge_save(struct event_merge *m, struct buf *out)
{
    buf_put_varint(out, STATE_VERSION);
    buf_put_varint(out, m->n);
    for (size_t i = 0; i < m->n; i++) {
        struct event_source *s = m->sources[i];

        buf_put_str(out, str_c(s->name));
        buf_put_varint(out, s->number);
        buf_put_varint(out, s->fd >= 0 ? s->file.id : s->wanted_id);
        buf_put_varint(out, s->fd >= 0 ? s->offset + s->at : s->wanted_offset);
        buf_put_varint(out, s->fd >= 0 ? s->given : s->wanted_given);
        s->saved_number = s->number;
    }
}

enum rc event_merge_restore(struct event_merge *m, struct str state, struct err *e)
{
    uint64_t version, n;

    if (!get_varint(&state, &version) || version != STATE_VERSION || !get_varint(&state, &n))
        return err_set(e, RC_CORRUPT, "position in the event files");
    while (n--) {
        struct str name;
        uint64_t number, id, offset, given;
        struct event_source *s;

        if (!get_str(&state, &name) || !get_varint(&state, &number) || !get_varint(&state, &id) ||
            !get_varint(&state, &offset) || !get_varint(&state, &given) || name.n >= SOURCE_NAME)
            return err_set(e, RC_CORRUPT, "position in the event files");
        s = source_named(m, name);
        s->number = s->saved_number = number;
        s->wanted_id = id;
        s->wanted_offset = offset;
        s->wanted_given = given;
    }
    return RC_OK;
}

static void forget(struct event_merge *m, struct str name, uint64_t number)
{
    char path[512];

    if (number >= source_named(m, name)->saved_number)
        return;
    snprintf(path, sizeof path, "%s/%.*s.%llu.ev", m->dir, STR(name), (unsigned long long)number);
    io_unlink("event.forget", path, NULL);
}

void event_merge_saved(struct event_merge *m)
{
    each_file(m, forget);
}

size_t event_merge_unsynced(struct event_merge *m, int *fds_out, size_t max)
{
    size_t n = 0;

    while (m->n_unsynced && n < max)
        fds_out[n++] = m->unsynced[--m->n_unsynced];
    for (size_t i = 0; i < m->n && n < max; i++) {
        struct event_source *s = m->sources[i];
        int fd = s->fd >= 0 && s->synced < s->size ? fcntl(s->fd, F_DUPFD_CLOEXEC, 0) : -1;

        if (fd < 0)
            continue;
        s->synced = s->size;
        fds_out[n++] = fd;
    }
    return n;
}
