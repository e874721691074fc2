/*
 * learn, antispamstatus, antispamupdate, antivirusstatus, antivirusupdate. See verbs.h.
 *
 * Called over the bus by control. Owns nothing. What is asked of engines goes through engine_ask() as for messages, so an
 * engine that is away costs one probe.
 */
#include "scan/verbs.h"

#include "base/clock.h"
#include "base/json.h"

#include <inttypes.h>

enum { ARGS_MAX = 8, REPLY_MAX = 64 << 10, ARENA_MAX = 32 << 20 };
enum { SPAMD_ONLY = 1 }; /* choice of antispam.engine */

struct question {
    struct scan_world *w;
    const struct conf *conf;
    struct str args[ARGS_MAX];
    size_t n;
    struct arena arena;
    struct buf text, json;
};

static struct engine_setup antispam_setup(const struct conf *c, struct str address)
{
    return (struct engine_setup){address, c->antispam.timeout_ms, c->antispam.probe_ms};
}

static enum rc learn(struct question *q)
{
    struct engine_setup how = antispam_setup(q->conf, q->conf->antispam.rspamd_controller);
    struct learn_talk t = {.arena = &q->arena, .password = q->conf->antispam.rspamd_password};
    struct err e = ERR_NONE;
    enum rc rc;

    if (q->n != 2 || !(str_eqi(q->args[0], str_lit("spam")) || str_eqi(q->args[0], str_lit("ham"))) || !q->args[1].n)
        return RC_SYNTAX;
    t.spam = str_eqi(q->args[0], str_lit("spam"));
    t.message = q->args[1];
    rc = engine_ask(q->w->engines, ENGINE_LEARN, &how, 0, rspamd_learn, &t, &e);
    if (rc != RC_OK) {
        buf_addf(&q->text, "The engine cannot learn: %s.\n", err_text(&e));
        return rc;
    }
    buf_addf(&q->text, t.taken ? "1 message learned.\n" : "0 messages learned: %.*s\n", STR(str_first(t.why, 300)));
    buf_addf(&q->json, "{\"taken\":%d}", t.taken ? 1 : 0);
    event(q->w->events, antispam_engine, .pid = 0,
          .text = arena_printf(&q->arena, "learned as %s: %s", t.spam ? "spam" : "ham", t.taken ? "taken" : "known before"));
    return RC_OK;
}

/* One line of a table, one object of a list. */
static void put_engine(struct question *q, struct str name, struct str address, const char *state, struct str version,
                       struct str more)
{
    buf_addf(&q->text, "%-18.*s %-24.*s %-10s %.*s%s%.*s\n", STR(name), STR(address), state, STR(version),
             more.n ? ", " : "", STR(more));
    buf_add(&q->json, q->json.n && q->json.p[q->json.n - 1] == '}' ? str_lit(",{\"engine\":") : str_lit("{\"engine\":"));
    json_str(&q->json, name);
    buf_add(&q->json, str_lit(",\"address\":"));
    json_str(&q->json, address);
    buf_addf(&q->json, ",\"state\":\"%s\",\"version\":", state);
    json_str(&q->json, version);
    buf_add(&q->json, str_lit(",\"detail\":"));
    json_str(&q->json, more);
    buf_addc(&q->json, '}');
}

static void begin_table(struct question *q)
{
    buf_addf(&q->text, "%-18s %-24s %-10s %s\n", "Component", "Address", "State", "Version");
    buf_add(&q->json, str_lit("{\"engines\":["));
}

static void simple_state(struct question *q, enum engine_kind kind, struct str address)
{
    struct engine_setup how = antispam_setup(q->conf, address);
    bool up = engine_probe(q->w->engines, kind, &how);
    struct str why = STR_NONE;

    if (!up)
        engine_away(q->w->engines, kind, &why);
    put_engine(q, engine_kind_name(kind), address, up ? "up" : "away", STR_NONE, why);
}

static enum rc antispamstatus(struct question *q)
{
    const struct conf_antispam *c = &q->conf->antispam;
    struct engine_setup how = antispam_setup(q->conf, c->rspamd_controller);
    struct stat_talk t = {.arena = &q->arena, .password = c->rspamd_password};
    struct err e = ERR_NONE;

