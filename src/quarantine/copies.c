/*
 * The files of outbreak copies and the table of them. See copies.h.
 *
 * Called by the bus (a new copy from deliver, DROP from receive), by rescan.c and by a timer. Owns the table (40 octets a
 * copy) and copies that are being written, in the pool. A file that does not fit its sums is removed.
 */
#include "quarantine/copies.h"

#include "base/clock.h"
#include "base/crc32c.h"
#include "base/io.h"
#include "base/must.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

enum { HEAD = 88, SUMMED = 84, CHUNK = 64 << 10, TEXTS_MAX = 64 << 10 };

static const uint64_t MAGIC = 0x3159504f434f5350; /* "PSOCOPY1" */

struct head {
    uint64_t magic;
    struct copy copy;
    uint64_t texts_bytes, outgoing;
    uint32_t texts_crc, body_crc, reserved, crc;
};
_Static_assert(sizeof(struct head) == HEAD, "the head of a copy is written as it lies");

struct copies {
    struct copy *items;
    size_t n, room;
    uint64_t bytes;
};

/* One on its way to disk. */
struct copy_new {
    struct quarantine *q;
    struct copy_new *next;
    struct bus_peer *from;
    uint64_t call;
    struct head head;
    struct buf texts;
    int fd;
    enum rc rc;
    struct err err;
};

uint64_t copy_rule(struct str rule)
{
    return str_hash(rule) | 1;
}

static void path_of(const struct quarantine *q, uint64_t mid, const char *more, char out[SEGMENT_PATH])
{
    snprintf(out, SEGMENT_PATH, "%s/copies/%llu%s", q->o.dir, (unsigned long long)mid, more);
}

/* ---- the table -------------------------------------------------------------------------------------------------------- */

/* Index of the first with that number or a larger one. */
static size_t place_of(const struct copies *c, uint64_t mid)
{
    size_t low = 0, high = c->n;

    while (low < high) {
        size_t middle = (low + high) / 2;

        if (c->items[middle].mid < mid)
            low = middle + 1;
        else
            high = middle;
    }
    return low;
}

struct copy *copy_find(struct quarantine *q, uint64_t mid)
{
    size_t at = place_of(q->copies, mid);

    return at < q->copies->n && q->copies->items[at].mid == mid ? &q->copies->items[at] : NULL;
}

const struct copy *copy_after(const struct quarantine *q, uint64_t mid)
{
    size_t at = place_of(q->copies, mid + 1);

    return at < q->copies->n ? &q->copies->items[at] : NULL;
}

const struct copy *copies_all(const struct quarantine *q, size_t *n_out)
{
    *n_out = q->copies->n;
    return q->copies->items;
}

uint64_t copies_bytes(const struct quarantine *q)
{
    return q->copies->bytes;
}

static int by_mid(const void *a, const void *b)
{
    const struct copy *x = a, *y = b;

    return x->mid < y->mid ? -1 : x->mid > y->mid;
}

static void table_append(struct copies *c, const struct copy *one)
{
    if (c->n == c->room) {
        c->room = c->room ? 2 * c->room : 64;
        c->items = realloc(c->items, c->room * sizeof *c->items);
        must(c->items);
    }
    c->items[c->n++] = *one;
    c->bytes += one->bytes;
}

static void table_put(struct copies *c, const struct copy *one)
{
    size_t at = place_of(c, one->mid);

    if (at < c->n && c->items[at].mid == one->mid) {
        c->bytes += one->bytes - c->items[at].bytes;
        c->items[at] = *one;
        return;
    }
    table_append(c, one);
    memmove(&c->items[at + 1], &c->items[at], (c->n - 1 - at) * sizeof *c->items);
    c->items[at] = *one;
}

void copy_remove(struct quarantine *q, uint64_t mid, enum copy_gone how)
{
    struct copies *c = q->copies;
    size_t at = place_of(c, mid);
    char path[SEGMENT_PATH];

    if (at == c->n || c->items[at].mid != mid)
        return;
    c->bytes -= c->items[at].bytes;
    memmove(&c->items[at], &c->items[at + 1], (c->n - at - 1) * sizeof *c->items);
    c->n--;
    path_of(q, mid, "", path);
    io_unlink("quarantine.copy", path, NULL);
    event(q->o.events, outbreak_copy_gone, .mid = mid, .how = how);
}

