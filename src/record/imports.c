/*
 * The queue of imports. See imports.h.
 *
 * Called by record.c and save.c, and over the bus by central. Owns the jobs, own events in memory and reporting.db. Nothing
 * fails for good: own events are taken from segments when they cannot be stored now, what central brought is answered with
 * the reason and comes again.
 */
#include "record/imports_inside.h"

#include "base/clock.h"
#include "base/must.h"
#include "record/inside.h"

#include <stdio.h>
#include <stdlib.h>

enum { OWN_BYTES = 32 << 20, JOBS_MOST = 1000, RETRY_MS = 5000, AGE_EVERY_MS = 1800000 };

struct imports {
    struct record *r;
    struct reporting *reporting;
    struct import_job *jobs, *running;
    size_t n_jobs;
    /* own events: collected; those a save is under way for; those on stable storage */
    struct own_events *now, *saving, *ready;
    uint64_t own_seq; /* segments of the present epoch up to this one are done */
    bool own_known;   /* own_seq was looked up */
    struct loop_timer retry;
    uint64_t aged_ms;
    bool told, stopped;
};

static void next_job(struct imports *im);

/* --- own events ---------------------------------------------------------------------------------------------------- */

static struct own_events *own_new(void)
{
    struct own_events *o = calloc(1, sizeof *o);

    must(o);
    o->w.out = BUF(OWN_BYTES);
    return o;
}

static void own_free(struct own_events *o)
{
    if (o)
        buf_done(&o->w.out);
    free(o);
}

void imports_own(struct imports *im, uint64_t number, const struct event_record *ev)
{
    struct own_events *o = im ? im->now : NULL;

    if (!o || !im->reporting)
        return;
    if (!o->first)
        o->first = number;
    o->last = number;
    if (o->w.out.n > OWN_BYTES / 2 || !block_add(&o->w, event_info(ev->type), ev->type, ev->wall_ms, number, ev->fields)) {
        own_free(o); /* too far behind: its segment will be read */
        im->now = own_new();
    }
}

void imports_saving(struct imports *im)
{
    if (!im || im->saving || !im->now->first)
        return;
    block_close(&im->now->w);
    im->saving = im->now;
    im->now = own_new();
}

void imports_saved(struct imports *im)
{
    if (!im || !im->saving || im->ready)
        return;
    im->ready = im->saving;
    im->saving = NULL;
    next_job(im);
}

/* --- jobs ---------------------------------------------------------------------------------------------------------- */

static struct import_job *job_new(struct imports *im, enum import_what what)
{
    struct import_job *j = calloc(1, sizeof *j);
    const struct exports *x = &im->r->exports;
    const struct conf *conf = im->r->conf ? conf_now(im->r->conf) : NULL;

    must(j);
    j->what = what;
    j->reporting = im->reporting;
    j->epoch = x->epoch;
    j->lines = BUF(16 << 20);
    j->max_bytes = conf ? conf->reporting.max_bytes : 10ull << 30;
    snprintf(j->exports_dir, sizeof j->exports_dir, "%s", x->dir);
    snprintf(j->serial, sizeof j->serial, "%s", x->serial);
    if (conf)
        snprintf(j->host, sizeof j->host, "%.*s", STR(conf->system.hostname));
    return j;
}

static void job_free(struct import_job *j)
{
    own_free(j->events);
    buf_done(&j->lines);
    free(j);
}

static void answer(struct imports *im, const struct import_job *j)
{
    struct bus_peer *to = j->from;
    struct bus_segment_imported done = {.serial = str_c(j->serial),
                                        .kind = segment_kind_word(j->kind),
                                        .epoch = j->epoch,
                                        .seq = j->seq,
                                        .rc = (uint64_t)j->rc,
                                        .why = j->rc == RC_OK ? STR_NONE : str_c(err_text(&j->e))};
    struct bus_imports_state state = {.serial = done.serial, .kind = done.kind, .have = buf_str(&j->lines)};

    if (j->what == IMPORT_FETCHED && j->rc == RC_CORRUPT)
        event(im->r->events, import_refused, .serial = done.serial, .kind = done.kind, .epoch = j->epoch, .seq = j->seq,
              .why = done.why);
    if (!to || to->life != j->life)
        return;
    if (j->what == IMPORT_FETCHED)
        bus_send(im->r->bus, to, BUS_segment_imported, &done);
    else if (j->what == IMPORT_RUNS && j->rc == RC_OK)
        bus_reply(im->r->bus, to, j->call, BUS_imports_state, &state);
}

