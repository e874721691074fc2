/*
 * The room's centre: keeps snmpd running with the right files, reads the values, sends traps, answers control. See snmp.h.
 *
 * Called by main_snmp.c. Owns the child, the agent, the check and the files below HOME/snmp. snmpd is started anew when its
 * files change and when it ends by itself; the reason is an event. A target that cannot be resolved is snmpd's warning.
 */
#include "snmp/snmp.h"

#include "base/clock.h"
#include "base/io.h"
#include "base/must.h"
#include "net/child.h"
#include "snmp/agent.h"
#include "snmp/check.h"
#include "snmp/config.h"

#include <errno.h>
#include <inttypes.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

enum {
    READ_MS = 2000,
    HUNG_MS = 30000,
    NAMES_MS = 60000,
    ASK_MS = 20000,
    NAMES = 16,
    FILE_MAX = 1 << 20,
    REPLY_MAX = 65536
};
#define SNMPD "/usr/sbin/snmpd"

struct snmp {
    struct snmp_options o;
    struct child *child;
    struct agent *agent;
    struct check *check;
    struct loop_timer timer;
    struct snmp_values values;
    struct machine_load load;
    struct snmp_watch watch;
    struct buf running; /* both files as snmpd was started with */
    bool url_failed;    /* and the trap was sent */
    bool unexpected;    /* snmpd ended by itself: its next start is a warm one */
    bool ready;         /* it has read its configuration and answers */
    uint64_t seen_ms;   /* when our agent was last connected to it */
    bool complained;    /* of its configuration, at this start */
    uint64_t names_ms;  /* when to look whether the trap targets resolve now */
    char last_error[256];
    uint64_t traps;
};

static const struct conf_snmp *settings(const struct snmp *s)
{
    return &conf_now(s->o.conf)->snmp;
}

static void wipe(struct buf *b)
{
    if (b->p)
        explicit_bzero(b->p, b->cap);
    buf_done(b);
}

static void path_of(const struct snmp *s, const char *name, char out[PATH_MAX])
{
    snprintf(out, PATH_MAX, "%s/snmp%s", s->o.home, name);
}

/* --- traps --------------------------------------------------------------------------------------------------------- */

static void trap_send(struct snmp *s, const struct snmp_trap *t)
{
    char value[16] = "";

    if (t->number < TRAP_COUNT)
        snprintf(value, sizeof value, "%" PRIu32, t->value);
    s->traps++;
    event(s->o.events, snmp_trap_sent, .name = str_c(snmp_trap_name(t->number)),
          .value = str_c(t->is_text ? t->text : value), .targets = settings(s)->trap_targets.n);
    if (!agent_trap(s->agent, t))
        snprintf(s->last_error, sizeof s->last_error, "a trap was lost: too many wait");
}

static void trap_due(void *ctx, const struct snmp_trap *t)
{
    struct snmp *s = ctx;

    if (snmp_trap_on(settings(s), snmp_trap_name(t->number)) && settings(s)->trap_targets.n)
        trap_send(s, t);
}

/* Once for each failure, not for each check that fails. */
static void url_told(void *ctx, bool works, const char *why)
{
    struct snmp *s = ctx;
    char url[256];

    snprintf(url, sizeof url, "%.*s", STR(str_first(settings(s)->url, sizeof url - 1)));
    if (!works && !s->url_failed) {
        const struct snmp_trap t = snmp_trap_text(TRAP_CONNECTIVITY, 0, url);

        snprintf(s->last_error, sizeof s->last_error, "%.*s: %s", STR(str_first(settings(s)->url, 150)), why);
        trap_due(s, &t);
    }
    s->url_failed = !works;
}

/* --- snmpd --------------------------------------------------------------------------------------------------------- */

/* What snmpd kept of itself, taken over into a new state file with the user of now. Only while it does not run: it writes
 * the file when it ends. */
