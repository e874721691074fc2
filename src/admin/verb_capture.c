/*
 * packetcapture (spec/cli.md 7.4): start, stop, status, setup.
 *
 * Called through spec/verbs.def and over the bus. Owns whether a capture is wanted: that makes master run role `capture` and
 * open its socket (main_control.c). A start waits until the role is there and has said how it went; a socket that master may
 * not open, a role that dies or does not come ends it with a reason. Nothing of this outlives control.
 */
#include "admin/verbs.h"

#include "base/must.h"
#include "conf/snapshot.h"

#include <inttypes.h>
#include <stdlib.h>

enum { START_MS = 10000, ANSWER_MS = 5000, TEXT_MOST = 8192 };

struct captures {
    struct admin *admin;
    bool wanted, running;
    struct verb_call *starting;
    struct loop_timer patience;
    struct buf last; /* how the last one ended */
};

bool captures_wanted(const struct admin *a)
{
    return a->captures && a->captures->wanted;
}

static void want(struct captures *x, bool on)
{
    x->wanted = on;
    if (!on)
        x->running = false;
    if (x->admin->applied)
        x->admin->applied(x->admin->applied_ctx, &x->admin->current->conf);
}

static void started(struct captures *x, enum rc rc, struct str text)
{
    struct verb_call *c = x->starting;

    loop_timer_cancel(x->admin->loop, &x->patience);
    x->starting = NULL;
    x->running = rc == RC_OK;
    if (rc != RC_OK)
        want(x, false);
    if (!c)
        return;
    if (rc == RC_OK)
        event(x->admin->events, capture_started, .user = c->user);
    buf_add(&c->text, text);
    verb_end(c, rc);
}

static void not_started(struct captures *x, enum rc rc, const char *why, struct str more)
{
    struct buf b = BUF(1024);

    if (x->starting || x->wanted) {
        buf_addf(&b, "%s%.*s\n", why, STR(str_first(more, 300)));
        started(x, rc, buf_str(&b));
    }
    buf_done(&b);
}

static void no_patience(void *ctx)
{
    not_started(ctx, RC_TIMEOUT, "The capture service does not come up.", STR_NONE);
}

void captures_refused(struct admin *a, struct str why)
{
    struct captures *x = a->captures;

    if (x && why.n && x->wanted)
        not_started(x, RC_NOT_PERMITTED,
                    "Packets cannot be captured here: the system refuses the socket. Postern must be started by root. ",
                    why);
}

/* --- the role -------------------------------------------------------------------------------------------------------------
 */

static void answered(void *ctx, enum rc rc, const void *msg)
{
    const struct bus_verb_reply *r = msg;
    struct captures *x = ctx;

    if (!x->starting)
        return;
    if (rc != RC_OK)
        not_started(x, rc, "The capture service does not answer.", STR_NONE);
    else
        started(x, r->rc < RC_COUNT ? (enum rc)r->rc : RC_INTERNAL, r->text);
}

static void came(void *ctx, struct bus_peer *p)
{
    const struct bus_verb_call m = {.verb = str_lit("start")};
    struct captures *x = ctx;

    if (p->role == ROLE_capture && x->starting)
        bus_call(x->admin->bus, p, BUS_verb_call, &m, ANSWER_MS, answered, x);
}

static void gone(void *ctx, struct bus_peer *p)
{
    struct captures *x = ctx;

    if (p->role != ROLE_capture || !x->running)
        return;
    buf_clear(&x->last);
    buf_add(&x->last, str_lit("The last capture ended: its service failed.\n"));
    event(x->admin->events, capture_over, .why = str_lit("its service failed"));
    want(x, false);
}

static void on_ended(void *ctx, const struct bus_in *in)
{
    const struct bus_capture_ended *m = in->msg;
    struct captures *x = ctx;

    buf_clear(&x->last);
    buf_addf(&x->last, "The last capture ended: %.*s.\n%.*s", STR(str_first(m->why, 300)), STR(str_first(m->text, 2000)));
    event(x->admin->events, capture_over, .why = m->why);
    want(x, false);
}

void captures_open(struct admin *a)
{
    struct captures *x = calloc(1, sizeof *x);

    must(x);
    x->admin = a;
    x->last = BUF(TEXT_MOST);
    a->captures = x;
    if (!a->bus)
        return;
    bus_on(a->bus, BUS_capture_ended, on_ended, x);
    bus_on_peer(a->bus, came, gone, x);
}

