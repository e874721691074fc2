/*
 * Log subscriptions. See subscription.h.
 *
 * Called by record.c. Owns the renderer and the open log files. A subscription that the settings no longer name is closed
 * and its files stay. Bad schedules and names are refused by conf_check(); here they mean "none".
 */
#include "record/subscription.h"

#include "base/clock.h"
#include "base/io.h"
#include "base/must.h"
#include "conf/product.h"

#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <time.h>

enum { DEFAULT_SIZE = 10 << 20, DEFAULT_FILES = 10, PUSHED_FILES = 10 };

struct subscriptions *subscriptions_new(const char *dir)
{
    struct subscriptions *s = calloc(1, sizeof *s);

    must(s && (s->dir = strdup(dir)));
    s->shape = UINT64_MAX;
    mkdir(dir, 0750);
    return s;
}

static void subscription_free(struct subscription *one)
{
    logfile_done(&one->file);
    free(one);
}

void subscriptions_free(struct subscriptions *s)
{
    if (!s)
        return;
    for (size_t i = 0; i < s->n; i++)
        subscription_free(s->items[i]);
    renderer_free(s->renderer);
    free(s->dir);
    free(s);
}

/* --- framing lines (logs.md 3) ------------------------------------------------------------------------------------- */

void serial_in_dialect(struct str serial, bool classic, char out[80])
{
    size_t dash = str_find(serial, '-');

    if (classic && dash < serial.n)
        snprintf(out, 80, "%.*s-%.*s", STR(str_first(str_first(serial, dash), 12)),
                 STR(str_first(str_from(serial, dash + 1), 7)));
    else
        snprintf(out, 80, "%.*s", STR(serial));
}

static long utc_offset_s(uint64_t wall_ms)
{
    time_t t = (time_t)(wall_ms / 1000);
    struct tm tm;

    localtime_r(&t, &tm);
    return tm.tm_gmtoff;
}

static void frame(struct subscription *one, struct buf *out, const char *text)
{
    uint64_t now_ms = clock_wall_ms();

    buf_add(out, render_date(one->owner->renderer, now_ms));
    buf_addf(out, "Info: %s\n", text);
}

static void first_lines(void *ctx, struct buf *out)
{
    struct subscription *one = ctx;
    char text[160], serial[80];

    if (!(1ull << one->type & LOG_FRAMED))
        return;
    serial_in_dialect(str_c(one->owner->serial), one->owner->classic, serial);
    frame(one, out, "Begin Logfile");
    snprintf(text, sizeof text, "Version: " PRODUCT_VERSION "-" PRODUCT_BUILD " SN: %s", serial);
    frame(one, out, text);
    snprintf(text, sizeof text, "Time offset from UTC: %ld seconds", utc_offset_s(clock_wall_ms()));
    frame(one, out, text);
}

static void last_line(void *ctx, struct buf *out)
{
    struct subscription *one = ctx;

    if (1ull << one->type & LOG_FRAMED)
        frame(one, out, "End Logfile");
}

/* --- the set ------------------------------------------------------------------------------------------------------ */

struct wanted {
    struct str name, stem;
    enum log_type type;
    enum event_level level;
    uint64_t size, max_files;
    struct str rollover;
    bool pushed;
};

static struct subscription *take_old(struct subscriptions *s, const struct wanted *w)
{
    for (size_t i = 0; i < s->n; i++) {
        struct subscription *one = s->items[i];

        if (one && str_eq(w->name, str_c(one->name)) && str_eq(w->stem, str_c(one->file.stem))) {
            s->items[i] = NULL;
            return one;
        }
    }
    return NULL;
}

static struct subscription *make(struct subscriptions *s, const struct wanted *w, subscription_saved_fn *saved, void *ctx)
{
    struct subscription *one = calloc(1, sizeof *one);
    char dir[600];

    must(one);
    snprintf(one->name, sizeof one->name, "%.*s", STR(w->name));
    one->owner = s;
    one->type = w->type;
    snprintf(dir, sizeof dir, "%s/%s", s->dir, one->name);
    logfile_init(&one->file, dir, w->stem);
    one->file.first_lines = first_lines;
    one->file.last_line = last_line;
    one->file.ctx = one;
    logfile_open(&one->file, saved ? saved(ctx, one->name, one->file.stem) : NULL, NULL);
    return one;
}

