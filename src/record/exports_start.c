/*
 * Exports at start: what the last state says about segments is made true again, or the numbers begin anew. See exports.h.
 *
 * Called by record.c before anything is read. The segment that was open is cut back to what the state knows and closed; it
 * is whole up to there. When that cannot be shown (the state or the file is gone or shorter) the epoch rises: numbers that
 * managers may have seen are never given to other events.
 */
#include "record/exports.h"

#include "base/clock.h"
#include "base/io.h"
#include "store/event_json.h"

#include <dirent.h>
#include <stdio.h>
#include <sys/stat.h>
#include <unistd.h>

struct saved_segment {
    struct segment_header head;
    uint64_t length;
};

static bool get_head(struct str *in, uint64_t epoch, struct saved_segment *out)
{
    struct segment_header *h = &out->head;
    struct str serial;

    *h = (struct segment_header){.kind = SEGMENT_TRACKING, .epoch = epoch};
    if (!get_str(in, &serial) || serial.n >= SEGMENT_SERIAL || !get_varint(in, &h->seq) || !get_varint(in, &h->first) ||
        !get_varint(in, &h->last) || !get_varint(in, &h->start_ms) || !get_varint(in, &h->end_ms) ||
        !get_varint(in, &h->events) || !get_varint(in, &out->length))
        return false;
    memcpy(h->serial, serial.p, serial.n);
    return h->seq && h->first && h->last + 1 >= h->first && h->events == h->last + 1 - h->first;
}

/* Cut back, closed, listed. */
static enum rc finish(struct exports *x, const struct saved_segment *s, struct err *e)
{
    struct segment_writer w = {.fd = -1};
    char path[SEGMENT_PATH], digest[SEGMENT_DIGEST];
    uint64_t bytes;

    segment_path(path, x->dir, s->head.kind, s->head.epoch, s->head.seq, false);
    if (access(path, F_OK) != 0) {
        enum rc rc = !s->head.events && s->length <= SEGMENT_HEADER ? segment_begin(&w, x->dir, &s->head, e)
                                                                    : segment_resume(&w, x->dir, &s->head, s->length, e);

        segment_writer_done(&w);
        TRY(rc);
    }
    TRY(segment_finish(x->dir, &s->head, &bytes, digest, e));
    return export_index_add(x->index, &s->head, bytes, digest, e);
}

/* Files that no state knows are made again from the events. */
static void remove_open(struct exports *x)
{
    char folder[SEGMENT_PATH], path[SEGMENT_PATH + 256];
    struct dirent *entry;
    uint64_t epoch, seq;
    bool open;
    DIR *dir;

    snprintf(folder, sizeof folder, "%s/tracking", x->dir);
    dir = opendir(folder);
    while (dir && (entry = readdir(dir)))
        if (segment_name(entry->d_name, &epoch, &seq, &open) && open) {
            snprintf(path, sizeof path, "%s/%s", folder, entry->d_name);
            io_unlink("exports.stale", path, NULL);
        }
    if (dir)
        closedir(dir);
}

/* Goes on behind what was saved; false with the reason when that cannot be. */
static bool restore(struct exports *x, struct str saved, struct segment_header *next, const char **why_out)
{
    struct saved_segment open, leaving;
    uint64_t form, closing;
    struct err e = ERR_NONE;

    *why_out = "there is no state";
    if (!get_varint(&saved, &form) || form != 1 || !get_varint(&saved, &x->epoch) || !get_varint(&saved, &x->off_since_ms) ||
        !get_head(&saved, x->epoch, &open) || !get_varint(&saved, &closing) ||
        (closing && !get_head(&saved, x->epoch, &leaving)))
        return false;
    *why_out = "segments are missing or cut";
    if ((closing && finish(x, &leaving, &e) != RC_OK) || finish(x, &open, &e) != RC_OK)
        return false;
    next->seq = open.head.seq + 1;
    next->first = open.head.last + 1;
    return true;
}

static void start(struct exports *x, struct str saved)
{
    struct segment_header next = {.kind = SEGMENT_TRACKING, .seq = 1, .first = 1, .start_ms = clock_wall_ms()};
    uint64_t known = x->index ? export_index_epoch(x->index) : 0, now_s = clock_wall_ms() / 1000;
    const char *why = "the index cannot be read";

    if (!x->index || !restore(x, saved, &next, &why)) {
        x->epoch = now_s > known ? now_s : known + 1; /* the clock: also when all of the home is new */
        if (known)
            event(x->events, exports_restarted, .epoch = x->epoch, .why = str_c(why));
    }
    remove_open(x);
    next.epoch = x->epoch;
    snprintf(next.serial, sizeof next.serial, "%s", x->serial);
    if (segment_begin(&x->open, x->dir, &next, NULL) == RC_OK) {
        char folder[SEGMENT_PATH];

        snprintf(folder, sizeof folder, "%s/tracking", x->dir);
        io_sync_dir("exports.dir", folder, NULL);
    }
}

void exports_init(struct exports *x, const char *home, struct events *events, const struct conf *conf, struct str saved)
{
    char folder[SEGMENT_PATH];
    struct err e = ERR_NONE;

    *x = (struct exports){.events = events, .open = {.fd = -1}, .leaving_fd = -1, .on = true};
    snprintf(x->dir, sizeof x->dir, "%s/exports", home);
    x->gateway = !conf || conf->system.role == 0;
    exports_apply(x, conf);
    x->end_now = false;
    for (unsigned type = EVENT_NONE + 1; type < EVENT_TYPE_COUNT; type++)
        x->wanted[type] = event_is_exported((enum event_type)type);
    if (!x->gateway)
        return;
    mkdir(x->dir, 0750);
    snprintf(folder, sizeof folder, "%s/tracking", x->dir);
    mkdir(folder, 0750);
    if (export_index_open(x->dir, &x->index, &e) != RC_OK)
        event(events, exports_failed, .why = str_c(err_text(&e)));
    start(x, saved);
}

void exports_done(struct exports *x)
{
    segment_writer_done(&x->open);
    if (x->leaving_fd >= 0)
        close(x->leaving_fd);
    export_index_close(x->index);
    *x = (struct exports){.open = {.fd = -1}, .leaving_fd = -1};
}
