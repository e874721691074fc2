/*
 * Rounds, saves and verbs of role `record`. See record.h.
 *
 * Called by role/main_record.c and tests. Owns the merge, the counters, the subscriptions and the state file. A disk that takes
 * no log lines stops the reading of events until it does; the events wait in their files. Own events (status line, damage) go
 * through the same files as everyone's.
 */
#include "record/record.h"

#include "base/clock.h"
#include "base/io.h"
#include "base/must.h"
#include "event/merge.h"
#include "record/machine.h"
#include "record/state.h"
#include "record/status.h"

#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

enum { ROUND_MS = 100, IDLE_ROUND_MS = 1000, IDLE_AFTER_MS = 30000, SAVE_MS = 1000, ROUND_EVENTS = 50000, ROUND_BYTES = 4 << 20 };
enum { SYNC_MOST = 128, STOP_POLL_MS = 10 };
static const uint64_t UNREAD_ALERT = 256ull << 20; /* F5 */

/* One save: filled on the loop, carried out in the thread pool, finished on the loop. */
struct save {
    bool running;
    struct buf content;
    int fds[SYNC_MOST];
    size_t n_fds;
    uint64_t events_to_ms;   /* what was emitted before this will be on stable storage */
    bool roll;               /* roll-overs are named in the content: do them when it is stored */
    enum rc rc;
    struct err e;
};

struct record {
    struct loop *loop;
    struct bus *bus;
    struct conf_source *conf;
    struct events *events;
    struct board *board;
    char *state_path, *log_dir;
    struct event_merge *merge;
    struct counters *counters;
    struct subscriptions *logs;
    struct machine_load machine;
    struct saved_state saved;        /* only while starting */
    struct save save;
    struct loop_timer timer;
    uint64_t born_ms;
    uint64_t now_ms, before_ms;      /* begin of this round and of the one before */
    uint64_t saved_ms, status_ms, active_ms;
    bool changed;                    /* since the last save */
    bool stuck;                      /* lines could not be written */
    bool unsaved;                    /* the lengths of files opened at start are not saved yet: nothing may be added to them */
    bool alerted;
    void (*stopped)(void *ctx);
    void *stopped_ctx;
};

/* --- saving -------------------------------------------------------------------------------------------------------- */

static void collect_unsynced(struct record *r)
{
    struct save *s = &r->save;

    s->n_fds = event_merge_unsynced(r->merge, s->fds, SYNC_MOST - SUBSCRIPTIONS_MOST);
    for (size_t i = 0; i < r->logs->n; i++) {
        struct logfile *l = &r->logs->items[i]->file;
        int fd = l->unsynced && l->fd >= 0 ? dup(l->fd) : -1;

        l->unsynced = false;
        if (fd >= 0)
            s->fds[s->n_fds++] = fd;
    }
}

/* False while lines wait: then the position would be ahead of the logs. */
static bool save_begin(struct record *r)
{
    struct save *s = &r->save;

    if (s->running || r->stuck || subscriptions_waiting(r->logs))
        return false;
    s->running = true;
    s->roll = subscriptions_roll_begin(r->logs, clock_wall_ms() / 1000);
    s->events_to_ms = r->before_ms;
    s->rc = RC_OK;
    buf_clear(&s->content);
    state_build(r->merge, r->counters, r->logs, r->born_ms, &s->content);
    collect_unsynced(r);
    r->changed = false;
    r->saved_ms = r->now_ms;
    return true;
}

/* In the thread pool: touches nothing but the save. */
static void save_work(void *ctx)
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
}

static void save_done(void *ctx)
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
    if (s->roll) {
        subscriptions_roll(r->logs); /* one that the disk refuses is tried again after the next save */
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

bool record_round(struct record *r, uint64_t now_ns)
{
    struct event_record rec;
    struct err e = ERR_NONE;
    size_t n = 0;
    bool more = false;

    r->before_ms = r->now_ms;
    r->now_ms = now_ns / 1000000;
    if (r->stuck || r->unsaved) {
        r->stuck = subscriptions_write(r->logs, &e) != RC_OK;
        if (r->stuck)
            return false;
    }
    if (r->unsaved && (r->unsaved = record_save(r, NULL) != RC_OK))
        return false;
    event_merge_round(r->merge, now_ns);
    while (event_merge_next(r->merge, &rec)) {
        counters_apply(r->counters, &rec, r->now_ms);
        subscriptions_show(r->logs, &rec);
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
        r->stuck = subscriptions_write(r->logs, &e) != RC_OK;
    }
    return more && !r->stuck;
}

static struct status_view view(struct record *r)
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
    v = view(r);
    status_line(&v, &line);
    event(r->events, status_line, .values = buf_str(&line));
    buf_done(&line);
}

static void on_timer(void *ctx);

static void again_in(struct record *r, uint64_t ms)
{
    loop_timer_set(r->loop, &r->timer, ms, on_timer, r);
}

static void save_done_on_loop(void *ctx)
{
    struct record *r = ctx;

    save_done(r);
    if (r->save.rc == RC_OK && r->changed && r->save.roll)
        r->saved_ms = 0; /* the new files begin: say so at once */
}

