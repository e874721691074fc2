/*
 * Events into export segments. See exports.h.
 *
 * Called by record.c and save.c. Owns the open segment and the one that is being closed. What cannot be written stops the
 * reading of events, like a log that cannot: nothing is numbered twice and nothing is left out.
 */
#include "record/exports.h"

#include "base/clock.h"
#include "store/event_json.h"

#include <stdio.h>
#include <unistd.h>

enum { WAITING_MOST = 8 << 20, EVICT_EVERY_MS = 30000 };

void exports_apply(struct exports *x, const struct conf *conf)
{
    struct str serial = conf && conf->system.serial.n ? conf->system.serial : str_lit("none");
    bool on = !conf || conf->tracking.enabled;

    x->segment_bytes = conf ? conf->exports.segment_bytes : 16 << 20;
    x->segment_ms = conf ? conf->exports.segment_ms : 180000;
    x->max_age_ms = conf ? conf->exports.max_age_ms : 336ull * 3600000;
    x->max_bytes = conf ? conf->exports.max_bytes : 20ull << 30;
    x->subject = !conf || conf->tracking.subject;
    snprintf(x->serial, sizeof x->serial, "%.*s", STR(serial));
    x->n_managers = 0;
    for (size_t i = 0; conf && i < conf->manager.n && x->n_managers < EXPORT_MANAGERS; i++)
        if (conf->manager.items[i].serial.n)
            snprintf(x->managers[x->n_managers++], SEGMENT_SERIAL, "%.*s", STR(conf->manager.items[i].serial));
    if (on == x->on)
        return;
    x->on = on;
    x->end_now = true;
    if (!on && !x->off_since_ms)
        x->off_since_ms = clock_wall_ms();
}

/* --- events -------------------------------------------------------------------------------------------------------- */

static uint64_t add(struct exports *x, const struct event_record *ev)
{
    uint64_t number = segment_next(&x->open);

    event_json_write(number, ev, segment_line(&x->open));
    segment_added(&x->open);
    if (x->added)
        x->added(x->added_ctx, number, ev);
    return number;
}

/* The stretch that was not recorded, as a record of its own. */
static void add_marker(struct exports *x)
{
    struct event_record ev;

    event_record_set(&ev, EVENT_recording_paused, clock_wall_ms(),
                     &(struct event_recording_paused){.from_ms = x->off_since_ms, .to_ms = clock_wall_ms()});
    x->off_since_ms = 0;
    add(x, &ev);
}

uint64_t exports_take(struct exports *x, const struct event_record *ev)
{
    if (!x->gateway || !x->on || !x->wanted[ev->type] || (ev->type == EVENT_message_subject && !x->subject))
        return 0;
    if (x->off_since_ms)
        add_marker(x);
    return add(x, ev);
}

enum rc exports_write(struct exports *x, bool all, struct err *e)
{
    struct err own = ERR_NONE;
    enum rc rc = RC_OK;

    if (!x->gateway)
        return RC_OK;
    if (all || segment_wants_flush(&x->open) || x->open.fd < 0)
        rc = segment_flush(&x->open, &own);
    if (rc != RC_OK && !x->failed_told)
        event(x->events, exports_failed, .why = str_c(err_text(&own)));
    x->failed_told = rc != RC_OK;
    if (rc == RC_OK || (!all && x->open.lines.n < WAITING_MOST))
        return RC_OK;
    return err_set(e, rc, "%s", err_text(&own));
}

/* --- when a segment ends ------------------------------------------------------------------------------------------- */

/* Gateways that were started together do not all close at once: each has its own phase. */
static bool time_is_up(const struct exports *x, uint64_t now_ms)
{
    uint64_t phase = str_hash(str_c(x->serial)) % x->segment_ms, start = x->open.head.start_ms;

    return now_ms < start || now_ms - start >= x->segment_ms ||
           (now_ms - start >= x->segment_ms / 2 && (now_ms + phase) / x->segment_ms != (start + phase) / x->segment_ms);
}

bool exports_can_cut(const struct exports *x)
{
    return x->gateway && x->open.head.events && (!x->cut_ms || clock_mono_ms() - x->cut_ms >= CUT_EVERY_MS);
}

bool exports_cut(struct exports *x)
{
    if (!exports_can_cut(x))
        return false;
    x->cut = true;
    return true;
}

bool exports_due(const struct exports *x)
{
    if (!x->gateway)
        return false;
    if (x->closing)
        return true; /* tried again */
    if (x->off_since_ms && !x->on)
        return x->end_now && x->open.head.events;
    return x->cut || x->end_now || x->open.length + x->open.out.n >= x->segment_bytes || time_is_up(x, clock_wall_ms());
}