void copies_expire(struct quarantine *q, uint64_t now_ms)
{
    const struct conf_outbreak *o = &quarantine_conf(q)->outbreak;
    struct copies *c = q->copies;

    for (size_t i = c->n; i--;)
        if (c->items[i].exit_ms + o->copies_margin_ms < now_ms)
            copy_remove(q, c->items[i].mid, COPY_OLD);
    while (c->n && c->bytes > o->copies_max_bytes)
        copy_remove(q, c->items[0].mid, COPY_NO_SPACE);
}

/* ---- files ------------------------------------------------------------------------------------------------------------ */

static uint32_t sum_of(const struct head *h)
{
    return crc32c(0, str_of((const char *)h, SUMMED));
}

static enum rc read_head(int fd, struct head *h, struct err *e)
{
    struct stat st;

    TRY(io_pread(fd, h, sizeof *h, 0, e));
    if (h->magic != MAGIC || h->crc != sum_of(h) || h->texts_bytes > TEXTS_MAX || fstat(fd, &st) != 0 ||
        (uint64_t)st.st_size != HEAD + h->texts_bytes + h->copy.bytes)
        return err_set(e, RC_CORRUPT, "this is no copy");
    return RC_OK;
}

void copy_update(struct quarantine *q, const struct copy *c)
{
    char path[SEGMENT_PATH];
    struct iovec iov;
    struct head h;
    int fd;

    path_of(q, c->mid, "", path);
    if (io_create("quarantine.copy", path, O_RDWR, &fd, NULL) != RC_OK)
        return;
    if (read_head(fd, &h, NULL) == RC_OK) {
        h.copy = *c;
        h.crc = sum_of(&h);
        iov = (struct iovec){&h, sizeof h};
        io_pwritev("quarantine.copy", fd, &iov, 1, 0, NULL); /* not synced: what is lost is judged again */
    }
    close(fd);
}

static bool texts_read(struct str octets, struct copy_texts *out)
{
    return get_str(&octets, &out->policy) && get_str(&octets, &out->sender);
}

/* `bytes` octets of `from` to `to`, with their sum. */
static enum rc pour(const char *point, int from, uint64_t at, int to, uint64_t bytes, uint32_t *crc, struct err *e)
{
    struct buf chunk = BUF(CHUNK);
    char *octets = buf_reserve(&chunk, CHUNK);
    enum rc rc = octets ? RC_OK : RC_NO_MEMORY;

    for (uint64_t done = 0; rc == RC_OK && done < bytes;) {
        size_t n = bytes - done < CHUNK ? (size_t)(bytes - done) : CHUNK;

        rc = io_pread(from, octets, n, at + done, e);
        if (rc == RC_OK)
            rc = io_write(point, to, str_of(octets, n), e);
        *crc = crc32c(*crc, str_of(octets, n));
        done += n;
    }
    buf_done(&chunk);
    return rc;
}

enum rc sealed_part(int from, uint64_t at, uint64_t bytes, uint32_t *crc, int *fd_out, struct err *e)
{
    int fd = memfd_create("postern-held", MFD_CLOEXEC | MFD_ALLOW_SEALING);
    enum rc rc = fd < 0 ? err_errno(e, errno, "memory for a message") : pour("quarantine.scan", from, at, fd, bytes, crc, e);

    if (rc == RC_OK && fcntl(fd, F_ADD_SEALS, F_SEAL_SHRINK | F_SEAL_GROW | F_SEAL_WRITE) != 0)
        rc = err_errno(e, errno, "memory for a message");
    if (rc == RC_OK)
        *fd_out = fd;
    else if (fd >= 0)
        close(fd);
    return rc;
}

static enum rc read_parts(int file, struct head *h, struct arena *a, struct copy_texts *out, int *fd_out, struct err *e)
{
    char *texts;
    uint32_t crc = 0;

    TRY(read_head(file, h, e));
    texts = arena_must_alloc(a, h->texts_bytes + 1);
    TRY(io_pread(file, texts, h->texts_bytes, HEAD, e));
    if (crc32c(0, str_of(texts, h->texts_bytes)) != h->texts_crc || !texts_read(str_of(texts, h->texts_bytes), out))
        return err_set(e, RC_CORRUPT, "texts of a copy are damaged");
    out->outgoing = h->outgoing != 0;
    TRY(sealed_part(file, HEAD + h->texts_bytes, h->copy.bytes, &crc, fd_out, e));
    if (crc == h->body_crc)
        return RC_OK;
    close(*fd_out);
    *fd_out = -1;
    return err_set(e, RC_CORRUPT, "a copy is damaged");
}

