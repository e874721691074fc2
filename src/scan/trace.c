/*
 * trace: the question from control, the world of a trace, the report. See trace.h.
 *
 * Called by the bus. Owns, while a question lasts, its arena, the snapshot that came with it and the engines' states. A
 * staged configuration that cannot be compiled is said as an error; nothing of it stays.
 */
#include "scan/trace.h"

#include "base/clock.h"
#include "base/must.h"
#include "mail/orgdomain.h"

enum { TRACE_MEMORY = 1 << 30, REPORT_MAX = 60 << 20, WORDS_MAX = 64 };

static uint64_t now_of(void *ctx)
{
    return ((struct trace *)ctx)->now_ms;
}

/* The worker's world with what is the trace's own; callbacks of the world find the trace as a world. */
static void borrow_world(struct trace *t, const struct scan_world *w, struct compiled *compiled)
{
    t->world = *w;
    t->world.events = NULL;
    t->world.compiled = compiled;
    t->world.calls.ctx = &t->world;
    t->world.calls.dns.ctx = &t->world;
    t->world.calls.now_ms = now_of;
    t->world.spam = (struct spam_seen){0};
}

static const struct conf_listener *choose_listener(const struct conf *c, struct str name)
{
    if (name.n)
        return conf_find(&c->listener, name);
    for (size_t i = 0; i < c->listener.n; i++)
        if (c->listener.items[i].type == 0)
            return &c->listener.items[i];
    return c->listener.n ? c->listener.items : NULL;
}

/* Recipients that end at receipt: refused, thrown away by a listener or an alias. */
static void end_at_receipt(struct trace *t)
{
    t->ended = arena_must_alloc(t->arena, (t->o.to.n + 1) * sizeof *t->ended);
    for (size_t i = 0; i < t->o.to.n; i++) {
        const struct trace_recipient *r = i < t->n_recipients ? &t->recipients[i] : NULL;
        struct trace_fate f = {.address = r && r->address.n ? r->address : t->o.to.items[i], .action = "refuse"};

        if (r && !r->taken)
            f.reason = arena_printf(t->arena, "%u %.*s", r->code, STR(r->text));
        else if (t->refused)
            f.reason = t->code ? arena_printf(t->arena, "%u %.*s", t->code, STR(t->text)) : t->text;
        else if (!t->env.n_recipients || (r->dropped && !r->targets.n)) {
            f.action = "drop";
            f.reason = r->dropped ? str_lit("alias: /dev/null") : str_lit("blackhole listener");
        } else
            continue;
        t->ended[t->n_ended++] = f;
    }
}

/* The best that becomes of any recipient; a message that nobody is to get is dropped. */
static const char *sum(const struct trace *t)
{
    static const char *const order[] = {"deliver", "quarantine", "wait", "bounce", "drop"};

    if (t->refused)
        return "refuse";
    for (size_t k = 0; k < sizeof order / sizeof *order; k++)
        for (const struct trace_message *x = t->first; x; x = x->next)
            for (size_t i = 0; i < x->n_fates; i++)
                if (x->kind != COPY_GENERATED && str_eq(str_c(x->fates[i].action), str_c(order[k])))
                    return order[k];
    return "drop";
}

void trace_all(struct trace *t, const struct scan_world *w, const struct conf *conf, struct compiled *compiled)
{
    borrow_world(t, w, compiled);
    t->conf = conf;
    t->now_ms = t->o.time_ms ? t->o.time_ms : clock_wall_ms();
    t->last = &t->first;
    t->listener = choose_listener(conf, t->o.listener);
    trace_receipt(t);
    if (!t->refused && t->env.n_recipients)
        trace_run(t);
    end_at_receipt(t);
    t->action = sum(t);
}

/* --- the question ------------------------------------------------------------------------------------------------------ */

struct asked {
    struct scan_world *w;
    struct arena arena;
    struct conf_source *staged; /* NULL: the configuration in force */
    struct compiled *compiled;
    struct trace trace;
    struct buf text, json;
};

static enum rc take_words(struct asked *q, struct str words, struct err *e)
{
    struct str *list = arena_must_alloc(&q->arena, WORDS_MAX * sizeof *list);
    size_t n = 0;

    while (words.n && n < WORDS_MAX && get_str(&words, &list[n]))
        n++;
    return words.n ? RC_SYNTAX : trace_options_read(&q->arena, (struct strs){list, n}, &q->trace.o, e);
}

static enum rc take_snapshot(struct asked *q, struct str blob, struct err *e)
{
    if (!blob.n)
        return RC_OK;
    q->staged = conf_source_new();
    TRY(conf_source_feed(q->staged, conf_now(q->w->conf)->version, blob, e));
    return compiled_new(conf_now(q->staged), &q->compiled, e);
}

static void orgdomain(struct asked *q)
{
    struct str org = orgdomain_by_list(world_auth_suffixes(q->w->auth), q->trace.o.orgdomain);

    buf_addf(&q->text, "%.*s\n", STR(org));
    buf_addf(&q->json, "{\"domain\":\"%.*s\",\"organizational_domain\":\"%.*s\"}", STR(q->trace.o.orgdomain), STR(org));
}

static enum rc answer(struct asked *q, const struct bus_trace_question *in, struct err *e)
{
    const struct conf *conf;
    struct engine_dialer dialer;

    TRY(take_words(q, in->words, e));
    if (q->trace.o.orgdomain.n) {
        orgdomain(q);
        return RC_OK;
    }
    TRY(take_snapshot(q, in->snapshot, e));
    conf = q->staged ? conf_now(q->staged) : conf_now(q->w->conf);
    if (!choose_listener(conf, q->trace.o.listener))
        return err_set(e, RC_NOT_FOUND, "listener %.*s does not exist", STR(str_first(q->trace.o.listener, 100)));
    q->trace.arena = &q->arena;
    q->trace.octets = arena_str(&q->arena, in->message);
    dialer = engine_dial_dialer(q->w->dial);
    dialer.ahead = NULL;
    struct scan_world world = *q->w;
    world.engines = engines_new(&dialer, NULL, NULL);
    trace_all(&q->trace, &world, conf, q->staged ? q->compiled : q->w->compiled);
    trace_text(&q->trace, &q->text);
    trace_json(&q->trace, &q->json);
    engines_free(world.engines);
    return q->text.failed || q->json.failed ? err_set(e, RC_TOO_LARGE, "the report is too large") : RC_OK;
}

static void on_question(void *ctx, const struct bus_in *in)
{
    struct asked q = {.w = ctx, .text = BUF(REPORT_MAX / 2), .json = BUF(REPORT_MAX / 2)};
    struct bus_trace_report reply;
    struct bus_peer *from = in->from;
    uint64_t number = in->call;
    struct err e = ERR_NONE;
    enum rc rc;

    arena_init(&q.arena, 65536, TRACE_MEMORY);
    rc = answer(&q, in->msg, &e);
    if (rc != RC_OK) {
        buf_clear(&q.text);
        buf_clear(&q.json);
        if (e.text[0])
            buf_addf(&q.text, "%s\n", e.text);
    }
    reply = (struct bus_trace_report){.rc = rc, .text = buf_str(&q.text), .json = buf_str(&q.json)};
    bus_reply(q.w->bus, from, number, BUS_trace_report, &reply);
    buf_done(&q.text);
    buf_done(&q.json);
    compiled_free(q.compiled);
    conf_source_free(q.staged);
    arena_done(&q.arena);
}

void trace_begin(struct scan_world *w)
{
    bus_on(w->bus, BUS_trace_question, on_question, w);
}