static void write_state(void *ctx)
{
    struct buf old = BUF(FILE_MAX), fresh = BUF(FILE_MAX);
    struct snmp *s = ctx;
    struct snmp_keys keys;
    struct err e = ERR_NONE;
    char path[PATH_MAX];

    path_of(s, "/state/snmpd.conf", path);
    io_read_file(path, &old, NULL);
    snmp_keys_make(conf_now(s->o.conf), &keys);
    snmp_keys_watcher(&keys);
    snmp_state_text(conf_now(s->o.conf), &keys, buf_str(&old), &fresh);
    if (io_replace_file("snmp.state", path, buf_str(&fresh), &e) != RC_OK)
        snprintf(s->last_error, sizeof s->last_error, "%.250s", err_text(&e));
    explicit_bzero(&keys, sizeof keys);
    wipe(&old);
    wipe(&fresh);
}

static void run_snmpd(struct snmp *s)
{
    char conf_path[2 * PATH_MAX + 32], state[PATH_MAX + 32], dir[PATH_MAX];
    const struct child_program program = {
        .words = {SNMPD, "-f", "-Lo", "-I", "-smux", "-r"},
        .environment = {"PATH=/usr/sbin:/usr/bin:/sbin:/bin", "LC_ALL=C", "MIBS=", conf_path, state},
    };

    path_of(s, "", dir);
    snprintf(conf_path, sizeof conf_path, "SNMPCONFPATH=%s:%s/state", dir, dir);
    snprintf(state, sizeof state, "SNMP_PERSISTENT_DIR=%s/state", dir);
    s->ready = s->complained = false;
    s->names_ms = loop_now_ms(s->o.loop) + NAMES_MS;
    child_start(s->child, &program);
}

static bool is_complaint(struct str line)
{
    static const char *const words[] = {"rror", "arning", "nknown host", "annot "};

    for (size_t i = 0; i < sizeof words / sizeof *words; i++)
        if (str_find_str(line, str_c(words[i])) < line.n)
            return true;
    return false;
}

static void ready(struct snmp *s)
{
    event(s->o.events, daemon_ready, .name = str_lit("snmpd"), .pid = (uint64_t)child_pid(s->child));
    if (s->unexpected)
        trap_due(s, &(struct snmp_trap){.number = TRAP_WARM_START});
    s->unexpected = false;
    s->ready = true;
    s->seen_ms = loop_now_ms(s->o.loop);
    agent_begin(s->agent);
}

/* Complaints about its configuration come before it is ready and are events; later ones peers can cause, as many as they
 * like: only the last is kept. */
static void on_line(void *ctx, struct str line)
{
    struct snmp *s = ctx;

    if (str_starts(line, str_lit("NET-SNMP version"))) {
        ready(s);
        return;
    }
    if (!is_complaint(line))
        return;
    snprintf(s->last_error, sizeof s->last_error, "%.*s", STR(str_first(line, 250)));
    if (s->ready)
        return;
    s->complained = true;
    event(s->o.events, daemon_complains, .name = str_lit("snmpd"), .said = line);
}

static void names_asked(void *ctx, int status, struct str output)
{
    struct snmp *s = ctx;

    (void)output;
    if (status == 0 && s->complained)
        run_snmpd(s);
}

/* snmpd resolves trap targets once, when it starts. If it complained then, it is started anew as soon as all names resolve:
 * a machine that starts before its name servers do must not lose its traps for ever. */
static void ask_names(struct snmp *s)
{
    char hosts[NAMES][256];
    struct child_program program = {.words = {"/usr/bin/getent", "ahosts"}, .environment = {"LC_ALL=C"}};
    uint64_t now = loop_now_ms(s->o.loop);
    size_t n = 0;

    if (!s->complained || now < s->names_ms)
        return;
    s->names_ms = now + NAMES_MS;
    for (size_t i = 0; i < settings(s)->trap_targets.n && n < NAMES; i++) {
        struct str target = settings(s)->trap_targets.items[i], host = str_first(target, str_find(target, ':'));

        if (!host.n || host.n >= sizeof hosts[0] || (!ascii_alpha(host.p[0]) && !ascii_digit(host.p[0])))
            continue; /* not a name */
        snprintf(hosts[n], sizeof hosts[n], "%.*s", STR(host));
        program.words[2 + n] = hosts[n];
        n++;
    }
    if (n)
        child_run(s->o.loop, &program, ASK_MS, names_asked, s);
}