enum rc copy_read(struct quarantine *q, const struct copy *c, struct arena *a, struct copy_texts *out, int *fd_out,
                  struct err *e)
{
    char path[SEGMENT_PATH];
    struct head h;
    enum rc rc;
    int file;

    path_of(q, c->mid, "", path);
    file = open(path, O_RDONLY | O_CLOEXEC);
    if (file < 0)
        return err_errno(e, errno, "%s", path);
    rc = read_parts(file, &h, a, out, fd_out, e);
    close(file);
    return rc;
}

/* ---- a new one -------------------------------------------------------------------------------------------------------- */

static enum rc write_file(struct copy_new *n, const char *path, struct err *e)
{
    struct iovec iov = {&n->head, sizeof n->head};
    uint32_t crc = 0;
    enum rc rc;
    int fd;

    TRY(io_create("quarantine.copy", path, O_RDWR | O_CREAT | O_TRUNC, &fd, e));
    rc = io_write("quarantine.copy", fd, str_of((const char *)&n->head, sizeof n->head), e);
    if (rc == RC_OK)
        rc = io_write("quarantine.copy", fd, buf_str(&n->texts), e);
    if (rc == RC_OK)
        rc = pour("quarantine.copy", n->fd, 0, fd, n->head.copy.bytes, &crc, e);
    n->head.body_crc = crc;
    n->head.crc = sum_of(&n->head);
    if (rc == RC_OK)
        rc = io_pwritev("quarantine.copy", fd, &iov, 1, 0, e);
    if (rc == RC_OK)
        rc = io_sync("quarantine.copy", fd, e);
    close(fd);
    return rc;
}

/* In the pool. */
static void new_write(void *ctx)
{
    struct copy_new *n = ctx;
    char path[SEGMENT_PATH], whole[SEGMENT_PATH], dir[SEGMENT_PATH];

    path_of(n->q, n->head.copy.mid, ".new", path);
    path_of(n->q, n->head.copy.mid, "", whole);
    snprintf(dir, sizeof dir, "%s/copies", n->q->o.dir);
    n->rc = write_file(n, path, &n->err);
    if (n->rc == RC_OK)
        n->rc = io_rename("quarantine.copy", path, whole, &n->err);
    if (n->rc == RC_OK)
        n->rc = io_sync_dir("quarantine.copy", dir, &n->err);
    if (n->rc != RC_OK)
        io_unlink("quarantine.copy", path, NULL);
}

static void new_free(struct copy_new *n)
{
    for (struct copy_new **at = &n->q->copies_new; *at; at = &(*at)->next)
        if (*at == n) {
            *at = n->next;
            break;
        }
    if (n->fd >= 0)
        close(n->fd);
    buf_done(&n->texts);
    free(n);
}

static void answer(struct copy_new *n)
{
    bus_reply(n->q->o.bus, n->from, n->call, BUS_copy_kept, &(struct bus_copy_kept){.rc = n->rc});
}

static void new_done(void *ctx)
{
    struct copy_new *n = ctx;
    struct quarantine *q = n->q;
    const struct copy *c = &n->head.copy;

    if (n->rc == RC_OK) {
        table_put(q->copies, c);
        event(q->o.events, outbreak_copy_kept, .mid = c->mid,
              .until_ms = c->exit_ms + quarantine_conf(q)->outbreak.copies_margin_ms);
        copies_expire(q, clock_wall_ms());
        rescan_copied(q, c);
    }
    answer(n);
    new_free(n);
}

/* What its metadata says. RC_NOT_FOUND: outbreak filters do not hold it. */
static enum rc describe(struct copy_new *n, struct str meta, struct err *e)
{
    const struct cpq_hold *h = NULL;
    struct cpq_meta m;
    struct arena a;
    enum rc rc;

