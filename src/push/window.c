/*
 * The window of a syslog connection. See window.h.
 *
 * Called by the syslog sender. Owns nothing. When more chunks are in flight than there is room for, the newest entry covers
 * them together: it is confirmed later, never too early.
 */
#include "push/window.h"

static void mark(struct window *w, uint64_t now_ms)
{
    size_t last = (w->mark_first + w->mark_n - 1) % WINDOW_MARKS;

    if (w->mark_n && (w->marks[last].at.wire == w->confirmed.wire || now_ms - w->marks[last].ms < WINDOW_STEP_MS))
        return;
    if (w->mark_n == WINDOW_MARKS) {
        w->mark_first = (w->mark_first + 1) % WINDOW_MARKS;
        w->mark_n--;
    }
    w->marks[(w->mark_first + w->mark_n++) % WINDOW_MARKS] = (struct window_mark){now_ms, w->confirmed};
}

void window_begin(struct window *w, const struct place *place, uint64_t now_ms)
{
    *w = (struct window){.confirmed = {0, *place}};
    mark(w, now_ms);
}

void window_sent(struct window *w, uint64_t wire, const struct place *place)
{
    if (w->n < WINDOW_FLIGHT)
        w->n++;
    w->flight[(w->first + w->n - 1) % WINDOW_FLIGHT] = (struct window_chunk){wire, *place};
}

void window_confirm(struct window *w, uint64_t wire, uint64_t now_ms)
{
    while (w->n && w->flight[w->first].wire <= wire) {
        w->confirmed = w->flight[w->first];
        w->first = (w->first + 1) % WINDOW_FLIGHT;
        w->n--;
    }
    mark(w, now_ms);
}

struct place window_resume(const struct window *w, uint64_t now_ms, uint64_t hold_ms, uint64_t octets)
{
    for (size_t i = w->mark_n; i > 0; i--) {
        const struct window_mark *m = &w->marks[(w->mark_first + i - 1) % WINDOW_MARKS];

        if (now_ms >= m->ms + hold_ms && m->at.wire + octets <= w->confirmed.wire)
            return m->at.place;
    }
    return w->mark_n ? w->marks[w->mark_first].at.place : w->confirmed.place;
}