/* It runs and does not talk to our agent: it hangs. */
static void look_at_snmpd(struct snmp *s)
{
    uint64_t now = loop_now_ms(s->o.loop);

    if (!s->ready || agent_connected(s->agent)) {
        s->seen_ms = now;
    } else if (now - s->seen_ms > HUNG_MS) {
        event(s->o.events, daemon_died, .name = str_lit("snmpd"), .how = str_lit("does not answer"));
        s->unexpected = true;
        run_snmpd(s);
    }
}

static void on_died(void *ctx, const char *how, struct str last_line, uint64_t restart_ms)
{
    struct snmp *s = ctx;

    s->unexpected = true;
    s->ready = false;
    snprintf(s->last_error, sizeof s->last_error, "snmpd %.80s%s%.*s", how, last_line.n ? ": " : "",
             STR(str_first(last_line, 150)));
    event(s->o.events, daemon_died, .name = str_lit("snmpd"), .how = str_c(how), .said = last_line,
          .restart_ms = restart_ms);
}

/* Starts snmpd anew when what it reads is not what it runs with. */
static enum rc apply(struct snmp *s, struct err *e)
{
    struct buf text = BUF(FILE_MAX);
    struct snmp_keys keys;
    char path[PATH_MAX];
    size_t config_n;
    enum rc rc = RC_OK;

    snmp_keys_make(conf_now(s->o.conf), &keys);
    snmp_config_text(conf_now(s->o.conf), &keys, s->o.home, &text);
    config_n = text.n;
    snmp_state_text(conf_now(s->o.conf), &keys, STR_NONE, &text);
    explicit_bzero(&keys, sizeof keys);
    path_of(s, "/snmpd.conf", path);
    if (text.failed) {
        rc = err_set(e, RC_INVALID, "the SNMP settings are too long");
    } else if (!str_eq(buf_str(&text), buf_str(&s->running))) {
        rc = io_replace_file("snmp.config", path, str_first(buf_str(&text), config_n), e);
        wipe(&s->running);
        s->running = BUF(FILE_MAX);
        buf_add(&s->running, buf_str(&text));
        s->unexpected = false;
        if (rc == RC_OK)
            run_snmpd(s);
    }
    wipe(&text);
    return rc;
}

static void on_change(void *ctx, const struct conf *now, const struct conf *old)
{
    struct snmp *s = ctx;
    struct err e = ERR_NONE;

    (void)old;
    check_url(s->check, snmp_trap_on(&now->snmp, "connectivityFailure") ? now->snmp.url : STR_NONE);
    if (apply(s, &e) != RC_OK)
        event(s->o.events, daemon_died, .name = str_lit("snmpd"), .how = str_lit("cannot be started"),
              .said = str_c(err_text(&e)));
}

/* --- values -------------------------------------------------------------------------------------------------------- */

static void read_values(void *ctx)
{
    struct snmp *s = ctx;
    const struct snmp_sources from = {.board = s->o.board,
                                      .conf = conf_now(s->o.conf),
                                      .home = s->o.home,
                                      .sys = "/sys",
                                      .proc = "/proc",
                                      .now_ms = clock_wall_ms()};

    loop_timer_set(s->o.loop, &s->timer, READ_MS, read_values, s);
    snmp_values_read(&s->values, &s->load, &from);
    snmp_watch_look(&s->watch, &s->values, settings(s), clock_mono_ms(), trap_due, s);
    s->values.raid_events = s->watch.raid_events;
    look_at_snmpd(s);
    ask_names(s);
    agent_values(s->agent, &s->values);
}

/* --- control's questions ------------------------------------------------------------------------------------------- */

