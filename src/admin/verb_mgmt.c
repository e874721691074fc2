/*
 * The hidden verb `mgmt`: a manager's verbs, dispatched, answered, audited. See mgmt.h.
 *
 * Called through spec/verbs.def by sessions of the management account alone (verbs.c lets nobody else here). Owns nothing.
 * What the event store holds is record's to say (its verb `exports`); the octets of a segment are read by the session
 * itself.
 */
#include "admin/mgmt.h"
#include "admin/slbl.h"

#include <inttypes.h>
#include <stdarg.h>
#include <stdio.h>
#include <unistd.h>

enum { WAIT_MOST_MS = 300000, ANSWER_MS = 30000, COMMAND_SHOWN = 200 };

const struct conf_manager *mgmt_manager(const struct verb_call *c)
{
    return conf_find(&c->admin->current->conf.manager, c->user);
}

/* --- answers
 * ---------------------------------------------------------------------------------------------------------------- */

static void audit(const struct verb_call *c, struct str outcome)
{
    struct buf command = BUF(4096);

    for (size_t i = 0; i < c->args.n && command.n < COMMAND_SHOWN; i++) {
        struct str word = c->args.items[i];

        if (word.n && word.p[0] == '{') /* what came on stdin */
            continue;
        if (command.n)
            buf_addc(&command, ' ');
        buf_add(&command, str_first(word, COMMAND_SHOWN));
    }
    event(c->admin->events, manager_verb, .manager = c->user, .peer_ip = c->session ? str_c(c->session->peer) : STR_NONE,
          .command = buf_str(&command), .outcome = outcome);
    buf_done(&command);
}

/* In c->last nobody is waited for any more and verb_wait() ends the call. */
static void end(struct verb_call *c)
{
    c->rc = RC_OK;
    if (c->waiting)
        verb_end(c, RC_OK);
}

void mgmt_ok(struct verb_call *c, struct str json, struct str body)
{
    buf_clear(&c->text);
    buf_clear(&c->json);
    buf_add(&c->text, str_lit("OK"));
    if (json.n)
        buf_addc(&c->text, ' ');
    buf_add(&c->text, json);
    buf_addc(&c->text, '\n');
    buf_add(&c->text, body);
    audit(c, str_lit("OK"));
    end(c);
}

void mgmt_err(struct verb_call *c, unsigned code, const char *fmt, ...)
{
    char text[400];
    va_list ap;
    int n;

    va_start(ap, fmt);
    n = vsnprintf(text, sizeof text, fmt, ap);
    va_end(ap);
    for (char *p = text; *p; p++)
        if ((unsigned char)*p < 0x20)
            *p = ' ';
    buf_clear(&c->text);
    buf_clear(&c->json);
    buf_addf(&c->text, "ERR %u %s\n", code, n > 0 ? text : "error");
    audit(c, str_first(buf_str(&c->text), c->text.n - 1));
    end(c);
}

/* Those codes of HTTP that the verbs know (central.md 4) mean the same here. */
static unsigned code_of(enum rc rc)
{
    static const int known[] = {400, 403, 404, 409, 429, 503};

    for (size_t i = 0; i < sizeof known / sizeof *known; i++)
        if (rc_info(rc)->http == known[i])
            return (unsigned)known[i];
    return 500;
}

void mgmt_fail(struct verb_call *c, enum rc rc, struct str text)
{
    text = str_trim(text);
    text = text.n ? text : str_c(rc_info(rc)->text);
    mgmt_err(c, code_of(rc), "%.*s", STR(str_first(text, 300)));
}

/* --- segments: asked of record
 * ------------------------------------------------------------------------------------------------ */

struct asked {
    enum rc rc;
    struct str text, json;
};

static void take(struct verb_call *c, const struct bus_verb_reply *r)
{
    struct asked *a = c->state;

    a->rc = r->rc < RC_COUNT ? (enum rc)r->rc : RC_INTERNAL;
    a->text = arena_str(&c->arena, r->text);
    a->json = arena_str(&c->arena, r->json);
    if (r->text.n && !a->text.p)
        a->rc = RC_NO_MEMORY;
}

/* Asks record; c->last gets what it said in c->state. */
static void ask_exports(struct verb_call *c, struct strs words, void (*last)(struct verb_call *c))
{
    struct asked *a = arena_must_alloc(&c->arena, sizeof *a);

    a->rc = RC_UNAVAILABLE;
    a->text = str_lit("the event store is not running");
    c->state = a;
    c->take = take;
    c->last = last;
    verb_ask(c, ROLE_record, "exports", words);
    verb_wait(c);
}

static void listed(struct verb_call *c)
{
    const struct asked *a = c->state;

    if (a->rc == RC_OK)
        mgmt_ok(c, STR_NONE, a->text);
    else
        mgmt_fail(c, a->rc, a->text);
}

/* KIND EPOCH SEQ [wait=MS] [cut]: the syntax is record's to judge, the limit of the waiting ours. */
static void list_exports(struct verb_call *c, struct strs args)
{
    struct str *words = arena_must_alloc(&c->arena, (args.n + 1) * sizeof *words);
    uint64_t wait = 0;

    words[0] = str_lit("list");
    for (size_t i = 0; i < args.n; i++) {
        words[i + 1] = args.items[i];
        if (str_starts(args.items[i], str_lit("wait=")) && !str_u64(str_from(args.items[i], 5), &wait)) {
            mgmt_err(c, 400, "wait= wants milliseconds");
            return;
        }
    }
    c->ask_ms = ANSWER_MS + (wait < WAIT_MOST_MS ? wait : WAIT_MOST_MS);
    ask_exports(c, (struct strs){words, args.n + 1}, listed);
}

