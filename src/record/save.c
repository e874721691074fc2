/*
 * Saving: event files and logs synced, then one state that says how far both are. See record.h.
 *
 * Called by record.c, once a second. A save is filled on the loop, carried out in the thread pool and finished on the loop,
 * where roll-overs that its content names are done. One that fails changes nothing and is tried again.
 */
#include "record/inside.h"

#include "base/clock.h"
#include "base/io.h"

#include <unistd.h>

static void collect_unsynced(struct record *r)
{
    struct save *s = &r->save;

    s->n_fds = event_merge_unsynced(r->merge, s->fds, SYNC_MOST - SUBSCRIPTIONS_MOST - 3);
    for (size_t i = 0; i <= r->logs->n; i++) {
        struct logfile *l = i < r->logs->n ? &r->logs->items[i]->file : &r->dmarc.file;
        int fd = l->unsynced && l->fd >= 0 ? dup(l->fd) : -1;

        l->unsynced = false;
        if (fd >= 0)
            s->fds[s->n_fds++] = fd;
    }
}

bool save_begin(struct record *r)
{
    struct save *s = &r->save;

    if (s->running || r->stuck || subscriptions_waiting(r->logs) || r->dmarc.file.out.n ||
        exports_write(&r->exports, true, NULL) != RC_OK)
        return false;
    s->running = true;
    s->roll = subscriptions_roll_begin(r->logs, clock_wall_ms() / 1000);
    s->roll |= dmarc_rows_roll_begin(&r->dmarc, clock_wall_ms() / 1000);
    s->events_to_ms = r->before_ms;
    s->rc = RC_OK;
    buf_clear(&s->content);
    buf_clear(&s->part);
    buf_clear(&s->figures);
    imports_saving(r->imports);
    collect_unsynced(r);
    exports_save(&r->exports, &s->part, s->fds, &s->n_fds);
    figures_save(&r->figures, &s->figures);
    state_build(r->merge, r->counters, r->logs, r->cef, &r->dmarc.file.state, buf_str(&s->part), buf_str(&s->figures),
                r->born_ms, &s->content);
    r->changed = false;
    r->saved_ms = r->now_ms;
    return true;
}

/* In the thread pool: touches nothing but the save, and the segment that is being closed. */
void save_work(void *ctx)
{
    struct record *r = ctx;
    struct save *s = &r->save;

    for (size_t i = 0; i < s->n_fds; i++) {
        enum rc rc = io_sync("record.sync", s->fds[i], &s->e);

        s->rc = s->rc == RC_OK ? rc : s->rc;
        close(s->fds[i]);
    }
    if (s->rc == RC_OK)
        s->rc = io_replace_file("record.state", r->state_path, buf_str(&s->content), &s->e);
    if (s->rc != RC_OK)
        return;
    exports_stored(&r->exports);
    figures_stored(&r->figures, &r->exports);
}

/* What was exported and counted is on stable storage. */
static void saved_parts(struct record *r)
{
    bool events = exports_saved(&r->exports), figures = figures_saved(&r->figures);

    if (events || figures)
        export_verbs_listed(r);
    imports_saved(r->imports);
    if (events)
        imports_look(r->imports);
    report_verbs_saved(r);
}

void save_done(void *ctx)
{
    struct record *r = ctx;
    struct save *s = &r->save;

    s->running = false;
    buf_shrink(&s->content, 0);
    if (s->rc != RC_OK) {
        r->changed = true;
        return;
    }
    if (r->board)
        board_store(&r->board->events_synced_ms, s->events_to_ms);
    event_merge_saved(r->merge);
    saved_parts(r);
    if (s->roll) {
        subscriptions_roll(r->logs);
        if (dmarc_rows_roll(&r->dmarc))
            dmarc_send_look(r->dmarc_send);
        r->roll_refused = record_due(r); /* tried again after the next save */
        r->changed = true;
    }
}

enum rc record_save(struct record *r, struct err *e)
{
    do {
        if (!save_begin(r))
            return err_set(e, RC_UNAVAILABLE, "log lines wait to be written");
        save_work(r);
        save_done(r);
        if (r->save.rc != RC_OK)
            return err_set(e, r->save.rc, "%s", err_text(&r->save.e));
    } while (r->save.roll && r->changed);
    return RC_OK;
}