    arena_init(&a, 4096, 64 << 20);
    rc = cpq_meta_read(&a, meta, &m, e);
    for (size_t i = 0; rc == RC_OK && i < m.n_holds && !h; i++)
        h = m.holds[i].kind == CPQ_OUTBREAK ? &m.holds[i] : NULL;
    if (rc == RC_OK && !h)
        rc = err_set(e, RC_NOT_FOUND, "outbreak filters do not hold it");
    if (rc == RC_OK) {
        n->head.copy = (struct copy){.mid = m.mid,
                                     .received_ms = m.received,
                                     .exit_ms = enter_hold_exit(quarantine_conf(n->q), h, clock_wall_ms()),
                                     .rule = copy_rule(h->rule),
                                     .bytes = m.size};
        n->head.outgoing = str_eq(m.direction, str_lit("out"));
        buf_put_str(&n->texts, m.mail_policy);
        buf_put_str(&n->texts, m.envelope.sender);
        n->head.magic = MAGIC;
        n->head.texts_bytes = n->texts.n;
        n->head.texts_crc = crc32c(0, buf_str(&n->texts));
    }
    arena_done(&a);
    return n->texts.failed ? RC_NO_MEMORY : rc;
}

static bool writing(const struct quarantine *q, uint64_t mid)
{
    for (const struct copy_new *n = q->copies_new; n; n = n->next)
        if (n->head.copy.mid == mid)
            return true;
    return false;
}

static void on_new(void *ctx, const struct bus_in *in)
{
    const struct bus_copy_new *m = in->msg;
    struct quarantine *q = ctx;
    struct copy_new *n = calloc(1, sizeof *n);
    const struct copy *there;
    struct stat st;

    must(n);
    *n = (struct copy_new){.q = q, .from = in->from, .call = in->call, .fd = in->fd, .texts = BUF(TEXTS_MAX)};
    n->rc = describe(n, m->meta, &n->err);
    if (n->rc == RC_OK &&
        (in->fd < 0 || n->head.copy.bytes != m->bytes || fstat(in->fd, &st) != 0 || (uint64_t)st.st_size < m->bytes))
        n->rc = RC_INVALID;
    if (n->rc == RC_OK && writing(q, n->head.copy.mid))
        n->rc = RC_UNAVAILABLE;
    there = n->rc == RC_OK ? copy_find(q, n->head.copy.mid) : NULL;
    if (n->rc != RC_OK || (there && there->bytes == m->bytes)) { /* other recipients of the same message */
        answer(n);
        new_free(n);
        return;
    }
    n->next = q->copies_new;
    q->copies_new = n;
    loop_work(q->o.loop, new_write, new_done, n);
}

static void on_drop(void *ctx, const struct bus_in *in)
{
    copy_remove(ctx, ((const struct bus_copy_drop *)in->msg)->mid, COPY_LEFT);
}

/* ---- beginning and end ------------------------------------------------------------------------------------------------ */

static void load_one(struct quarantine *q, const char *name)
{
    char path[SEGMENT_PATH];
    struct head h;
    uint64_t mid = 0;
    bool good = false;
    int fd;

    snprintf(path, sizeof path, "%s/copies/%s", q->o.dir, name);
    fd = str_u64(str_c(name), &mid) ? open(path, O_RDONLY | O_CLOEXEC) : -1;
    if (fd >= 0) {
        good = read_head(fd, &h, NULL) == RC_OK && h.copy.mid == mid;
        close(fd);
    }
    if (good)
        table_append(q->copies, &h.copy); /* in no order yet */
    else
        io_unlink("quarantine.copy", path, NULL);
}

enum rc copies_open(struct quarantine *q, struct err *e)
{
    char path[SEGMENT_PATH];
    DIR *d;

    q->copies = calloc(1, sizeof *q->copies);
    must(q->copies);
    snprintf(path, sizeof path, "%s/copies", q->o.dir);
    d = opendir(path);
    if (!d)
        return err_errno(e, errno, "%s", path);
    for (struct dirent *entry; (entry = readdir(d));)
        if (entry->d_name[0] != '.')
            load_one(q, entry->d_name);
    closedir(d);
    if (q->copies->n)
        qsort(q->copies->items, q->copies->n, sizeof *q->copies->items, by_mid);
    if (q->o.bus) {
        bus_on(q->o.bus, BUS_copy_new, on_new, q);
        bus_on(q->o.bus, BUS_copy_drop, on_drop, q);
    }
    return RC_OK;
}

void copies_close(struct quarantine *q)
{
    while (q->copies_new)
        loop_turn(q->o.loop, true);
    if (q->copies)
        free(q->copies->items);
    free(q->copies);
    q->copies = NULL;
}
