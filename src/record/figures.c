/*
 * When figures go where. See figures.h.
 *
 * Called by record.c and save.c. Owns the fold, the batch that is set aside and the segment that is being made; reporting.db
 * belongs to imports.c. A database that takes nothing keeps the batch: the sums grow up to their bound, and it is tried
 * again with each save.
 */
#include "record/figures.h"

#include "base/clock.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>

enum { ASIDE_MS = 10000, ASIDE_ROWS = 3000, GRACE_MS = 3000, FORM = 2 }; /* FORM: of what is saved; 1 had no pauses */

/* Counting goes on: the stretch without goes into the next segment. More of them in a quarter than fit are told as one. */
static void pause_ended(struct figures *f)
{
    uint64_t now_ms = clock_wall_ms();

    if (f->n_pauses < FIGURES_PAUSES)
        f->pauses[f->n_pauses++].from_ms = f->off_since_ms;
    f->pauses[f->n_pauses - 1].to_ms = now_ms;
    f->off_since_ms = 0;
}

void figures_apply(struct figures *f, const struct conf *conf)
{
    f->on = !conf || conf->reporting.enabled;
    if (!f->on && !f->off_since_ms)
        f->off_since_ms = clock_wall_ms();
    else if (f->on && f->off_since_ms)
        pause_ended(f);
}

void figures_take(struct figures *f, const struct event_record *ev)
{
    if (f->db && f->on)
        fold_take(&f->fold, ev);
}

static bool quarter_over(const struct figures *f)
{
    return clock_wall_ms() >= f->open_ms + SLOT_MS + GRACE_MS;
}

bool figures_due(const struct figures *f)
{
    if (!f->db)
        return false;
    return f->have_batch || f->closing || quarter_over(f) ||
           (f->fold.sums.n && (f->now || f->fold.sums.n >= ASIDE_ROWS || clock_mono_ms() - f->aside_ms >= ASIDE_MS));
}

void figures_now(struct figures *f)
{
    f->now = true;
}

bool figures_settled(const struct figures *f)
{
    return !f->db || (!f->now && !f->have_batch);
}

bool figures_closed(const struct figures *f, uint64_t to_ms)
{
    return !f->have_batch && !f->closing && to_ms <= f->open_ms;
}

/* --- saving -------------------------------------------------------------------------------------------------------- */

static void set_aside(struct figures *f)
{
    f->now = false;
    f->aside_ms = clock_mono_ms();
    if (!f->fold.sums.n)
        return;
    f->batch = f->fold.sums;
    f->fold.sums = (struct figure_sums){0};
    f->have_batch = true;
    f->added = false;
    f->batch_number++;
}

/* The quarter's last figures are in the batch; from here on nothing is counted into it. */
static void close_quarter(struct figures *f)
{
    uint64_t now_ms = clock_wall_ms(), next = now_ms - now_ms % SLOT_MS;

    f->leaving = (struct segment_header){
        .kind = SEGMENT_REPORTING, .epoch = f->epoch, .seq = f->seq++, .start_ms = f->open_ms, .end_ms = next};
    f->closing = true;
    f->closed = false;
    f->n_leaving = f->n_pauses < FIGURES_PAUSES ? f->n_pauses : FIGURES_PAUSES - 1; /* the last may still be extended */
    f->open_ms = f->fold.slot_ms = next;
}

static void save_pauses(const struct figures *f, struct buf *out)
{
    buf_put_varint(out, f->n_pauses);
    buf_put_varint(out, f->n_leaving);
    for (size_t i = 0; i < f->n_pauses; i++) {
        buf_put_varint(out, f->pauses[i].from_ms);
        buf_put_varint(out, f->pauses[i].to_ms);
    }
}

void figures_save(struct figures *f, struct buf *out)
{
    if (!f->db)
        return;
    if (!f->have_batch && !f->closing && figures_due(f)) {
        set_aside(f);
        if (quarter_over(f))
            close_quarter(f);
    }
    buf_put_varint(out, FORM);
    buf_put_varint(out, f->batch_number);
    buf_put_varint(out, f->have_batch);
    if (f->have_batch)
        sums_save(&f->batch, out);
    buf_put_varint(out, f->epoch);
    buf_put_varint(out, f->seq);
    buf_put_varint(out, f->open_ms);
    buf_put_varint(out, f->off_since_ms);
    buf_put_varint(out, f->closing);
    if (f->closing) {
        buf_put_varint(out, f->leaving.seq);
        buf_put_varint(out, f->leaving.start_ms);
        buf_put_varint(out, f->leaving.end_ms);
    }
    save_pauses(f, out);
    sums_save(&f->fold.sums, out);
    fold_save(&f->fold, out);
}

/* The quarters from start to end, out of the database into a file of its name. */
static enum rc make_segment(struct figures *f, const struct exports *x, struct err *e)
{
    struct segment_writer w = {.fd = -1};
    struct segment_header before = {.last = 0}, one;
    char digest[SEGMENT_DIGEST];
    uint64_t bytes;
    enum rc rc;