static void want(struct subscriptions *s, struct subscription **next, size_t *n, struct wanted *w,
                 subscription_saved_fn *saved, void *ctx)
{
    char stem[LOGFILE_STEM];
    struct subscription *one;

    log_stem(w->name, w->stem, stem);
    w->stem = str_c(stem);
    if (!log_name_safe(w->name) || *n == SUBSCRIPTIONS_MOST)
        return;
    one = take_old(s, w);
    if (!one)
        one = make(s, w, saved, ctx);
    one->type = w->type;
    one->level = w->level;
    one->size = w->size;
    one->max_files = w->max_files;
    one->pushed = w->pushed;
    one->schedule = (struct schedule){0};
    schedule_parse(w->rollover, &one->schedule, NULL);
    one->due_s = schedule_due(&one->schedule, one->file.state.start_s);
    next[(*n)++] = one;
}

static void shape_renderer(struct subscriptions *s, const struct conf *conf)
{
    uint64_t on = IF_SUBJECT | IF_MESSAGE_ID | IF_RESPONSE;
    enum log_dialect dialect = DIALECT_MODERN;

    if (conf) {
        dialect = conf->logs.dialect == DIALECT_CLASSIC ? DIALECT_CLASSIC : DIALECT_MODERN;
        on = (conf->logs.original_subject ? IF_SUBJECT : 0ull) | (conf->logs.message_id ? IF_MESSAGE_ID : 0ull) |
             (conf->logs.remote_response ? IF_RESPONSE : 0ull) | (conf->logs.status_in_mail_logs ? IF_STATUS_IN_MAIL : 0ull);
    }
    s->classic = dialect == DIALECT_CLASSIC;
    if (s->renderer && s->shape == (on | dialect))
        return;
    renderer_free(s->renderer);
    s->renderer = renderer_new(dialect, on);
    s->shape = on | dialect;
}

static void index_types(struct subscriptions *s)
{
    for (unsigned type = EVENT_NONE + 1; type < EVENT_TYPE_COUNT; type++) {
        uint64_t logs = renderer_logs(s->renderer, (enum event_type)type);

        s->shown[type] = 0;
        for (size_t i = 0; i < s->n; i++)
            if (logs & 1ull << s->items[i]->type && event_info(type)->level <= s->items[i]->level)
                s->shown[type] |= 1ull << i;
    }
}

void subscriptions_apply(struct subscriptions *s, const struct conf *conf, subscription_saved_fn *saved, void *ctx)
{
    struct subscription *next[SUBSCRIPTIONS_MOST];
    size_t n = 0, n_conf = conf ? conf->log.n : 0;

    shape_renderer(s, conf);
    if (conf)
        snprintf(s->serial, sizeof s->serial, "%.*s", STR(conf->system.serial));
    if (!s->serial[0])
        snprintf(s->serial, sizeof s->serial, "000000000000-0000000");
    for (size_t i = 0; i < n_conf; i++) {
        const struct conf_log *l = &conf->log.items[i];

        want(s, next, &n,
             &(struct wanted){l->name, l->file, (enum log_type)l->type, (enum event_level)l->level, l->size, l->max_files,
                              l->rollover, l->retrieval == LOG_RETRIEVAL_FTP || l->retrieval == LOG_RETRIEVAL_SCP},
             saved, ctx);
    }
    for (size_t i = 0; !n_conf && log_default(i); i++) {
        const struct log_default *d = log_default(i);

        if (conf && conf->system.role ? d->manager : d->gateway)
            want(s, next, &n,
                 &(struct wanted){str_c(d->name), STR_NONE, d->type, d->level, DEFAULT_SIZE, DEFAULT_FILES, STR_NONE, false},
                 saved, ctx);
    }
    for (size_t i = 0; i < s->n; i++)
        if (s->items[i]) {
            logfile_write(&s->items[i]->file, NULL);
            subscription_free(s->items[i]);
        }
    memcpy(s->items, next, n * sizeof *next);
    s->n = n;
    index_types(s);
}

/* --- lines -------------------------------------------------------------------------------------------------------- */

void subscriptions_show(struct subscriptions *s, const struct event_record *ev)
{
    for (uint64_t left = s->shown[ev->type]; left; left &= left - 1) {
        struct subscription *one = s->items[__builtin_ctzll(left)];

        render_line(s->renderer, one->type, ev, &one->file.out);
    }
}

bool subscriptions_have(const struct subscriptions *s, enum log_type type)
{
    bool any = false;

    for (size_t i = 0; i < s->n; i++)
        any = any || s->items[i]->type == type;
    return any;
}

void subscriptions_add(struct subscriptions *s, enum log_type type, struct str line)
{
    for (size_t i = 0; i < s->n; i++) {
        struct subscription *one = s->items[i];

        if (one->type != type || one->level < LEVEL_INFO)
            continue;
        buf_add(&one->file.out, line);
        buf_addc(&one->file.out, '\n');
    }
}

