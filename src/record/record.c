/*
 * Rounds of role `record`: reading, folding, rendering, and when to save. See record.h.
 *
 * Called by role/main_record.c and tests. Owns the merge, the counters, the subscriptions and the state file. A disk that
 * takes no log lines stops the reading of events until it does; the events wait in their files. Own events (status line,
 * damage) go through the same files as everyone's.
 */
#include "record/inside.h"

#include "base/clock.h"
#include "base/must.h"
#include "conf/product.h"

#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>

enum {
    ROUND_MS = 100,
    IDLE_ROUND_MS = 1000,
    IDLE_AFTER_MS = 30000,
    SAVE_MS = 1000,
    ROUND_EVENTS = 50000,
    ROUND_BYTES = 1 << 20
};
enum { STOP_POLL_MS = 10 };
static const uint64_t UNREAD_ALERT = 256ull << 20; /* F5 */

/* --- rounds -------------------------------------------------------------------------------------------------------- */

static void on_damage(void *ctx, const char *file, uint64_t bytes)
{
    struct record *r = ctx;

    event(r->events, events_damaged, .file = str_c(file), .bytes = bytes);
}

static bool take_dirty(struct record *r)
{
    if (!r->board)
        return true;
    if (!board_load(&r->board->events_dirty))
        return false;
    board_store(&r->board->events_dirty, 0); /* before the files are looked at: what comes now is seen or sets it again */
    return true;
}

static void watch_backlog(struct record *r)
{
    uint64_t unread = event_merge_unread(r->merge);

    if (unread > UNREAD_ALERT && !r->alerted)
        event(r->events, events_backlog, .bytes = unread);
    r->alerted = unread > UNREAD_ALERT / 2 && (r->alerted || unread > UNREAD_ALERT);
}

/* --- the consolidated event log ------------------------------------------------------------------------------------ */

static void consolidate(struct record *r, const struct event_record *rec)
{
    const struct conf *conf = r->conf ? conf_now(r->conf) : NULL;
    char serial[80];
    struct cef_form form = {.classic = r->logs->classic};

    if (rec->type == EVENT_message_finished) { /* only then it is looked at */
        serial_in_dialect(str_c(r->logs->serial), form.classic, serial);
        form.serial = str_c(serial);
    }
    form.model = conf ? conf->logs.cef_model : str_lit(PRODUCT_MODEL_GATEWAY);
    if (conf)
        form.keys = conf->logs.cef_fields;
    buf_clear(&r->cef_line);
    if (cef_take(r->cef, &form, rec, &r->cef_line))
        subscriptions_add(r->logs, LOG_TYPE_CONSOLIDATED, buf_str(&r->cef_line));
}

/* The fold exists while somebody subscribes to it. */
static void wire_cef(struct record *r, struct str saved)
{
    bool wanted = subscriptions_have(r->logs, LOG_TYPE_CONSOLIDATED);

    if (wanted == (r->cef != NULL))
        return;
    cef_free(r->cef);
    r->cef = wanted ? cef_new() : NULL;
    if (wanted && saved.n && !cef_restore(r->cef, &saved)) {
        cef_free(r->cef);
        r->cef = cef_new();
    }
    r->cef_forgotten = 0;
}

static void tell_forgotten(struct record *r)
{
    uint64_t n = r->cef ? cef_forgotten(r->cef) : 0;

    if (n > r->cef_forgotten)
        event(r->events, consolidated_incomplete, .count = n - r->cef_forgotten);
    r->cef_forgotten = n;
}

/* --- a round -------------------------------------------------------------------------------------------------------- */

/* Lines of both kinds into their files; the events behind them are not read on until that was done. */
static bool write_all(struct record *r)
{
    bool done = subscriptions_write(r->logs, NULL) == RC_OK;

    done = exports_write(&r->exports, false, NULL) == RC_OK && done;
    return logfile_write(&r->dmarc.file, NULL) == RC_OK && done;
}

