/*
 * The scan worker's side of the work queue. See scan.h.
 *
 * Called by role/main_scan.c and by tests. Owns the mappings of its windows (read-only). Everything that queue says is
 * checked against the window's size; what cannot be read gets no answer, and queue asks another worker. A
 * window that is not sealed against shrinking is refused: reading it could end the process.
 */
#include "scan/scan.h"

#include "base/must.h"
#include "mail/envelope.h"
#include "scan/outbreak_again.h"
#include "scan/pipeline.h"
#include "scan/trace.h"
#include "scan/verbs.h"
#include "scan/world.h"

#include <fcntl.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

enum { WINDOWS = 2, WINDOW_MAX = 16 << 20 };
static const size_t MESSAGE_MEMORY = (size_t)1
                                     << 30; /* most memory one message may take; engines have bounds of their own */

struct scan {
    struct scan_world world;
    struct window {
        const char *p;
        size_t n;
    } windows[WINDOWS];
    struct arena message;
};

static void window_drop(struct window *w)
{
    if (w->p)
        munmap((void *)(uintptr_t)w->p, w->n);
    *w = (struct window){0};
}

static void on_window(void *ctx, const struct bus_in *in)
{
    struct scan *s = ctx;
    const struct bus_scan_window *msg = in->msg;
    struct stat st;
    int seals = in->fd >= 0 ? fcntl(in->fd, F_GET_SEALS) : -1;
    void *p;

    if (msg->window < WINDOWS && msg->bytes && msg->bytes <= WINDOW_MAX && seals >= 0 && seals & F_SEAL_SHRINK &&
        fstat(in->fd, &st) == 0 && st.st_size == (off_t)msg->bytes) {
        window_drop(&s->windows[msg->window]);
        p = mmap(NULL, msg->bytes, PROT_READ, MAP_SHARED, in->fd, 0);
        if (p != MAP_FAILED)
            s->windows[msg->window] = (struct window){p, msg->bytes};
    }
    if (in->fd >= 0)
        close(in->fd);
}

/* The part of a window that queue names; false when it lies outside. */
static bool part_of(const struct scan *s, const struct bus_scan_work *work, struct str *envelope_out, struct str *body_out)
{
    const struct window *w = work->window < WINDOWS ? &s->windows[work->window] : NULL;
    uint64_t body = work->body_fd ? 0 : work->body_bytes;

    if (!w || !w->p || work->offset > w->n || work->envelope_bytes > w->n - work->offset ||
        body > w->n - work->offset - work->envelope_bytes)
        return false;
    *envelope_out = str_of(w->p + work->offset, work->envelope_bytes);
    *body_out = str_of(w->p + work->offset + work->envelope_bytes, body);
    return true;
}

/* A large body comes as a file that nobody writes any more. */
static struct str map_big(uint64_t bytes, int fd)
{
    struct stat st;
    void *p;

    if (!bytes || fstat(fd, &st) != 0 || (uint64_t)st.st_size < bytes)
        return STR_NONE;
    p = mmap(NULL, bytes, PROT_READ, MAP_PRIVATE, fd, 0);
    return p == MAP_FAILED ? STR_NONE : str_of(p, bytes);
}

static void judge(struct scan *s, const struct bus_scan_work *work, struct str octets, struct str body, struct bus_peer *to)
{
    struct message m = {.conf = conf_now(s->world.conf),
                        .compiled = s->world.compiled,
                        .world = &s->world.calls,
                        .events = s->world.events,
                        .mid = work->mid};
    struct bus_scan_verdict verdict;
    struct envelope env = {0};

    if (envelope_decode(&s->message, octets, &env, NULL) != RC_OK)
        return; /* no answer: queue knows its own records */
    if (message_init(&m, &s->message, body, &env, NULL) != RC_OK || work->careful)
        pipeline_hold_unscannable(&m);
    else
        pipeline_run(&s->world, &m);
    verdict_make(&m, &verdict);
    bus_send(s->world.bus, to, BUS_scan_verdict, &verdict);
}

static void on_work(void *ctx, const struct bus_in *in)
{
    struct scan *s = ctx;
    const struct bus_scan_work work = *(const struct bus_scan_work *)in->msg;
    struct str octets, body, big = STR_NONE;

    if (part_of(s, &work, &octets, &body)) { /* else no answer: queue asks the next worker */
        if (work.body_fd && in->fd >= 0)
            body = big = map_big(work.body_bytes, in->fd);
        judge(s, &work, octets, body, in->from);
    }
    arena_reset(&s->message);
    if (big.n)
        munmap((void *)(uintptr_t)big.p, big.n);
    if (in->fd >= 0)
        close(in->fd);
}

struct scan *scan_new(const struct scan_options *o)
{
    struct scan *s = calloc(1, sizeof *s);

    must(s);
    s->world = (struct scan_world){
        .loop = o->loop, .bus = o->bus, .conf = o->conf, .events = o->events, .board = o->board, .content = o->content};
    world_init(&s->world);
    scan_verbs_begin(&s->world);
    trace_begin(&s->world);
    outbreak_again_begin(&s->world);
    arena_init(&s->message, 65536, MESSAGE_MEMORY);
    bus_on(o->bus, BUS_scan_window, on_window, s);
    bus_on(o->bus, BUS_scan_work, on_work, s);
    return s;
}

void scan_free(struct scan *s)
{
    if (!s)
        return;
    for (unsigned i = 0; i < WINDOWS; i++)
        window_drop(&s->windows[i]);
    arena_done(&s->message);
    world_done(&s->world);
    free(s);
}