void subscriptions_archive(struct subscriptions *s, const struct event_message_archived *one)
{
    static const enum log_type types[] = {LOG_TYPE_ASARCHIVE, LOG_TYPE_AVARCHIVE, LOG_TYPE_GRAYARCHIVE};
    const struct str pieces[] = {one->a, one->b, one->c, one->d, one->e, one->f, one->g, one->h};

    for (size_t i = 0; one->archive < sizeof types / sizeof *types && i < s->n; i++)
        if (s->items[i]->type == types[one->archive])
            for (size_t k = 0; k < sizeof pieces / sizeof *pieces; k++)
                buf_add(&s->items[i]->file.out, pieces[k]);
}

size_t subscriptions_waiting(const struct subscriptions *s)
{
    size_t n = 0;

    for (size_t i = 0; i < s->n; i++)
        n += s->items[i]->file.out.n;
    return n;
}

enum rc subscriptions_write(struct subscriptions *s, struct err *e)
{
    enum rc worst = RC_OK;

    for (size_t i = 0; i < s->n; i++) {
        enum rc rc = logfile_write(&s->items[i]->file, e);

        worst = rc == RC_OK ? worst : rc;
    }
    return worst;
}

/* --- roll-over ----------------------------------------------------------------------------------------------------- */

/* A file without a line stays. */
static bool is_due(const struct subscription *one, uint64_t now_s)
{
    if (!one->file.state.length && !one->file.state.roll_to_s)
        return false;
    return one->roll_now || one->file.state.length >= one->size || now_s >= one->due_s;
}

bool subscriptions_due(struct subscriptions *s, uint64_t now_s)
{
    bool any = false;

    for (size_t i = 0; i < s->n; i++) {
        struct subscription *one = s->items[i];

        if (!one->file.state.length && now_s >= one->due_s)
            one->due_s = schedule_due(&one->schedule, now_s); /* an empty file waits for the next time */
        any = any || is_due(one, now_s);
    }
    return any;
}

bool subscriptions_roll_begin(struct subscriptions *s, uint64_t now_s)
{
    bool any = false;

    for (size_t i = 0; i < s->n; i++) {
        struct subscription *one = s->items[i];

        if (is_due(one, now_s)) {
            if (!one->file.state.roll_to_s)
                logfile_roll_begin(&one->file, now_s);
        }
        one->roll_now = false;
        any = any || one->file.state.roll_to_s;
    }
    return any;
}

/* What is pushed as files stays until it was: far more files than the setting says, but not without end. */
static void prune(const struct subscriptions *s, const struct subscription *one)
{
    size_t n = logfile_prune(&one->file, (size_t)one->max_files * (one->pushed ? PUSHED_FILES : 1));

    if (n && one->pushed && s->dropped)
        s->dropped(s->ctx, one, n);
}

size_t subscriptions_roll(struct subscriptions *s)
{
    size_t done = 0;

    for (size_t i = 0; i < s->n; i++) {
        struct subscription *one = s->items[i];

        if (!one->file.state.roll_to_s || one->file.out.n || logfile_roll(&one->file, NULL) != RC_OK)
            continue;
        one->due_s = schedule_due(&one->schedule, one->file.state.start_s);
        prune(s, one);
        if (s->rolled)
            s->rolled(s->ctx, one);
        done++;
    }
    return done;
}

bool subscriptions_roll_now(struct subscriptions *s, struct str name)
{
    bool all = !name.n || str_eqi(name, str_lit("all")) || str_eqi(name, str_lit("All Logs")), found = all;
    uint64_t number;

    for (size_t i = 0; i < s->n; i++)
        if (all || str_eqi(name, str_c(s->items[i]->name)))
            found = s->items[i]->roll_now = true;
    if (!found && str_u64(name, &number) && number > 0 && number <= s->n)
        found = s->items[number - 1]->roll_now = true;
    return found;
}

enum rc subscriptions_unlink(struct subscriptions *s, struct str name, struct str file, struct err *e)
{
    char path[1000];

    for (size_t i = 0; i < s->n; i++) {
        const struct subscription *one = s->items[i];

        if (!one->pushed || !str_eq(name, str_c(one->name)))
            continue;
        if (str_find(file, '/') < file.n || !log_saved_name(file, NULL))
            return err_set(e, RC_INVALID, "not the name of a saved file");
        snprintf(path, sizeof path, "%s/%.*s", one->file.dir, STR(str_first(file, 300)));
        return io_unlink("log.pushed", path, e);
    }
    return err_set(e, RC_NOT_FOUND, "no such log is pushed");
}