static void add_status(struct snmp *s, struct buf *out)
{
    const struct snmp_values *v = &s->values;
    char error[256];

    agent_error(s->agent, error);
    buf_addf(out, "snmpd: %s", child_pid(s->child) ? "running" : "not running");
    if (child_pid(s->child))
        buf_addf(out, " (pid %d)", child_pid(s->child));
    buf_addf(out, ", port %" PRIu64 ", ended unexpectedly %" PRIu64 " times\n", settings(s)->port, child_deaths(s->child));
    buf_addf(out, "Our MIB: %s, %" PRIu64 " objects answered, %" PRIu64 " traps sent\n",
             agent_connected(s->agent) ? "answered" : "not connected to snmpd", agent_requests(s->agent), s->traps);
    buf_addf(out, "Memory %" PRIu64 "%%, CPU %" PRIu64 "%%, disk I/O %" PRIu64 "%%, queue space %" PRIu64 "%%\n", v->memory,
             v->cpu, v->disk, v->queue);
    buf_addf(out, "Work queue %" PRIu64 " messages, oldest message %" PRIu64 " s, open files %" PRIu64 "\n%s\n",
             v->work_queue, v->oldest_s, v->open_files, v->disk_summary);
    buf_addf(out, "Last error: %s\n", *s->last_error ? s->last_error : *error ? error : "none");
}

static enum rc test_trap(struct snmp *s, struct str word, struct buf *out)
{
    unsigned number = snmp_trap_find(word);
    struct snmp_trap t;

    if (!number) {
        buf_addf(out, "Traps are numbered 1 to %d.\n", TRAP_COUNT - 1);
        return RC_SYNTAX;
    }
    if (!settings(s)->trap_targets.n) {
        buf_add(out, str_lit("There is no trap target.\n"));
        return RC_INVALID;
    }
    t = snmp_trap_sample(number, &s->values);
    trap_send(s, &t);
    buf_addf(out, "Trap %u %s sent%s.\n", number, snmp_trap_name(number),
             agent_connected(s->agent) ? "" : " as soon as snmpd runs");
    return RC_OK;
}

static void on_verb(void *ctx, const struct bus_in *in)
{
    const struct bus_verb_call *call = in->msg;
    struct bus_verb_reply r = {.rc = RC_OK};
    struct buf out = BUF(REPLY_MAX);
    struct str args = call->args, word = STR_NONE;
    struct snmp *s = ctx;

    get_str(&args, &word);
    if (str_eqi(call->verb, str_lit("snmpstatus"))) {
        add_status(s, &out);
    } else if (str_eqi(call->verb, str_lit("snmptest"))) {
        r.rc = test_trap(s, word, &out);
    } else {
        buf_add(&out, str_lit("unknown verb\n"));
        r.rc = RC_NOT_FOUND;
    }
    r.text = buf_str(&out);
    bus_reply(s->o.bus, in->from, in->call, BUS_verb_reply, &r);
    buf_done(&out);
}

/* --- life ---------------------------------------------------------------------------------------------------------- */

enum rc snmp_new(const struct snmp_options *o, struct snmp **out, struct err *e)
{
    static const struct child_events events = {.prepare = write_state, .line = on_line, .died = on_died};
    struct snmp *s = calloc(1, sizeof *s);
    char path[PATH_MAX], socket[PATH_MAX];

    must(s);
    s->o = *o;
    s->running = BUF(FILE_MAX);
    path_of(s, "/state", path);
    if (mkdir(path, 0700) != 0 && errno != EEXIST) {
        free(s);
        return err_errno(e, errno, "%s", path);
    }
    s->child = child_new(o->loop, &events, s);
    s->check = check_new(o->loop, url_told, s);
    path_of(s, "/agentx", socket);
    s->agent = agent_new(socket, path);
    read_values(s);
    bus_on(o->bus, BUS_verb_call, on_verb, s);
    conf_on_change(o->conf, on_change, s);
    *out = s;
    return RC_OK;
}

void snmp_stop(struct snmp *s, void (*stopped)(void *ctx), void *ctx)
{
    loop_timer_cancel(s->o.loop, &s->timer);
    check_url(s->check, STR_NONE);
    child_stop(s->child, stopped, ctx);
}
