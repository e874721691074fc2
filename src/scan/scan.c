/*
 * The scan worker's side of the work queue. See scan.h.
 *
 * Called by role/main_scan.c and by tests. Owns the mappings of its windows (read-only). Everything that queue says is
 * checked against the window's size; an envelope that cannot be read is judged all the same, since queue will find out. A
 * window that is not sealed against shrinking is refused: reading it could end the process.
 */
#include "scan/scan.h"

#include "base/must.h"
#include "mail/envelope.h"
#include "policy/verdict.h"

#include <fcntl.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

enum { WINDOWS = 2, WINDOW_MAX = 16 << 20 };

struct scan {
    struct bus *bus;
    struct events *events;
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

static void on_work(void *ctx, const struct bus_in *in)
{
    struct scan *s = ctx;
    const struct bus_scan_work *work = in->msg;
    struct envelope env = {0};
    struct str octets, body;
    static const struct str policy = {"DEFAULT", 7};

    if (in->fd >= 0)
        close(in->fd);
    if (!part_of(s, work, &octets, &body))
        return; /* no answer: queue asks the next worker */
    envelope_decode(&s->message, octets, &env, NULL);
    event(s->events, message_policy, .mid = work->mid, .policy = policy, .outbound = env.outgoing);
    arena_reset(&s->message);
    bus_send(s->bus, in->from, BUS_scan_verdict,
             &(struct bus_scan_verdict){.mid = work->mid, .action = VERDICT_DELIVER, .policy = policy});
}

struct scan *scan_new(const struct scan_options *o)
{
    struct scan *s = calloc(1, sizeof *s);

    must(s);
    s->bus = o->bus;
    s->events = o->events;
    arena_init(&s->message, 4096, 4 << 20);
    bus_on(s->bus, BUS_scan_window, on_window, s);
    bus_on(s->bus, BUS_scan_work, on_work, s);
    return s;
}

void scan_free(struct scan *s)
{
    if (!s)
        return;
    for (unsigned i = 0; i < WINDOWS; i++)
        window_drop(&s->windows[i]);
    arena_done(&s->message);
    free(s);
}
