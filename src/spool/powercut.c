/*
 * Power cut images from a recorded trace. See powercut_testing.h.
 *
 * Called by powercut_test.c only (no role links it in: nothing refers to it). Owns the trace. Steps come from the loop and
 * from the pool, so they are taken under a lock. Ends the process when it cannot do its work: it is a test.
 */
#include "spool/powercut_testing.h"

#include "base/io.h"
#include "base/must.h"

#include <fcntl.h>
#include <limits.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

enum { SECTOR = 512, FILES = 512 };
enum kind { STEP_CREATE, STEP_WRITE, STEP_SYNC, STEP_RENAME, STEP_UNLINK, STEP_SYNC_DIR, STEP_MARK };

struct step {
    enum kind kind;
    uint64_t file;   /* inode, or what of a mark */
    uint64_t offset; /* or id of a mark */
    char *name, *to; /* below the directory; SYNC_DIR: the directory */
    char *data;
    size_t n;
};

struct trace {
    pthread_mutex_t lock;
    char dir[PATH_MAX];
    struct step *steps;
    size_t n, max;
    uint64_t segment_bytes;
};

struct name {
    char *path;
    uint64_t file;
};

static char *copy_of(const char *s)
{
    char *p = strdup(s);

    must(p);
    return p;
}

static char *below(const struct trace *t, const char *path)
{
    size_t n = strlen(t->dir);

    if (!path || strncmp(path, t->dir, n) != 0)
        return NULL;
    return copy_of(path[n] == '/' ? path + n + 1 : "");
}

static void add(struct trace *t, struct step s)
{
    if (t->n == t->max) {
        t->max = t->max ? t->max * 2 : 256;
        t->steps = realloc(t->steps, t->max * sizeof *t->steps);
        must(t->steps);
    }
    t->steps[t->n++] = s;
}

static void observe(void *ctx, const struct io_op *op)
{
    static const enum kind kinds[] = {STEP_CREATE, STEP_WRITE, STEP_SYNC, STEP_RENAME, STEP_UNLINK, STEP_SYNC_DIR};
    struct trace *t = ctx;
    struct step s = {.kind = kinds[op->kind], .offset = op->offset, .name = below(t, op->path), .to = below(t, op->to)};
    struct stat st = {0};

    if (op->path && !s.name)
        return;
    if (op->fd >= 0)
        must(fstat(op->fd, &st) == 0);
    s.file = st.st_ino;
    if (op->kind == IO_WRITE) {
        must(op->offset != UINT64_MAX);
        s.n = op->data.n;
        s.data = malloc(s.n + 1);
        must(s.data);
        memcpy(s.data, op->data.p, s.n);
    }
    pthread_mutex_lock(&t->lock);
    add(t, s);
    pthread_mutex_unlock(&t->lock);
}

struct trace *trace_begin(const char *dir)
{
    struct trace *t = calloc(1, sizeof *t);

    must(t);
    pthread_mutex_init(&t->lock, NULL);
    snprintf(t->dir, sizeof t->dir, "%s", dir);
    io_observe(observe, t);
    return t;
}

void trace_end(struct trace *t)
{
    (void)t;
    io_observe(NULL, NULL);
}

void trace_free(struct trace *t)
{
    for (size_t i = 0; i < t->n; i++) {
        free(t->steps[i].name);
        free(t->steps[i].to);
        free(t->steps[i].data);
    }
    free(t->steps);
    free(t);
}

void trace_mark(struct trace *t, uint64_t what, uint64_t id)
{
    pthread_mutex_lock(&t->lock);
    add(t, (struct step){.kind = STEP_MARK, .file = what, .offset = id});
    pthread_mutex_unlock(&t->lock);
}

size_t trace_length(const struct trace *t)
{
    return t->n;
}

bool trace_is_mark(const struct trace *t, size_t i, uint64_t *what_out, uint64_t *id_out)
{
    *what_out = t->steps[i].file;
    *id_out = t->steps[i].offset;
    return t->steps[i].kind == STEP_MARK;
}

void trace_segment_bytes(struct trace *t, uint64_t bytes)
{
    t->segment_bytes = bytes;
}

/* --- images ---------------------------------------------------------------------------------------------------------- */

/* xorshift; the seed makes an image repeatable. */
static uint64_t draw(uint64_t *seed)
{
    *seed ^= *seed << 13;
    *seed ^= *seed >> 7;
    *seed ^= *seed << 17;
    return *seed;
}