bool record_due(struct record *r)
{
    uint64_t now_s = clock_wall_ms() / 1000;
    bool rows = dmarc_rows_due(&r->dmarc, now_s), logs = subscriptions_due(r->logs, now_s);

    return rows || logs;
}

bool record_round(struct record *r, uint64_t now_ns)
{
    struct event_record rec;
    size_t n = 0;
    bool more = false;

    r->before_ms = r->now_ms;
    r->now_ms = now_ns / 1000000;
    if (r->stuck || r->unsaved) {
        r->stuck = !write_all(r);
        if (r->stuck)
            return false;
    }
    if (r->unsaved && (r->unsaved = record_save(r, NULL) != RC_OK))
        return false;
    event_merge_round(r->merge, now_ns);
    while (event_merge_next(r->merge, &rec)) {
        counters_apply(r->counters, &rec, r->now_ms);
        subscriptions_show(r->logs, &rec);
        exports_take(&r->exports, &rec);
        figures_take(&r->figures, &rec);
        if (r->cef)
            consolidate(r, &rec);
        if (rec.type == EVENT_dmarc_row)
            dmarc_rows_add(&r->dmarc, event_as(&rec, dmarc_row)->line);
        if (rec.type == EVENT_message_archived)
            subscriptions_archive(r->logs, event_as(&rec, message_archived));
        alerts_take(r->alerts, r->conf ? conf_now(r->conf) : NULL, r->logs->renderer, &rec, r->now_ms);
        if (rec.type != EVENT_status_line)
            r->active_ms = r->now_ms;
        if (++n % 64 == 0 && (n >= ROUND_EVENTS || subscriptions_waiting(r->logs) > ROUND_BYTES)) {
            more = true;
            break;
        }
    }
    watch_backlog(r);
    if (n) {
        r->changed = true;
        r->stuck = !write_all(r);
    }
    return more && !r->stuck;
}

struct status_view record_view(const struct record *r)
{
    const struct conf *conf = r->conf ? conf_now(r->conf) : NULL;

    return (struct status_view){.counters = r->counters,
                                .board = r->board,
                                .machine = &r->machine,
                                .wall_ms = clock_wall_ms(),
                                .mono_ms = clock_mono_ms(),
                                .born_ms = r->born_ms,
                                .modern = !r->logs->classic,
                                .suspended = conf ? conf->receiving.suspended : (struct strs){NULL, 0}};
}

static void status_due(struct record *r)
{
    const struct conf *conf = r->conf ? conf_now(r->conf) : NULL;
    uint64_t every_ms = conf ? conf->logs.measure_every * 1000 : 60000;
    struct buf line = BUF(8192);
    struct status_view v;

    if (r->now_ms - r->status_ms < every_ms)
        return;
    r->status_ms = r->now_ms;
    machine_read(&r->machine, r->board, r->log_dir);
    v = record_view(r);
    status_line(&v, &line);
    event(r->events, status_line, .values = buf_str(&line));
    tell_forgotten(r);
    buf_done(&line);
}

static void on_timer(void *ctx);

static void again_in(struct record *r, uint64_t ms)
{
    loop_timer_set(r->loop, &r->timer, ms, on_timer, r);
}

void record_save_soon(struct record *r)
{
    r->changed = true;
    r->saved_ms = 0;
    if (r->loop && !r->stopped)
        again_in(r, 0);
}

static void save_done_on_loop(void *ctx)
{
    struct record *r = ctx;

    save_done(r);
    if (r->save.rc != RC_OK || !r->save.roll || r->roll_refused)
        return;
    r->saved_ms = 0; /* the new files begin: say so at once */
    if (!r->stopped)
        again_in(r, 0);
}

/* Nothing new on the board: all that was emitted before the last tick is in files, and these are synced. */
static void quiet_tick(struct record *r, uint64_t now_ms)
{
    if (!r->changed && !r->save.running && r->board)
        board_store(&r->board->events_synced_ms, r->before_ms);
    r->before_ms = r->now_ms;
    r->now_ms = now_ms;
}

