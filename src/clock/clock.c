/*
 * The room's centre: keeps chronyd running with the right files, tells what it finds, answers control. See clock.h.
 *
 * Called by main_clock.c. Owns the child and the files below HOME/clock. chronyd is started anew when its files change and
 * when it ends by itself. Without the right to set the clock (and in the laboratory) it only watches, and that is an event.
 */
#include "clock/clock.h"

#include "base/io.h"
#include "base/must.h"
#include "clock/config.h"
#include "clock/report.h"
#include "net/child.h"

#include <errno.h>
#include <limits.h>
#include <linux/capability.h>
#include <pwd.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/syscall.h>
#include <unistd.h>

enum { FILE_MAX = 65536, LOOK_SOON_MS = 5000, LOOK_MS = 30000, SOON_MS = 60000, PATIENCE_MS = 10000, ASK_MS = 3000 };
#define CHRONYD "/usr/sbin/chronyd"
#define CHRONYC "/usr/bin/chronyc"

struct clock {
    struct clock_options o;
    struct child *child;
    struct loop_timer timer;
    struct buf running; /* both files as chronyd was started with */
    bool watches, told; /* chronyd does not set the clock, and that was said */
    bool looking;       /* a chronyc is out */
    uint64_t began_ms;
    struct {
        char name[CLOCK_NAME];
        bool lost;
    } servers[CLOCK_SOURCES]; /* what was told of each */
    size_t n_servers;
};

/* A question of control that waits for chronyc. */
struct question {
    struct clock *clock;
    struct bus_peer *from;
    uint64_t call;
};

static void path_of(const struct clock *k, const char *name, char out[PATH_MAX])
{
    snprintf(out, PATH_MAX, "%s/clock/%s", k->o.home, name);
}

/* --- what chronyd finds -------------------------------------------------------------------------------------------- */

static void ask(struct clock *k, void (*done)(void *ctx, int status, struct str output), void *ctx)
{
    char socket[PATH_MAX];
    const struct child_program program = {
        .words = {CHRONYC, "-c", "-N", "-h", socket, "-m", "tracking", "sources"},
        .environment = {"LC_ALL=C"},
    };

    path_of(k, "chronyd.sock", socket);
    child_run(k->o.loop, &program, ASK_MS, done, ctx);
}

static size_t server_of(struct clock *k, const char *name)
{
    for (size_t i = 0; i < k->n_servers; i++)
        if (strcmp(k->servers[i].name, name) == 0)
            return i;
    if (k->n_servers == CLOCK_SOURCES)
        k->n_servers = 0; /* names that came and went: begin again */
    snprintf(k->servers[k->n_servers].name, CLOCK_NAME, "%s", name);
    k->servers[k->n_servers].lost = false;
    return k->n_servers++;
}

static void tell_source(struct clock *k, const struct clock_source *s)
{
    size_t i = server_of(k, s->name);
    bool lost = s->reach == 0;

    if (lost == k->servers[i].lost)
        return;
    k->servers[i].lost = lost;
    if (lost)
        event(k->o.events, clock_unreachable, .server = str_c(s->name));
    else
        event(k->o.events, clock_reached, .server = str_c(s->name));
}

static void looked(void *ctx, int status, struct str output)
{
    struct clock *k = ctx;
    struct clock_report r;

    k->looking = false;
    if (status != 0 || loop_now_ms(k->o.loop) - k->began_ms < PATIENCE_MS)
        return;
    clock_report_read(output, &r);
    for (size_t i = 0; i < r.n; i++)
        tell_source(k, &r.sources[i]);
}

static void look(void *ctx)
{
    struct clock *k = ctx;
    bool soon = loop_now_ms(k->o.loop) - k->began_ms < SOON_MS;

    loop_timer_set(k->o.loop, &k->timer, soon ? LOOK_SOON_MS : LOOK_MS, look, k);
    if (k->looking || !child_pid(k->child))
        return;
    k->looking = true;
    ask(k, looked, k);
}

/* "2026-11-29T04:21:33Z Selected source 192.0.2.1 (ntp.example.org)" */
static void on_line(void *ctx, struct str line)
{
    static const struct str selected = str_lit("Selected source ");
    struct clock *k = ctx;
    size_t at = str_find_str(line, selected);

    if (at < line.n)
        event(k->o.events, clock_synchronised, .server = str_from(line, at + selected.n));
    else if (str_find_str(line, str_lit("Can't synchronise")) < line.n)
        event(k->o.events, clock_lost, .none = 0);
}

/* --- chronyd ------------------------------------------------------------------------------------------------------- */

static bool may_set_clock(void)
{
    struct __user_cap_header_struct head = {.version = _LINUX_CAPABILITY_VERSION_3};
    struct __user_cap_data_struct data[2] = {0};

    return syscall(SYS_capget, &head, data) == 0 && (data[0].effective & (1u << CAP_SYS_TIME));
}

/* A file that a killed chronyd left would stop the next one when another process has its number now. */
static void prepare(void *ctx)
{
    struct clock *k = ctx;
    char path[PATH_MAX];

    path_of(k, "chronyd.pid", path);
    if (access(path, F_OK) == 0)
        io_unlink("clock.pid", path, NULL);
    k->began_ms = loop_now_ms(k->o.loop);
    k->n_servers = 0;
}

