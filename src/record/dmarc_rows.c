/*
 * The file of DMARC rows. See dmarc_rows.h.
 *
 * Called by record.c and save.c. Owns the open file. A disk that refuses is met like with logs: the lines wait and events
 * are not read on.
 */
#include "record/dmarc_rows.h"

#include <inttypes.h>
#include <stdio.h>

static void first_line(void *ctx, struct buf *out)
{
    struct dmarc_rows *d = ctx;

    buf_addf(out, "#begin %" PRIu64 "\n", d->file.state.start_s);
}

static void last_line(void *ctx, struct buf *out)
{
    struct dmarc_rows *d = ctx;

    buf_addf(out, "#end %" PRIu64 "\n", d->file.state.roll_to_s);
}

void dmarc_rows_init(struct dmarc_rows *d, const char *events_dir)
{
    char dir[600];

    *d = (struct dmarc_rows){.due_s = UINT64_MAX};
    snprintf(dir, sizeof dir, "%s/dmarc", events_dir);
    logfile_init(&d->file, dir, str_lit("rows"));
    d->file.first_lines = first_line;
    d->file.last_line = last_line;
    d->file.ctx = d;
}

void dmarc_rows_done(struct dmarc_rows *d)
{
    logfile_done(&d->file);
}

void dmarc_rows_apply(struct dmarc_rows *d, const struct conf *conf, const struct logfile_state *saved)
{
    bool known = saved && saved->start_s;

    d->keep = conf && conf->dmarc.report;
    if (!d->open && (d->keep || known))
        d->open = logfile_open(&d->file, saved, NULL) == RC_OK; /* else it is tried at the next change or start */
    d->schedule = (struct schedule){.kind = SCHEDULE_DAILY, .hour = conf ? (int)conf->dmarc.hour : 0};
    d->due_s = d->open ? schedule_due(&d->schedule, d->file.state.start_s) : UINT64_MAX;
}

void dmarc_rows_add(struct dmarc_rows *d, struct str line)
{
    if (!d->keep || !d->open || !line.n || str_find(line, '\n') < line.n)
        return;
    buf_add(&d->file.out, line);
    buf_addc(&d->file.out, '\n');
}

bool dmarc_rows_due(const struct dmarc_rows *d, uint64_t now_s)
{
    return d->open && (d->end_now || now_s >= d->due_s || d->file.state.length >= DMARC_ROWS_FILE_MAX);
}

bool dmarc_rows_roll_begin(struct dmarc_rows *d, uint64_t now_s)
{
    if (!dmarc_rows_due(d, now_s))
        return false;
    if (!d->file.state.roll_to_s)
        logfile_roll_begin(&d->file, now_s);
    d->end_now = false;
    return true;
}

bool dmarc_rows_roll(struct dmarc_rows *d)
{
    if (!d->file.state.roll_to_s || d->file.out.n || logfile_roll(&d->file, NULL) != RC_OK)
        return false;
    d->due_s = schedule_due(&d->schedule, d->file.state.start_s);
    return true;
}