static bool in_dir(const char *path, const char *dir)
{
    size_t n = strlen(dir);

    if (n == 0)
        return !strchr(path, '/');
    return strncmp(path, dir, n) == 0 && path[n] == '/' && !strchr(path + n + 1, '/');
}

static bool changes_names(const struct step *s)
{
    return s->kind == STEP_CREATE || s->kind == STEP_RENAME || s->kind == STEP_UNLINK;
}

/* First change of a name that is not certain after `steps` steps, per directory of that change. */
static bool name_is_certain(const struct trace *t, size_t i, size_t steps)
{
    const char *path = t->steps[i].to ? t->steps[i].to : t->steps[i].name;

    for (size_t k = i + 1; k < steps; k++)
        if (t->steps[k].kind == STEP_SYNC_DIR && in_dir(path, t->steps[k].name))
            return true;
    return false;
}

static void set_name(struct name *names, size_t *n, const char *path, uint64_t file)
{
    for (size_t i = 0; i < *n; i++)
        if (strcmp(names[i].path, path) == 0) {
            names[i].file = file;
            return;
        }
    must(*n < FILES);
    names[(*n)++] = (struct name){(char *)path, file};
}

static uint64_t file_named(const struct name *names, size_t n, const char *path)
{
    for (size_t i = 0; i < n; i++)
        if (strcmp(names[i].path, path) == 0)
            return names[i].file;
    return 0;
}

static size_t name_files(const struct trace *t, size_t steps, unsigned mode, uint64_t *seed, struct name *names)
{
    size_t n = 0, uncertain = 0, keep;

    for (size_t i = 0; i < steps; i++)
        uncertain += changes_names(&t->steps[i]) && !name_is_certain(t, i, steps);
    keep = mode == CUT_ALL ? uncertain : mode == CUT_NONE ? 0 : draw(seed) % (uncertain + 1);
    for (size_t i = 0; i < steps; i++) {
        const struct step *s = &t->steps[i];

        if (!changes_names(s) || (!name_is_certain(t, i, steps) && !(keep && keep--)))
            continue;
        if (s->kind == STEP_RENAME)
            set_name(names, &n, s->to, file_named(names, n, s->name));
        set_name(names, &n, s->name, s->kind == STEP_CREATE ? s->file : 0);
    }
    return n;
}

static void put(int fd, const struct step *s, size_t from, size_t n)
{
    must(pwrite(fd, s->data + from, n, (off_t)(s->offset + from)) == (ssize_t)n);
}

static void put_some(int fd, const struct step *s, unsigned mode, uint64_t *seed)
{
    if (mode == CUT_NONE)
        return;
    for (size_t from = 0; from < s->n;) {
        size_t n = SECTOR - (s->offset + from) % SECTOR;

        if (n > s->n - from)
            n = s->n - from;
        if (mode == CUT_ALL || draw(seed) & 1)
            put(fd, s, from, n);
        from += n;
    }
}

static void write_file(const struct trace *t, const struct name *name, size_t steps, unsigned mode, uint64_t *seed, int fd)
{
    size_t certain = 0;

    for (size_t i = 0; i < steps; i++)
        if (t->steps[i].kind == STEP_SYNC && t->steps[i].file == name->file)
            certain = i;
    if (strncmp(name->path, "seg/", 4) == 0)
        must(ftruncate(fd, (off_t)t->segment_bytes) == 0);
    for (size_t i = 0; i < steps; i++) {
        const struct step *s = &t->steps[i];

        if (s->kind != STEP_WRITE || s->file != name->file)
            continue;
        if (i < certain)
            put(fd, s, 0, s->n);
        else
            put_some(fd, s, mode, seed);
    }
}

void trace_image(const struct trace *t, size_t steps, unsigned mode, const char *out)
{
    static const char *const dirs[] = {"", "/seg", "/big", "/journal"};
    struct name names[FILES];
    uint64_t seed = (uint64_t)mode * 0x9e3779b97f4a7c15u + steps + 1;
    size_t n = name_files(t, steps, mode, &seed, names);
    char path[PATH_MAX + 512];

    for (size_t i = 0; i < 4; i++) {
        snprintf(path, sizeof path, "%s%s", out, dirs[i]);
        mkdir(path, 0700);
    }
    for (size_t i = 0; i < n; i++) {
        int fd;

        if (!names[i].file)
            continue;
        snprintf(path, sizeof path, "%s/%s", out, names[i].path);
        fd = open(path, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);
        must(fd >= 0);
        write_file(t, &names[i], steps, mode, &seed, fd);
        close(fd);
    }
}