static void began(void *ctx, int pid)
{
    struct clock *k = ctx;

    event(k->o.events, daemon_ready, .name = str_lit("chronyd"), .pid = (uint64_t)pid);
}

static void died(void *ctx, const char *how, struct str last_line, uint64_t restart_ms)
{
    struct clock *k = ctx;

    event(k->o.events, daemon_died, .name = str_lit("chronyd"), .how = str_c(how), .said = last_line,
          .restart_ms = restart_ms);
}

static void run_chronyd(struct clock *k)
{
    const struct conf *c = conf_now(k->o.conf);
    const struct passwd *user = getpwuid(geteuid());
    const char *why = c->system.lab ? "laboratory" : !c->ntp.adjust ? NULL : may_set_clock() ? NULL : "no right to set it";
    struct child_program program = {
        .words = {CHRONYD, "-d", "-U", "-u", user ? user->pw_name : "root", "-f", NULL},
        .environment = {"LC_ALL=C"},
    };
    char path[PATH_MAX];

    path_of(k, "chrony.conf", path);
    program.words[6] = path;
    k->watches = why || !c->ntp.adjust;
    if (k->watches)
        program.words[7] = "-x";
    if (why && !k->told)
        event(k->o.events, clock_watches, .why = str_c(why));
    k->told = why != NULL;
    child_start(k->child, &program);
}

static enum rc write_files(struct clock *k, struct str config, struct str keys, struct err *e)
{
    char path[PATH_MAX];

    path_of(k, "chrony.keys", path);
    TRY(io_replace_file("clock.keys", path, keys, e));
    path_of(k, "chrony.conf", path);
    return io_replace_file("clock.config", path, config, e);
}

static void wipe(struct buf *b)
{
    if (b->p)
        explicit_bzero(b->p, b->cap);
    buf_done(b);
}

static void on_change(void *ctx, const struct conf *now, const struct conf *old)
{
    struct clock *k = ctx;
    struct buf text = BUF(FILE_MAX);
    struct err e = ERR_NONE;
    size_t config_n;

    clock_config_text(now, k->o.home, &text);
    config_n = text.n;
    clock_keys_text(&now->ntp, &text);
    if (!text.failed && str_eq(buf_str(&text), buf_str(&k->running)) && old && old->ntp.adjust == now->ntp.adjust) {
        wipe(&text);
        return;
    }
    if (text.failed)
        err_set(&e, RC_INVALID, "the NTP settings are too long");
    else
        write_files(k, str_first(buf_str(&text), config_n), str_from(buf_str(&text), config_n), &e);
    wipe(&k->running);
    k->running = text;
    if (e.rc == RC_OK)
        run_chronyd(k);
    else
        event(k->o.events, daemon_died, .name = str_lit("chronyd"), .how = str_lit("cannot be started"),
              .said = str_c(err_text(&e)));
}

/* --- control's question -------------------------------------------------------------------------------------------- */

static void answer(void *ctx, int status, struct str output)
{
    struct question *q = ctx;
    struct clock *k = q->clock;
    struct bus_verb_reply m = {.rc = RC_OK};
    struct buf text = BUF(FILE_MAX);
    struct clock_report r;

    clock_report_read(status == 0 ? output : STR_NONE, &r);
    clock_report_text(&r, &text);
    if (k->watches)
        buf_add(&text, str_lit("The clock is watched, not set.\n"));
    m.text = buf_str(&text);
    bus_reply(k->o.bus, q->from, q->call, BUS_verb_reply, &m);
    buf_done(&text);
    free(q);
}

static void on_verb(void *ctx, const struct bus_in *in)
{
    const struct bus_verb_call *call = in->msg;
    struct clock *k = ctx;
    struct question *q;

    if (!str_eqi(call->verb, str_lit("ntpstatus"))) {
        const struct bus_verb_reply r = {.rc = RC_NOT_FOUND, .text = str_lit("unknown verb\n")};

        bus_reply(k->o.bus, in->from, in->call, BUS_verb_reply, &r);
        return;
    }
    q = malloc(sizeof *q);
    must(q);
    *q = (struct question){k, in->from, in->call};
    ask(k, answer, q);
}

/* --- life ---------------------------------------------------------------------------------------------------------- */

enum rc clock_new(const struct clock_options *o, struct clock **out, struct err *e)
{
    static const struct child_events events = {.prepare = prepare, .began = began, .line = on_line, .died = died};
    struct clock *k = calloc(1, sizeof *k);
    char path[PATH_MAX];

    must(k);
    k->o = *o;
    path_of(k, "", path);
    if (access(path, W_OK) != 0) {
        free(k);
        return err_errno(e, errno, "%s", path);
    }
    k->child = child_new(o->loop, &events, k);
    bus_on(o->bus, BUS_verb_call, on_verb, k);
    conf_on_change(o->conf, on_change, k);
    look(k);
    *out = k;
    return RC_OK;
}

void clock_stop(struct clock *k, void (*stopped)(void *ctx), void *ctx)
{
    loop_timer_cancel(k->o.loop, &k->timer);
    child_stop(k->child, stopped, ctx);
}