    begin_table(q);
    if (c->engine != SPAMD_ONLY) {
        simple_state(q, ENGINE_RSPAMD, c->rspamd_address);
        if (engine_ask(q->w->engines, ENGINE_LEARN, &how, 0, rspamd_stat, &t, &e) == RC_OK)
            put_engine(q, engine_kind_name(ENGINE_LEARN), c->rspamd_controller, "up", t.version,
                       arena_printf(&q->arena, "%" PRIu64 " messages scanned, %" PRIu64 " learned, up %" PRIu64 " s",
                                    t.scanned, t.learned, t.uptime_s));
        else
            put_engine(q, engine_kind_name(ENGINE_LEARN), c->rspamd_controller, "away", STR_NONE, str_c(err_text(&e)));
    }
    if (c->engine >= SPAMD_ONLY)
        simple_state(q, ENGINE_SPAMD, c->spamd_address);
    buf_addf(&q->json, "],\"enabled\":%s}", c->enabled ? "true" : "false");
    if (!c->enabled)
        buf_add(&q->text, str_lit("Anti-spam scanning is off.\n"));
    return RC_OK;
}

static enum rc antivirusstatus(struct question *q)
{
    const struct conf_antivirus *c = &q->conf->antivirus;
    struct engine_setup how = {c->clamd_address, c->timeout_ms, c->probe_ms};
    struct version_talk t = {.arena = &q->arena};
    struct err e = ERR_NONE;
    bool up = engine_ask(q->w->engines, ENGINE_CLAMD, &how, 0, clamd_version, &t, &e) == RC_OK;

    begin_table(q);
    put_engine(q, engine_kind_name(ENGINE_CLAMD), c->clamd_address, up ? "up" : "away", t.version,
               up ? STR_NONE : str_c(err_text(&e)));
    buf_addf(&q->json, "],\"enabled\":%s}", c->enabled ? "true" : "false");
    if (!c->enabled)
        buf_add(&q->text, str_lit("Anti-virus scanning is off.\n"));
    return RC_OK;
}

/* clamd reads its signatures anew; new ones are fetched by its own updater. */
static enum rc antivirusupdate(struct question *q)
{
    const struct conf_antivirus *c = &q->conf->antivirus;
    struct engine_setup how = {c->clamd_address, c->timeout_ms, c->probe_ms};
    struct err e = ERR_NONE;
    enum rc rc = engine_ask(q->w->engines, ENGINE_CLAMD, &how, 0, clamd_reload, NULL, &e);

    if (rc != RC_OK)
        buf_addf(&q->text, "The engine cannot be reached: %s.\n", err_text(&e));
    else
        buf_add(&q->text, str_lit("The engine reads its signatures anew. Its own updater (freshclam) fetches new ones.\n"));
    return rc;
}

static enum rc antispamupdate(struct question *q)
{
    buf_add(&q->text, str_lit("The engines fetch new rules and maps by their own updaters. Their state:\n"));
    return antispamstatus(q);
}

static const struct {
    const char *name;
    enum rc (*answer)(struct question *q);
} verbs[] = {{"learn", learn},
             {"antispamstatus", antispamstatus},
             {"antispamupdate", antispamupdate},
             {"antivirusstatus", antivirusstatus},
             {"antivirusupdate", antivirusupdate}};

static void on_verb(void *ctx, const struct bus_in *in)
{
    const struct bus_verb_call *call = in->msg;
    struct bus_verb_reply reply = {.rc = RC_NOT_FOUND};
    struct question q = {.w = ctx, .text = BUF(REPLY_MAX), .json = BUF(REPLY_MAX)};
    struct bus_peer *from = in->from;
    uint64_t number = in->call;
    struct str rest = call->args, verb = call->verb;

    q.conf = conf_now(q.w->conf);
    arena_init(&q.arena, 4096, ARENA_MAX);
    while (q.n < ARGS_MAX && rest.n && get_str(&rest, &q.args[q.n]))
        q.n++;
    for (size_t i = 0; i < sizeof verbs / sizeof *verbs; i++)
        if (str_eqi(verb, str_c(verbs[i].name)))
            reply.rc = verbs[i].answer(&q);
    reply.text = buf_str(&q.text);
    reply.json = buf_str(&q.json);
    bus_reply(q.w->bus, from, number, BUS_verb_reply, &reply);
    buf_done(&q.text);
    buf_done(&q.json);
    arena_done(&q.arena);
}

void scan_verbs_begin(struct scan_world *w)
{
    bus_on(w->bus, BUS_verb_call, on_verb, w);
}
