/*
 * Copies of mail that the manager took for its Outbreak quarantine: handed to this machine's role quarantine, which scans
 * them again when rules change (central.md 9, Outbreak copy).
 *
 * Called by holder.c when the manager has taken a message. Owns the pieces that wait for their copy: queue hears that a
 * message is done once its copy is kept, so a process that dies in between sends it again, and the repeat is copied. No copy
 * is worth a message that stays: after KEEP_MS it is done without one, and the log says so.
 */
#include "deliver/inside.h"

#include "base/io.h"
#include "base/must.h"

#include <fcntl.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <unistd.h>

enum { KEEP_MS = 30000, ANSWER_MS = 10000, AGAIN_MS = 1000, CHUNK = 64 << 10 };

struct keeping {
    struct keeping *next;
    struct deliver *d;
    struct piece *piece;
    struct delivery_result same; /* its text lies in the piece's arena */
    struct loop_timer timer;
    uint64_t call, until_ms;
    int fd;
};

/* A cheap look; role quarantine reads it with care. */
static bool is_outbreak(const struct piece *p)
{
    return str_find_str(buf_str(&p->meta), str_lit("\"kind\":\"outbreak\"")) < p->meta.n;
}

static void say_failed(struct deliver *d, const struct piece *p, const char *why)
{
    event(d->o.events, outbreak_copy_failed, .mid = p->mid, .why = str_c(why));
}

static enum rc fill(struct deliver *d, struct piece *p, int fd, struct err *e)
{
    struct buf chunk = BUF(CHUNK);
    enum rc rc = RC_OK;

    for (uint64_t at = 0; rc == RC_OK && at < p->job.body_bytes;) {
        uint64_t left = p->job.body_bytes - at;
        size_t n = left < CHUNK ? (size_t)left : CHUNK;
        char *to = buf_reserve(&chunk, n);

        rc = to ? piece_read(d, p, at, to, n) : RC_NO_MEMORY;
        if (rc == RC_OK)
            rc = io_write("deliver.copy", fd, str_of(to, n), e);
        at += n;
    }
    buf_done(&chunk);
    return rc;
}

/* The octets that the manager got, in memory that nobody can change any more. */
static int octets_of(struct deliver *d, struct piece *p)
{
    int fd = memfd_create("postern-copy", MFD_CLOEXEC | MFD_ALLOW_SEALING);
    struct err e = ERR_NONE;

    if (fd >= 0 && fill(d, p, fd, &e) == RC_OK && fcntl(fd, F_ADD_SEALS, F_SEAL_SHRINK | F_SEAL_GROW | F_SEAL_WRITE) == 0)
        return fd;
    if (fd >= 0)
        close(fd);
    return -1;
}

/* ---- until it is kept --------------------------------------------------------------------------------------------------
 */

static void end(struct keeping *k)
{
    struct delivery_result own[PIECE_RECIPIENTS];
    struct deliver *d = k->d;

    for (struct keeping **at = &d->keeping; *at; at = &(*at)->next)
        if (*at == k) {
            *at = k->next;
            break;
        }
    loop_timer_cancel(d->o.loop, &k->timer);
    if (k->call)
        bus_cancel(d->o.bus, k->call);
    close(k->fd);
    outcome_tell(d, k->piece, 0, own, outcome_fill(k->piece, own, &k->same));
    free(k);
}

static void try_it(void *ctx);

static void on_kept(void *ctx, enum rc rc, const void *msg)
{
    const struct bus_copy_kept *m = msg;
    struct keeping *k = ctx;

    k->call = 0;
    if (rc == RC_OK)
        rc = m->rc < RC_COUNT ? (enum rc)m->rc : RC_INTERNAL;
    if ((rc == RC_UNAVAILABLE || rc == RC_TIMEOUT) && loop_now_ms(k->d->o.loop) < k->until_ms) {
        loop_timer_set(k->d->o.loop, &k->timer, AGAIN_MS, try_it, k);
        return;
    }
    if (rc != RC_OK && rc != RC_NOT_FOUND) /* not found: its words only look like it */
        say_failed(k->d, k->piece, rc_info(rc)->text);
    end(k);
}

static void try_it(void *ctx)
{
    struct keeping *k = ctx;
    struct bus *bus = k->d->o.bus;
    struct bus_peer *to = bus_peer(bus, ROLE_quarantine, 0);
    struct bus_copy_new m = {.bytes = k->piece->job.body_bytes, .meta = buf_str(&k->piece->meta)};

    if (to)
        k->call = bus_call_fd(bus, to, BUS_copy_new, &m, k->fd, ANSWER_MS, on_kept, k);
    else
        on_kept(k, RC_UNAVAILABLE, NULL); /* being started again */
}

bool copy_keep(struct deliver *d, struct piece *p, const struct delivery_result *same)
{
    const struct conf *c = deliver_conf(d);
    struct keeping *k;
    int fd;

    if (!d->o.bus || d->stopping || p->to->class != CPQ_PVO || !is_outbreak(p))
        return false;
    if (p->job.body_bytes > c->outbreak.max_bytes || p->job.body_bytes > c->outbreak.copies_max_bytes) {
        say_failed(d, p, "it is too large to be scanned again");
        return false;
    }
    fd = octets_of(d, p);
    if (fd < 0) {
        say_failed(d, p, "it cannot be read again");
        return false;
    }
    k = calloc(1, sizeof *k);
    must(k);
    *k = (struct keeping){.next = d->keeping, .d = d, .piece = p, .same = *same, .fd = fd};
    k->same.text = arena_str(&p->arena, same->text);
    k->until_ms = loop_now_ms(d->o.loop) + KEEP_MS;
    d->keeping = k;
    try_it(k);
    return true;
}

void copies_done(struct deliver *d)
{
    while (d->keeping)
        end(d->keeping);
}