static void begin_next(struct exports *x, uint64_t now_ms)
{
    struct segment_header next = {.kind = SEGMENT_TRACKING,
                                  .epoch = x->epoch,
                                  .seq = x->leaving.seq + 1,
                                  .first = x->leaving.last + 1,
                                  .start_ms = now_ms};

    snprintf(next.serial, sizeof next.serial, "%s", x->serial);
    segment_begin(&x->open, x->dir, &next, NULL); /* when it fails: again with the next write */
}

/* What the open segment covers up to now; a clock that was set back does not end it before it began. */
static uint64_t end_now(const struct exports *x)
{
    uint64_t now_ms = clock_wall_ms();

    return now_ms > x->open.head.start_ms ? now_ms : x->open.head.start_ms;
}

static void leave(struct exports *x)
{
    x->open.head.end_ms = end_now(x);
    x->leaving = x->open.head;
    x->leaving_length = x->open.length;
    x->leaving_fd = x->open.fd;
    x->open.fd = -1;
    x->closing = true;
    x->closed = false;
    if (x->cut)
        x->cut_ms = clock_mono_ms();
    x->cut = x->end_now = false;
    begin_next(x, x->leaving.end_ms);
}

/* --- saving -------------------------------------------------------------------------------------------------------- */

static void put_head(struct buf *out, const struct segment_header *h, uint64_t length)
{
    const uint64_t values[] = {h->seq, h->first, h->last, h->start_ms, h->end_ms, h->events, length};

    buf_put_str(out, str_c(h->serial));
    for (size_t i = 0; i < sizeof values / sizeof *values; i++)
        buf_put_varint(out, values[i]);
}

void exports_save(struct exports *x, struct buf *out, int *fds, size_t *n_fds)
{
    if (!x->gateway)
        return;
    if (!x->index) /* not at start, perhaps now */
        export_index_open(x->dir, &x->index, NULL);
    if (!x->closing && exports_due(x))
        leave(x);
    x->open.head.end_ms = end_now(x);
    buf_put_varint(out, 1); /* form */
    buf_put_varint(out, x->epoch);
    buf_put_varint(out, x->off_since_ms);
    put_head(out, &x->open.head, x->open.length);
    buf_put_varint(out, x->closing);
    if (x->closing) {
        put_head(out, &x->leaving, x->leaving_length);
        if (x->leaving_fd >= 0)
            fds[(*n_fds)++] = x->leaving_fd;
        x->leaving_fd = -1;
    }
    if (x->open.fd >= 0 && (fds[*n_fds] = dup(x->open.fd)) >= 0)
        ++*n_fds;
}

static void evict(struct exports *x)
{
    struct str managers[EXPORT_MANAGERS];
    struct export_limits l = {clock_wall_ms(), x->max_age_ms, x->max_bytes, managers, x->n_managers};
    struct export_evicted gone;

    x->evict_ms = clock_mono_ms();
    for (size_t i = 0; i < x->n_managers; i++)
        managers[i] = str_c(x->managers[i]);
    if (export_index_evict(x->index, &l, &gone, NULL) == RC_OK)
        x->gone = gone;
    x->waiting = 0;
    for (unsigned kind = 0; kind < SEGMENT_KINDS; kind++) {
        struct export_state s;

        export_index_state(x->index, (enum segment_kind)kind, managers, x->n_managers, &s);
        x->waiting += s.waiting;
    }
}

void exports_stored(struct exports *x)
{
    char digest[SEGMENT_DIGEST];
    uint64_t bytes;

    if (!x->gateway || !x->index)
        return;
    if (x->closing && !x->closed)
        x->closed = segment_finish(x->dir, &x->leaving, &bytes, digest, NULL) == RC_OK &&
                    export_index_add(x->index, &x->leaving, bytes, digest, NULL) == RC_OK;
    if (x->closed || clock_mono_ms() - x->evict_ms >= EVICT_EVERY_MS)
        evict(x);
}

/* 50, 75 and 90 % while something waits to be fetched, each once on the way up. */
static void watch_space(struct exports *x)
{
    static const unsigned steps[] = {90, 75, 50};
    uint64_t percent = export_index_bytes(x->index) * 100 / x->max_bytes;
    unsigned reached = 0;

    for (size_t i = 0; i < 3 && !reached; i++)
        if (x->waiting && percent >= steps[i])
            reached = steps[i];
    if (reached > x->told_percent)
        event(x->events, exports_space, .percent = reached);
    if (reached > x->told_percent || percent + 5 < x->told_percent || !x->waiting)
        x->told_percent = reached;
}

bool exports_saved(struct exports *x)
{
    if (!x->gateway || !x->index)
        return false;
    if (x->gone.unfetched)
        event(x->events, exports_evicted, .kind = segment_kind_word(x->gone.kind), .segments = x->gone.unfetched,
              .events = x->gone.events, .from_ms = x->gone.start_ms, .to_ms = x->gone.end_ms);
    x->gone = (struct export_evicted){0};
    watch_space(x);
    if (!x->closing || !x->closed)
        return false;
    x->closing = x->closed = false;
    return true;
}
