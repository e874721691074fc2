/*
 * One import: a segment or a batch of own events into the stores. See imports.h.
 *
 * Called in the thread pool by imports.c, one at a time. Owns nothing beyond the job. A segment that is damaged is refused
 * before any of it is stored; everything here may be done again without changing anything.
 */
#include "record/imports_inside.h"

#include "base/clock.h"
#include "store/event_json.h"

#include <stdio.h>
#include <string.h>

enum { BATCH = 20000, LINE_ARENA = 8 << 20 };

/* --- events into the tracking store --------------------------------------------------------------------------------- */

struct batch {
    struct import_job *j;
    uint64_t first, last;
    bool open;
};

static enum rc batch_end(struct batch *b, struct err *e)
{
    if (!b->open)
        return RC_OK;
    b->open = false;
    return tracking_commit(b->j->tracking, b->first, b->last, e);
}

static enum rc batch_add(struct batch *b, uint64_t number, const struct event_record *ev, struct err *e)
{
    struct import_job *j = b->j;

    if (b->open && number - b->first >= BATCH)
        TRY(batch_end(b, e));
    if (!b->open) {
        TRY(tracking_begin(j->tracking, str_c(j->serial), str_c(j->host), j->epoch, e));
        b->open = true;
        b->first = number;
    }
    b->last = number;
    if (ev->type == EVENT_recording_paused)
        return ledger_paused(j->reporting, str_c(j->serial), SEGMENT_TRACKING, event_as(ev, recording_paused)->from_ms,
                             event_as(ev, recording_paused)->to_ms, e);
    return ev->type == EVENT_NONE ? RC_OK : tracking_add(j->tracking, number, ev, e);
}

static enum rc batch_finish(struct batch *b, enum rc rc, struct err *e)
{
    if (rc == RC_OK)
        return batch_end(b, e);
    if (b->open)
        tracking_abandon(b->j->tracking);
    b->open = false;
    return rc;
}

/* --- own events ---------------------------------------------------------------------------------------------------- */

static enum rc own_events(struct import_job *j)
{
    struct batch b = {.j = j};
    struct str rest = buf_str(&j->events->w.out);
    struct block_event coded;
    struct event_record ev;
    struct block block;
    enum rc rc = RC_OK;

    while (rc == RC_OK && rest.n && block_open(rest, &block) == BLOCK_GOOD) {
        rest = str_from(rest, block.size);
        while (rc == RC_OK && block_next(&block, &coded) && block_event_decode(&coded, &ev))
            rc = batch_add(&b, coded.stamp, &ev, &j->e);
    }
    return batch_finish(&b, rc, &j->e);
}

/* --- a segment ----------------------------------------------------------------------------------------------------- */

/* `store` false: only looked through. */
static enum rc each_event(struct import_job *j, const char *path, bool parse, bool store)
{
    struct segment_reader *in;
    struct batch b = {.j = j};
    struct event_record ev;
    struct arena a;
    struct str line;
    uint64_t number;
    enum rc rc;

    TRY(segment_open(path, &in, &j->e));
    arena_init(&a, 4096, LINE_ARENA);
    while ((rc = segment_read(in, &line, &j->e)) == RC_OK) {
        if (!parse)
            continue;
        rc = event_json_read(&a, line, &number, &ev, &j->e);
        if (rc != RC_OK)
            rc = err_set(&j->e, RC_CORRUPT, "a line is no event");
        if (rc == RC_OK && store)
            rc = batch_add(&b, number, &ev, &j->e);
        arena_reset(&a);
        if (rc != RC_OK)
            break;
    }
    arena_done(&a);
    segment_close(in);
    return batch_finish(&b, rc == RC_NOT_FOUND ? RC_OK : rc, &j->e);
}

static enum rc tracking_segment(struct import_job *j, const char *path, const struct segment_header *h)
{
    if (!j->tracking)
        return err_set(&j->e, RC_UNAVAILABLE, "tracking data cannot be used");
    if (!h->events || tracking_covered(j->tracking, str_c(j->serial), h->epoch, h->first, h->last))
        return RC_OK;
    TRY(each_event(j, path, h->events > BATCH,
                   false)); /* more than one batch: all of it must be good before any is stored */
    return each_event(j, path, true, true);
}

static enum rc reporting_segment(struct import_job *j, const char *path)
{
    struct segment_reader *in;
    enum rc rc;

    TRY(segment_open(path, &in, &j->e));
    rc = reporting_import(j->reporting, in, &j->e);
    segment_close(in);
    return rc == RC_EXISTS ? RC_OK : rc;
}

static enum rc check(struct import_job *j, struct segment_header *h)
{
    char listed[SEGMENT_DIGEST], digest[SEGMENT_DIGEST];
    uint64_t bytes;

    TRY(segment_read_header(j->path, h, &j->e));
    if (h->kind != j->kind || h->epoch != j->epoch || h->seq != j->seq || strcmp(h->serial, j->serial) != 0)
        return err_set(&j->e, RC_CORRUPT, "its header is that of another segment");
    if (!ledger_digest(j->reporting, h, listed))
        return RC_OK;
    TRY(segment_digest(j->path, &bytes, digest, &j->e));
    return str_eqi(str_c(digest), str_c(listed)) ? RC_OK
                                                 : err_set(&j->e, RC_CORRUPT, "its digest is not the one that was listed");
}

static enum rc fetched(struct import_job *j)
{
    struct segment_header h;
    enum rc rc;

    TRY(check(j, &h));
    if (ledger_has(j->reporting, &h))
        return RC_OK;
    if (h.kind == SEGMENT_REPORTING)
        return reporting_segment(j, j->path);
    TRY(tracking_segment(j, j->path, &h));
    rc = ledger_add(j->reporting, &h, &j->e);
    return rc == RC_EXISTS ? RC_OK : rc;
}

/* An own segment that was closed: mostly its events are stored already. */
static enum rc own_segment(struct import_job *j)
{
    struct segment_header h;
    enum rc rc;

    segment_path(j->path, j->exports_dir, SEGMENT_TRACKING, j->epoch, j->seq, false);
    rc = segment_read_header(j->path, &h, &j->e);
    if (rc == RC_NOT_FOUND)
        return RC_OK; /* evicted before it was imported: it shows as lost */
    TRY(rc);
    TRY(tracking_segment(j, j->path, &h));
    rc = ledger_add(j->reporting, &h, &j->e);
    return rc == RC_EXISTS ? RC_OK : rc;
}

void import_run(struct import_job *j)
{
    j->e = ERR_NONE;
    switch (j->what) {
    case IMPORT_OWN_EVENTS:
        j->rc = own_events(j);
        break;
    case IMPORT_OWN_SEGMENT:
        j->rc = own_segment(j);
        break;
    case IMPORT_FETCHED:
        j->rc = fetched(j);
        break;
    case IMPORT_LISTED:
        j->rc = ledger_listed(j->reporting, str_c(j->serial), j->kind, buf_str(&j->lines), &j->e);
        break;
    case IMPORT_RUNS:
        j->rc = ledger_runs(j->reporting, str_c(j->serial), j->kind, &j->lines, &j->e);
        break;
    default:
        j->rc = reporting_age(j->reporting, clock_wall_ms(), j->max_bytes, &j->e);
    }
}