static void tell(struct imports *im, const struct import_job *j)
{
    bool bad = j->rc != RC_OK && j->rc != RC_CORRUPT;

    if (bad && !im->told)
        event(im->r->events, import_failed, .why = str_c(err_text(&j->e)));
    if (j->rc == RC_OK && im->told)
        event(im->r->events, import_resumed, .none = 0);
    im->told = bad || (im->told && j->rc != RC_OK);
}

static void retry(void *ctx)
{
    next_job(ctx);
}

static void job_done(void *ctx)
{
    struct imports *im = ctx;
    struct import_job *j = im->running;

    im->running = NULL;
    tell(im, j);
    answer(im, j);
    if (j->what == IMPORT_OWN_SEGMENT && (j->rc == RC_OK || j->rc == RC_CORRUPT))
        im->own_seq = j->seq;
    if (j->rc != RC_OK && j->rc != RC_CORRUPT && !im->stopped)
        loop_timer_set(im->r->loop, &im->retry, RETRY_MS, retry, im);
    else
        next_job(im);
    job_free(j);
}

/* The first own segment of this epoch that the ledger does not have. */
static bool own_segment_due(struct imports *im, struct segment_header *out)
{
    const struct exports *x = &im->r->exports;
    struct buf runs = BUF(16 << 20);
    struct str rest;
    uint64_t epoch, seq, to;

    if (!x->gateway || !x->index)
        return false;
    if (!im->own_known && ledger_runs(im->reporting, str_c(x->serial), SEGMENT_TRACKING, &runs, NULL) == RC_OK) {
        rest = buf_str(&runs);
        while (get_varint(&rest, &epoch) && get_varint(&rest, &seq) && get_varint(&rest, &to))
            if (epoch == x->epoch)
                im->own_seq = to;
        im->own_known = true;
    }
    buf_done(&runs);
    return im->own_known && export_index_next(x->index, SEGMENT_TRACKING, x->epoch, im->own_seq, out);
}

static struct import_job *choose(struct imports *im)
{
    struct segment_header h;
    struct import_job *j;

    if (im->ready) {
        j = job_new(im, IMPORT_OWN_EVENTS);
        j->events = im->ready;
        im->ready = NULL;
        return j;
    }
    if (own_segment_due(im, &h)) {
        j = job_new(im, IMPORT_OWN_SEGMENT);
        j->seq = h.seq;
        return j;
    }
    if ((j = im->jobs)) {
        im->jobs = j->next;
        im->n_jobs--;
        return j;
    }
    if (im->aged_ms && clock_mono_ms() - im->aged_ms < AGE_EVERY_MS)
        return NULL;
    im->aged_ms = clock_mono_ms();
    return job_new(im, IMPORT_AGE);
}

static bool wants_tracking(const struct import_job *j)
{
    return j->what == IMPORT_OWN_EVENTS || j->what == IMPORT_OWN_SEGMENT ||
           (j->what == IMPORT_FETCHED && j->kind == SEGMENT_TRACKING);
}

static void work(void *ctx)
{
    const struct imports *im = ctx;

    import_run(im->running);
}

static void next_job(struct imports *im)
{
    struct import_job *j;

    if (im->running || im->stopped || !im->reporting || !im->r->loop)
        return;
    if (loop_now_ms(im->r->loop) < im->retry.at_ms && im->retry.slot)
        return; /* something failed a moment ago */
    j = choose(im);
    if (!j)
        return;
    j->e = ERR_NONE;
    if (wants_tracking(j) && !(j->tracking = record_tracking(im->r, &j->e))) {
        j->rc = j->e.rc;
        im->running = j;
        loop_timer_set(im->r->loop, &im->retry, 0, job_done, im); /* its answer, later */
        return;
    }
    im->running = j;
    loop_work(im->r->loop, work, job_done, im);
}