static void acked(struct verb_call *c)
{
    const struct asked *a = c->state;

    if (a->rc == RC_OK)
        mgmt_ok(c, a->json, STR_NONE);
    else
        mgmt_fail(c, a->rc, a->text);
}

/* KIND EPOCH SEQ[-SEQ] SHA256, kept for this manager's serial number. */
static void ack(struct verb_call *c, struct strs args)
{
    const struct conf_manager *m = mgmt_manager(c);
    struct str *words;

    if (args.n != 4 || !m || !m->serial.n) {
        mgmt_err(c, args.n == 4 ? 403 : 400, args.n == 4 ? "hello first" : "ack KIND EPOCH SEQ[-SEQ] SHA256");
        return;
    }
    words = arena_must_alloc(&c->arena, 6 * sizeof *words);
    words[0] = str_lit("ack");
    words[1] = m->serial;
    memcpy(words + 2, args.items, 4 * sizeof *words);
    ask_exports(c, (struct strs){words, 6}, acked);
}

/* It has no file: was it evicted, or never there? The list begins with it, or with the run of lost ones it is in. */
static void gone(struct verb_call *c)
{
    const struct asked *a = c->state;
    struct str rest = a->text, line;
    char epoch[40];

    if (a->rc != RC_OK) {
        mgmt_fail(c, a->rc, a->text);
        return;
    }
    str_split(&rest, '\n', &line);
    snprintf(epoch, sizeof epoch, "\"epoch\":%.*s,", STR(c->args.items[2]));
    if (str_find_str(line, str_c(epoch)) < line.n && str_find_str(line, str_lit("\"state\":\"lost\"")) < line.n)
        mgmt_err(c, 410, "evicted");
    else
        mgmt_err(c, 404, "no such segment");
}

static bool has_file(const struct admin *a, struct str kind, uint64_t epoch, uint64_t seq)
{
    char path[4096];

    snprintf(path, sizeof path, "%s/exports/%.*s/%" PRIu64 "-%" PRIu64 ".seg", a->home, STR(kind), epoch, seq);
    return access(path, F_OK) == 0;
}

/* KIND EPOCH SEQ [OFFSET]: is it there? The octets are the session's. */
static void get(struct verb_call *c, struct strs args)
{
    struct str *words = arena_must_alloc(&c->arena, 4 * sizeof *words);
    uint64_t epoch, seq, offset;

    if (args.n < 3 || args.n > 4 || !str_u64(args.items[1], &epoch) || !str_u64(args.items[2], &seq) ||
        (args.n == 4 && !str_u64(args.items[3], &offset)) ||
        (!str_eq(args.items[0], str_lit("tracking")) && !str_eq(args.items[0], str_lit("reporting")))) {
        mgmt_err(c, 400, "get KIND EPOCH SEQ [OFFSET]");
        return;
    }
    if (has_file(c->admin, args.items[0], epoch, seq)) {
        mgmt_ok(c, STR_NONE, STR_NONE);
        return;
    }
    words[0] = str_lit("list");
    memcpy(words + 1, args.items, 3 * sizeof *words);
    ask_exports(c, (struct strs){words, 4}, gone);
}

/* What the session found wrong by itself: MESSAGE for the audit. */
static void refused(struct verb_call *c, struct strs args)
{
    mgmt_err(c, 400, "%.*s", STR(args.n ? str_first(args.items[args.n - 1], 200) : str_lit("malformed")));
}

/* Lines on the input: the manager's safelists and blocklists. Those of another manager than the one that holds our spam, or
 * while the quarantine is our own, are not taken. */
static void put_slbl(struct verb_call *c, struct strs args)
{
    const struct conf *conf = &c->admin->current->conf;
    const struct conf_manager *m = mgmt_manager(c);
    struct err e = ERR_NONE;
    char json[64];
    enum rc rc;

    if (args.n != 1) {
        mgmt_err(c, 400, "put-slbl wants its lines on the input");
        return;
    }
    if (!m || !m->destination || !conf->spam_quarantine.central) {
        mgmt_err(c, 403, "the spam quarantine is not on this manager");
        return;
    }
    rc = slbl_put(c->admin, args.items[0], &e);
    if (rc == RC_CONFLICT) {
        mgmt_err(c, 409, "%s", err_text(&e));
    } else if (rc != RC_OK) {
        mgmt_fail(c, rc, str_c(err_text(&e)));
    } else {
        event(c->admin->events, slbl_taken, .manager = c->user, .version = slbl_version(c->admin));
        snprintf(json, sizeof json, "{\"version\":%" PRIu64 "}", slbl_version(c->admin));
        mgmt_ok(c, str_c(json), STR_NONE);
    }
}

/* --- dispatch
 * ----------------------------------------------------------------------------------------------------------------- */

static const struct mgmt_verb {
    const char *name;
    void (*run)(struct verb_call *c, struct strs args);
} mgmt_verbs[] = {
    {"hello", mgmt_hello},           {"list-exports", list_exports}, {"get", get},           {"ack", ack},
    {"get-config", mgmt_get_config}, {"malformed", refused},         {"put-slbl", put_slbl},
};

void verb_mgmt(struct verb_call *c)
{
    const struct strs rest = {c->args.items + (c->args.n > 0), c->args.n - (c->args.n > 0)};

    for (size_t i = 0; c->args.n && i < sizeof mgmt_verbs / sizeof *mgmt_verbs; i++) {
        if (str_eq(c->args.items[0], str_c(mgmt_verbs[i].name))) {
            mgmt_verbs[i].run(c, rest);
            return;
        }
    }
    mgmt_err(c, 400, "unknown verb");
}