static uint64_t next_tick_ms(const struct record *r, bool more)
{
    if (more)
        return 0;
    return r->now_ms - r->active_ms > IDLE_AFTER_MS && !event_merge_holds(r->merge) ? IDLE_ROUND_MS : ROUND_MS;
}

/* Every tick: a round when there is news, a save a second after changes, the status line when it is due. A file that is due
 * for a roll-over is saved at once and gets nothing more before it, so a backlog does not make it much larger. */
static void on_timer(void *ctx)
{
    struct record *r = ctx;
    uint64_t now_ns = clock_mono_ns();
    bool due = record_due(r), wait = due && !r->roll_refused && !r->stuck && !r->unsaved, more = false;

    if (wait)
        ; /* neither clock of the rounds moves: what comes meanwhile is neither read nor synced */
    else if (take_dirty(r) || event_merge_holds(r->merge) || r->stuck || r->unsaved || r->unread)
        more = r->unread = record_round(r, now_ns);
    else
        quiet_tick(r, now_ns / 1000000);
    status_due(r);
    if ((wait || (r->now_ms - r->saved_ms >= SAVE_MS &&
                  (r->changed || due || exports_due(&r->exports) || figures_due(&r->figures)))) &&
        save_begin(r))
        loop_work(r->loop, save_work, save_done_on_loop, r);
    again_in(r, next_tick_ms(r, more));
}

/* --- life ---------------------------------------------------------------------------------------------------------- */

static void settings_changed(void *ctx, const struct conf *now, const struct conf *old)
{
    struct record *r = ctx;

    (void)old;
    subscriptions_apply(r->logs, now, state_log, &r->saved);
    wire_cef(r, STR_NONE);
    dmarc_rows_apply(&r->dmarc, now, NULL);
    exports_apply(&r->exports, now);
    figures_apply(&r->figures, now);
    track_apply(r);
    r->changed = true;
    r->saved_ms = 0; /* the lengths of new files, soon */
}

static void on_rolled(void *ctx, const struct subscription *one)
{
    struct record *r = ctx;

    if (r->bus)
        bus_send_all(r->bus, ROLE_push, BUS_log_rolled, &(struct bus_log_rolled){.name = str_c(one->name)});
}

static void on_dropped(void *ctx, const struct subscription *one, size_t files)
{
    struct record *r = ctx;

    event(r->events, log_files_dropped, .log = str_c(one->name), .files = files);
}

static void on_pushed(void *ctx, const struct bus_in *in)
{
    struct record *r = ctx;
    const struct bus_log_pushed *m = in->msg;

    subscriptions_unlink(r->logs, m->name, m->file, NULL); /* when it fails, push says so again */
}

static char *join(const char *home, const char *rest)
{
    char path[512];
    char *copy;

    snprintf(path, sizeof path, "%s/%s", home, rest);
    must((copy = strdup(path)));
    return copy;
}

static void start_state(struct record *r)
{
    struct err e = ERR_NONE;
    enum rc rc = state_read(r->state_path, r->merge, r->counters, &r->saved, &e);

    if (rc != RC_OK && rc != RC_NOT_FOUND)
        event(r->events, events_damaged, .file = str_lit("record.state"), .bytes = r->saved.content.n);
    r->born_ms = r->board ? r->board->born_ms : clock_wall_ms();
    if (rc == RC_OK && r->saved.born_ms == r->born_ms)
        return;
    counters_begin_uptime(r->counters);
    event(r->events, system_starting, .version = 0);
}

static void on_own(void *ctx, uint64_t number, const struct event_record *ev)
{
    struct record *r = ctx;

    imports_own(r->imports, number, ev);
}

static void start_stores(struct record *r, const char *home)
{
    const struct conf *conf = r->conf ? conf_now(r->conf) : NULL;

    exports_init(&r->exports, home, r->events, conf, r->saved.exports);
    r->imports = imports_new(r, home);
    contacts_begin(&r->contacts, r->bus);
    r->exports.added = on_own;
    r->exports.added_ctx = r;
    figures_init(&r->figures, r->exports.gateway ? imports_reporting(r->imports) : NULL, r->exports.epoch, r->saved.figures);
    figures_apply(&r->figures, conf);
}