void imports_look(struct imports *im)
{
    if (im)
        next_job(im);
}

/* --- what central brings -------------------------------------------------------------------------------------------- */

static struct str host_of(const struct conf *conf, struct str serial)
{
    for (size_t i = 0; conf && i < conf->appliance.n; i++)
        if (str_eq(conf->appliance.items[i].serial, serial))
            return conf->appliance.items[i].name;
    return STR_NONE;
}

static void enqueue(struct imports *im, const struct bus_in *in, enum import_what what, struct str serial, struct str kind,
                    struct str lines, const struct bus_segment_fetched *m)
{
    struct import_job *j = job_new(im, what), **at = &im->jobs;
    struct str host = host_of(im->r->conf ? conf_now(im->r->conf) : NULL, serial);

    j->from = in->from;
    j->life = in->from->life;
    j->call = in->call;
    snprintf(j->serial, sizeof j->serial, "%.*s", STR(serial));
    snprintf(j->host, sizeof j->host, "%.*s", STR(host));
    buf_add(&j->lines, lines);
    if (m) {
        snprintf(j->path, sizeof j->path, "%.*s", STR(m->path));
        j->epoch = m->epoch;
        j->seq = m->seq;
    }
    if (!segment_kind_of(kind, &j->kind) || im->n_jobs >= JOBS_MOST || !im->reporting) {
        j->rc = err_set(&j->e, im->reporting ? RC_LIMIT : RC_UNAVAILABLE, "it cannot be imported now");
        answer(im, j);
        job_free(j);
        return;
    }
    while (*at)
        at = &(*at)->next;
    *at = j;
    im->n_jobs++;
    next_job(im);
}

static void on_fetched(void *ctx, const struct bus_in *in)
{
    const struct bus_segment_fetched *m = in->msg;

    enqueue(ctx, in, IMPORT_FETCHED, m->serial, m->kind, STR_NONE, m);
}

static void on_listed(void *ctx, const struct bus_in *in)
{
    const struct bus_segments_listed *m = in->msg;

    enqueue(ctx, in, IMPORT_LISTED, m->serial, m->kind, m->lines, NULL);
}

static void on_question(void *ctx, const struct bus_in *in)
{
    const struct bus_imports_question *m = in->msg;

    enqueue(ctx, in, IMPORT_RUNS, m->serial, m->kind, STR_NONE, NULL);
}

/* --- life ---------------------------------------------------------------------------------------------------------- */

struct imports *imports_new(struct record *r, const char *home)
{
    struct imports *im = calloc(1, sizeof *im);
    struct err e = ERR_NONE;
    char dir[400];

    must(im);
    im->r = r;
    im->now = own_new();
    im->aged_ms = clock_mono_ms();
    snprintf(dir, sizeof dir, "%s/record", home);
    if (reporting_open(dir, &im->reporting, &e) != RC_OK)
        event(r->events, import_failed, .why = str_c(err_text(&e)));
    if (r->bus) {
        bus_on(r->bus, BUS_segment_fetched, on_fetched, im);
        bus_on(r->bus, BUS_segments_listed, on_listed, im);
        bus_on(r->bus, BUS_imports_question, on_question, im);
    }
    return im;
}

struct reporting *imports_reporting(struct imports *im)
{
    return im->reporting;
}

bool imports_busy(const struct imports *im)
{
    return im->running != NULL;
}

void imports_stop(struct imports *im)
{
    im->stopped = true;
}

void imports_done(struct imports *im)
{
    struct import_job *j;

    if (im->r->loop)
        loop_timer_cancel(im->r->loop, &im->retry);
    while ((j = im->jobs)) {
        im->jobs = j->next;
        job_free(j);
    }
    own_free(im->now);
    own_free(im->saving);
    own_free(im->ready);
    reporting_close(im->reporting);
    free(im);
}