    if (f->leaving.seq > 1 && export_index_next(x->index, SEGMENT_REPORTING, f->epoch, f->leaving.seq - 2, &one) &&
        one.seq == f->leaving.seq - 1)
        before = one;
    f->leaving.first = before.last + 1;
    snprintf(f->leaving.serial, sizeof f->leaving.serial, "%s", x->serial);
    rc = segment_begin(&w, x->dir, &f->leaving, e);
    for (size_t i = 0; rc == RC_OK && i < f->n_leaving; i++) {
        reporting_write_pause(&w, f->leaving.start_ms, f->pauses[i].from_ms, f->pauses[i].to_ms);
        rc = ledger_paused(f->db, str_c(x->serial), SEGMENT_REPORTING, f->pauses[i].from_ms, f->pauses[i].to_ms, e);
    }
    for (uint64_t slot = f->leaving.start_ms; rc == RC_OK && slot < f->leaving.end_ms; slot += SLOT_MS)
        rc = reporting_write(f->db, str_c(x->serial), slot, &w, e);
    f->leaving.last = w.head.last;
    f->leaving.events = w.head.events;
    segment_writer_done(&w);
    if (rc == RC_OK)
        rc = segment_finish(x->dir, &f->leaving, &bytes, digest, e);
    if (rc == RC_OK)
        rc = export_index_add(x->index, &f->leaving, bytes, digest, e);
    if (rc == RC_OK && (rc = ledger_add(f->db, &f->leaving, e)) == RC_EXISTS)
        rc = RC_OK;
    return rc;
}

void figures_stored(struct figures *f, const struct exports *x)
{
    struct err e = ERR_NONE;

    if (!f->db)
        return;
    f->batch.at = 0;
    if (f->have_batch && !f->added)
        f->added = reporting_add(f->db, str_c(x->serial), f->batch_number, sums_next, &f->batch, &e) == RC_OK;
    if (f->closing && !f->closed && (!f->have_batch || f->added))
        f->closed = !x->gateway || !x->index || make_segment(f, x, &e) == RC_OK;
    snprintf(f->error, sizeof f->error, "%s", e.rc == RC_OK ? "" : err_text(&e));
}

bool figures_saved(struct figures *f)
{
    bool listed = f->closing && f->closed;

    if (f->have_batch && f->added) {
        sums_clear(&f->batch);
        f->have_batch = f->added = false;
    }
    if (listed) {
        f->closing = f->closed = false;
        memmove(f->pauses, f->pauses + f->n_leaving, (f->n_pauses - f->n_leaving) * sizeof *f->pauses);
        f->n_pauses -= f->n_leaving;
        f->n_leaving = 0;
    }
    return listed;
}

/* --- life ---------------------------------------------------------------------------------------------------------- */

static bool restore_pauses(struct figures *f, struct str *in)
{
    if (!get_varint(in, &f->n_pauses) || f->n_pauses > FIGURES_PAUSES || !get_varint(in, &f->n_leaving) ||
        f->n_leaving > f->n_pauses)
        return false;
    for (size_t i = 0; i < f->n_pauses; i++)
        if (!get_varint(in, &f->pauses[i].from_ms) || !get_varint(in, &f->pauses[i].to_ms))
            return false;
    return true;
}

static bool restore(struct figures *f, struct str in)
{
    uint64_t form, have, closing;

    if (!get_varint(&in, &form) || form < 1 || form > FORM || !get_varint(&in, &f->batch_number) || !get_varint(&in, &have))
        return false;
    f->have_batch = have;
    if ((have && !sums_restore(&f->batch, &in)) || !get_varint(&in, &f->epoch) || !get_varint(&in, &f->seq) ||
        !get_varint(&in, &f->open_ms) || !get_varint(&in, &f->off_since_ms) || !get_varint(&in, &closing))
        return false;
    f->closing = closing;
    f->leaving = (struct segment_header){.kind = SEGMENT_REPORTING, .epoch = f->epoch};
    if (closing && (!get_varint(&in, &f->leaving.seq) || !get_varint(&in, &f->leaving.start_ms) ||
                    !get_varint(&in, &f->leaving.end_ms)))
        return false;
    if (form > 1 && !restore_pauses(f, &in))
        return false;
    return sums_restore(&f->fold.sums, &in) && fold_restore(&f->fold, &in);
}

void figures_init(struct figures *f, struct reporting *db, uint64_t epoch, struct str saved)
{
    uint64_t now_ms = clock_wall_ms();

    *f = (struct figures){.db = db, .on = true};
    if (!db)
        return;
    if (!restore(f, saved)) {
        figures_done(f);
        *f = (struct figures){.db = db, .on = true, .batch_number = now_ms}; /* above any number there was */
    }
    if (f->epoch != epoch) { /* numbers begin anew */
        f->epoch = epoch;
        f->seq = 1;
        f->closing = false;
    }
    if (!f->open_ms)
        f->open_ms = now_ms - now_ms % SLOT_MS;
    f->fold.slot_ms = f->open_ms;
    f->aside_ms = clock_mono_ms();
}

void figures_done(struct figures *f)
{
    fold_done(&f->fold);
    sums_clear(&f->batch);
    f->db = NULL;
}