/* --- the operations -------------------------------------------------------------------------------------------------------
 */

static void put_settings(struct verb_call *c)
{
    const struct conf_capture *s = &c->admin->current->conf.capture;

    buf_addf(&c->text, "Current Settings:\nMax file size:      %" PRIu64 " KB\nCapture Limit:      %" PRIu64 " seconds\n",
             s->max_bytes / 1024, s->max_seconds);
    buf_add(&c->text, str_lit("Capture Interfaces: "));
    for (size_t i = 0; i < s->interfaces.n; i++)
        buf_addf(&c->text, "%s%.*s", i ? ", " : "", STR(s->interfaces.items[i]));
    buf_addf(&c->text, "%s\nCapture Filter:     %.*s\n", s->interfaces.n ? "" : "all",
             STR(s->filter.n ? s->filter : str_lit("(none)")));
}

static void start(struct captures *x, struct verb_call *c)
{
    if (x->running || x->starting) {
        buf_add(&c->text, str_lit("A packet capture is running already.\n"));
        verb_end(c, RC_EXISTS);
        return;
    }
    x->starting = c;
    loop_timer_set(x->admin->loop, &x->patience, START_MS, no_patience, x);
    want(x, true);
}

static void stopped(struct verb_call *c, const struct bus_verb_reply *r)
{
    struct captures *x = c->admin->captures;

    buf_add(&c->text, r->text);
    buf_add(&c->json, r->json);
    buf_clear(&x->last);
    buf_addf(&x->last, "The last capture was stopped by %.*s.\n%.*s", STR(c->user), STR(r->text));
    event(c->admin->events, capture_stopped, .user = c->user);
    want(x, false);
}

static void stop(struct captures *x, struct verb_call *c)
{
    if (!x->running) {
        buf_add(&c->text, str_lit("No packet capture is running.\n"));
        verb_end(c, RC_NOT_FOUND);
        return;
    }
    c->take = stopped;
    verb_ask(c, ROLE_capture, "stop", (struct strs){0});
    verb_wait(c);
}

static void status(struct captures *x, struct verb_call *c)
{
    c->last = put_settings;
    if (x->running) {
        verb_ask(c, ROLE_capture, "status", (struct strs){0});
    } else {
        buf_add(&c->text, str_lit("Status: No capture running\n"));
        buf_add(&c->text, buf_str(&x->last));
        buf_add(&c->json, str_lit("{\"running\":false}"));
    }
    verb_wait(c);
}

/* "setting=value" words, in force at once. */
static void setup(struct captures *x, struct verb_call *c)
{
    struct conf_draft *d = conf_draft_copy(&x->admin->current->conf);
    struct err e = ERR_NONE;
    enum rc rc = d ? RC_OK : err_set(&e, RC_NO_MEMORY, "no memory");
    uint64_t version;

    for (size_t i = 1; i < c->args.n && rc == RC_OK; i++) {
        struct str word = c->args.items[i], name = str_first(word, str_find(word, '='));

        if (name.n == word.n)
            rc = err_set(&e, RC_SYNTAX, "%.*s: SETTING=VALUE is needed", STR(str_first(word, 100)));
        else
            rc = conf_draft_set(d, arena_printf(&c->arena, "capture.%.*s", STR(name)), str_from(word, name.n + 1), &e);
    }
    if (rc == RC_OK)
        rc = store_commit(x->admin, d, c->user, str_c(c->verb->name), false, &version, NULL, &e);
    if (rc != RC_OK) {
        conf_draft_free(d);
        verb_fail(c, &e);
        return;
    }
    put_settings(c);
    if (x->running)
        buf_add(&c->text, str_lit("The capture that runs keeps its settings.\n"));
    verb_end(c, RC_OK);
}

void verb_packetcapture(struct verb_call *c)
{
    static const struct {
        const char *name;
        void (*run)(struct captures *x, struct verb_call *c);
        size_t most;
    } operations[] = {{"start", start, 1}, {"stop", stop, 1}, {"status", status, 1}, {"setup", setup, SIZE_MAX}};
    struct str which = c->args.n ? c->args.items[0] : str_lit("status");

    for (size_t i = 0; i < sizeof operations / sizeof *operations && c->admin->captures; i++)
        if (str_eqi(which, str_c(operations[i].name)) && c->args.n <= operations[i].most) {
            operations[i].run(c->admin->captures, c);
            return;
        }
    verb_usage(c);
}