/* Every tick: a round when there is news, a save a second after changes, the status line when it is due. */
static void on_timer(void *ctx)
{
    struct record *r = ctx;
    uint64_t now_ns = clock_mono_ns(), now_ms = now_ns / 1000000;
    bool more = false;

    if (take_dirty(r) || event_merge_holds(r->merge) || r->stuck || r->unsaved) {
        more = record_round(r, now_ns);
    } else {
        if (!r->changed && !r->save.running && r->board)
            board_store(&r->board->events_synced_ms, r->before_ms);
        r->before_ms = r->now_ms;
        r->now_ms = now_ms;
    }
    status_due(r);
    if (r->now_ms - r->saved_ms >= SAVE_MS && (r->changed || subscriptions_due(r->logs, clock_wall_ms() / 1000)) && save_begin(r))
        loop_work(r->loop, save_work, save_done_on_loop, r);
    again_in(r, more ? 0 : now_ms - r->active_ms > IDLE_AFTER_MS && !event_merge_holds(r->merge) ? IDLE_ROUND_MS : ROUND_MS);
}

/* --- verbs --------------------------------------------------------------------------------------------------------- */

struct answer {
    enum rc rc;
    struct buf text, json;
};

static void verb_status(struct record *r, struct str user, struct str arg, struct answer *a)
{
    struct status_view v;

    (void)user;
    machine_read(&r->machine, r->board, r->log_dir);
    v = view(r);
    status_text(&v, str_eqi(arg, str_lit("detail")), &a->text);
    status_json(&v, &a->json);
}

bool record_roll_now(struct record *r, struct str name)
{
    if (!subscriptions_roll_now(r->logs, name))
        return false;
    r->changed = true;
    r->saved_ms = 0;
    return true;
}

static void verb_rollovernow(struct record *r, struct str user, struct str arg, struct answer *a)
{
    (void)user;
    if (!record_roll_now(r, arg)) {
        a->rc = RC_NOT_FOUND;
        buf_addf(&a->text, "There is no log named %.*s.\n", STR(arg));
        return;
    }
    buf_add(&a->text, arg.n && !str_eqi(arg, str_lit("all")) ? str_lit("Log file rolled over.\n") : str_lit("All logs rolled over.\n"));
}

static void verb_resetcounters(struct record *r, struct str user, struct str arg, struct answer *a)
{
    (void)arg;
    event(r->events, counters_reset, .user = user);
    buf_add(&a->text, str_lit("Counters reset.\n"));
}

static const struct {
    const char *name;
    void (*fn)(struct record *r, struct str user, struct str arg, struct answer *a);
} verbs[] = {{"status", verb_status}, {"rollovernow", verb_rollovernow}, {"resetcounters", verb_resetcounters}};

static void on_verb(void *ctx, const struct bus_in *in)
{
    struct record *r = ctx;
    const struct bus_verb_call *call = in->msg;
    struct str args = call->args, arg = STR_NONE;
    struct answer a = {.rc = RC_UNKNOWN_COMMAND, .text = BUF(1 << 20), .json = BUF(1 << 20)};
    struct bus_verb_reply reply;

    get_str(&args, &arg);
    for (size_t i = 0; i < sizeof verbs / sizeof *verbs; i++)
        if (str_eq(call->verb, str_c(verbs[i].name))) {
            a.rc = RC_OK;
            verbs[i].fn(r, call->user, arg, &a);
        }
    reply = (struct bus_verb_reply){.rc = a.rc, .text = buf_str(&a.text), .json = buf_str(&a.json)};
    bus_reply(r->bus, in->from, in->call, BUS_verb_reply, &reply);
    buf_done(&a.text);
    buf_done(&a.json);
}

/* --- life ---------------------------------------------------------------------------------------------------------- */

static void settings_changed(void *ctx, const struct conf *now, const struct conf *old)
{
    struct record *r = ctx;

    (void)old;
    subscriptions_apply(r->logs, now, state_log, &r->saved);
    r->changed = true;
    r->saved_ms = 0; /* the lengths of new files, soon */
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

struct record *record_new(struct loop *loop, struct bus *bus, struct conf_source *conf, struct events *events, struct board *board,
                          const char *home)
{
    struct record *r = calloc(1, sizeof *r);
    char *dir = join(home, "events");

    must(r);
    r->loop = loop;
    r->bus = bus;
    r->conf = conf;
    r->events = events;
    r->board = board;
    r->save.content = BUF(8 << 20);
    r->state_path = join(home, "events/record.state");
    r->log_dir = join(home, "log");
    mkdir(dir, 0750);
    r->merge = event_merge_new(dir);
    free(dir);
    event_merge_on_damage(r->merge, on_damage, r);
    r->counters = counters_new();
    r->logs = subscriptions_new(r->log_dir);
    r->now_ms = r->before_ms = r->status_ms = r->active_ms = clock_mono_ms();
    start_state(r);
    subscriptions_apply(r->logs, conf ? conf_now(conf) : NULL, state_log, &r->saved);
    state_done(&r->saved);
    machine_read(&r->machine, board, r->log_dir);
    r->unsaved = record_save(r, NULL) != RC_OK;
    if (bus)
        bus_on(bus, BUS_verb_call, on_verb, r);
    if (conf)
        conf_on_change(conf, settings_changed, r);
    if (loop) {
        if (board)
            board_store(&board->events_dirty, 1);
        again_in(r, 0);
    }
    return r;
}

static void stop_when_saved(void *ctx)
{
    struct record *r = ctx;
    uint64_t now_ns = clock_mono_ns();

    if (r->save.running) {
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
    subscriptions_free(r->logs);
    buf_done(&r->save.content);
    free(r->state_path);
    free(r->log_dir);
    free(r);
}