struct record *record_new(struct loop *loop, struct bus *bus, struct conf_source *conf, struct events *events,
                          struct board *board, const char *home)
{
    struct record *r = calloc(1, sizeof *r);
    char *dir = join(home, "events");

    must(r);
    r->loop = loop;
    r->bus = bus;
    r->conf = conf;
    r->events = events;
    r->board = board;
    r->save.content = BUF(64 << 20);
    r->save.part = BUF(1 << 20);
    r->save.figures = BUF(32 << 20);
    r->cef_line = BUF(1 << 20);
    r->state_path = join(home, "events/record.state");
    r->log_dir = join(home, "log");
    mkdir(dir, 0750);
    r->merge = event_merge_new(dir);
    event_merge_on_damage(r->merge, on_damage, r);
    dmarc_rows_init(&r->dmarc, dir);
    free(dir);
    track_init(r, home);
    r->dmarc_send = dmarc_send_new(loop, bus, conf, events, r->dmarc.file.dir);
    r->counters = counters_new();
    r->logs = subscriptions_new(r->log_dir);
    r->logs->rolled = on_rolled;
    r->logs->dropped = on_dropped;
    r->logs->ctx = r;
    r->alerts = alerts_new(loop, bus, events);
    r->now_ms = r->before_ms = r->status_ms = r->active_ms = clock_mono_ms();
    start_state(r);
    subscriptions_apply(r->logs, conf ? conf_now(conf) : NULL, state_log, &r->saved);
    wire_cef(r, r->saved.cef);
    dmarc_rows_apply(&r->dmarc, conf ? conf_now(conf) : NULL, &r->saved.dmarc);
    start_stores(r, home);
    state_done(&r->saved);
    machine_read(&r->machine, board, r->log_dir);
    r->unsaved = record_save(r, NULL) != RC_OK;
    if (bus) {
        verbs_register(r);
        bus_on(bus, BUS_log_pushed, on_pushed, r);
    }
    if (conf)
        conf_on_change(conf, settings_changed, r);
    if (loop) {
        if (board)
            board_store(&board->events_dirty, 1);
        again_in(r, 0);
        dmarc_send_look(r->dmarc_send);
        imports_look(r->imports);
    }
    return r;
}

static void stop_when_saved(void *ctx)
{
    struct record *r = ctx;
    uint64_t now_ns = clock_mono_ns();

    if (r->save.running || export_verbs_busy(r) || imports_busy(r->imports) || report_verbs_busy(r) || !track_idle(r) ||
        !dmarc_send_stop(r->dmarc_send)) {
        loop_timer_set(r->loop, &r->timer, STOP_POLL_MS, stop_when_saved, r);
        return;
    }
    events_flush(r->events);
    record_round(r, now_ns); /* twice: the second gives what the first held back */
    while (record_round(r, clock_mono_ns()))
        ;
    record_save(r, NULL);
    r->stopped(r->stopped_ctx);
}

void record_stop(struct record *r, void (*stopped)(void *ctx), void *ctx)
{
    imports_stop(r->imports);
    r->stopped = stopped;
    r->stopped_ctx = ctx;
    stop_when_saved(r);
}

void record_free(struct record *r)
{
    if (!r)
        return;
    if (r->loop)
        loop_timer_cancel(r->loop, &r->timer);
    event_merge_free(r->merge);
    counters_free(r->counters);
    alerts_free(r->alerts);
    cef_free(r->cef);
    dmarc_rows_done(&r->dmarc);
    dmarc_send_free(r->dmarc_send);
    buf_done(&r->cef_line);
    subscriptions_free(r->logs);
    export_verbs_done(r);
    report_verbs_done(r);
    figures_done(&r->figures);
    imports_done(r->imports);
    contacts_done(&r->contacts);
    exports_done(&r->exports);
    track_done(r);
    buf_done(&r->save.content);
    buf_done(&r->save.part);
    buf_done(&r->save.figures);
    free(r->state_path);
    free(r->log_dir);
    free(r);
}
