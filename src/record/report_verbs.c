/*
 * Verb `report`. See report_verbs.h.
 *
 * Called by verbs.c and save.c. Owns each call until its answer. On a gateway a call first waits until the figures of now
 * are in the database (a second at most; then it is answered with what is there).
 */
#include "record/report_verbs.h"

#include "base/clock.h"
#include "base/must.h"
#include "record/inside.h"

#include <stdio.h>
#include <stdlib.h>

enum { TOP = 1000, SETTLE_MS = 2000, CALLS_MOST = 32 };

struct report_call {
    struct report_call *next;
    struct record *r;
    struct bus_peer *from;
    unsigned life;
    uint64_t call, until;
    struct loop_timer timer;
    bool running;
    /* the question */
    bool availability, list, csv;
    enum segment_kind kind;
    struct report_query q;
    struct str wanted;
    char serial[SEGMENT_SERIAL];
    uint64_t top;
    struct report_names names;
    /* the answer */
    enum rc rc;
    struct err e;
    struct buf text, json;
};

static void answer(struct report_call *c)
{
    struct report_call **at = &c->r->reports;
    struct bus_verb_reply reply = {.rc = c->rc};

    if (c->rc != RC_OK) {
        buf_clear(&c->text);
        buf_clear(&c->json);
        buf_addf(&c->text, "%s\n", err_text(&c->e));
    }
    reply.text = buf_str(&c->text);
    reply.json = buf_str(&c->json);
    if (c->from->life == c->life)
        bus_reply(c->r->bus, c->from, c->call, BUS_verb_reply, &reply);
    while (*at != c)
        at = &(*at)->next;
    *at = c->next;
    loop_timer_cancel(c->r->loop, &c->timer);
    buf_done(&c->text);
    buf_done(&c->json);
    free(c);
}

/* --- words --------------------------------------------------------------------------------------------------------- */

static bool value_of(struct str word, const char *key, struct str *out)
{
    size_t n = strlen(key);

    if (!str_startsi(word, str_c(key)) || word.n <= n || word.p[n] != '=')
        return false;
    *out = str_from(word, n + 1);
    return true;
}

static bool step_of(struct str word, uint64_t *out)
{
    *out = str_eqi(word, str_lit("quarter")) ? SLOT_MS
           : str_eqi(word, str_lit("hour"))  ? 3600000
           : str_eqi(word, str_lit("day"))   ? 86400000
                                             : 0;
    return *out != 0;
}

static enum rc appliance_of(struct report_call *c, struct str word)
{
    for (size_t i = 0; i < c->names.n; i++)
        if (str_eqi(word, str_c(c->names.items[i].name)) || str_eqi(word, str_c(c->names.items[i].serial))) {
            snprintf(c->serial, sizeof c->serial, "%s", c->names.items[i].serial);
            return RC_OK;
        }
    return err_set(&c->e, RC_NOT_FOUND, "There is no appliance %.*s", STR(word));
}

static enum rc option(struct report_call *c, struct str word)
{
    struct str value;

    if (value_of(word, "range", &value))
        return report_range(value, clock_wall_ms(), &c->q.from_ms, &c->q.to_ms)
                   ? RC_OK
                   : err_set(&c->e, RC_INVALID, "%.*s is no range", STR(value));
    if (value_of(word, "top", &value))
        return str_u64(value, &c->top) && c->top ? RC_OK : err_set(&c->e, RC_INVALID, "%.*s is no number", STR(value));
    if (value_of(word, "by", &value))
        return step_of(value, &c->q.step_ms) ? RC_OK : err_set(&c->e, RC_INVALID, "expected quarter, hour or day");
    if (value_of(word, "appliance", &value))
        return appliance_of(c, value);
    if (str_eqi(word, str_lit("--csv")) || str_eqi(word, str_lit("csv"))) {
        c->csv = true;
        return RC_OK;
    }
    return err_set(&c->e, RC_SYNTAX, "%.*s is not understood", STR(word));
}

static enum rc words(struct report_call *c, struct str args)
{
    const struct conf *conf = c->r->conf ? conf_now(c->r->conf) : NULL;
    struct str name = STR_NONE, word;

    get_str(&args, &name);
    c->top = TOP;
    report_range(str_lit("day"), clock_wall_ms(), &c->q.from_ms, &c->q.to_ms);
    c->list = !name.n || str_eqi(name, str_lit("list"));
    c->availability = str_eqi(name, str_lit("availability"));
    if (c->list || c->availability)
        return RC_OK;
    if (!report_named(name, &c->q.report))
        return err_set(&c->e, RC_NOT_FOUND, "There is no report %.*s: see \"report list\"", STR(name));
    while (get_str(&args, &word))
        if (word.n)
            TRY(option(c, word));
    c->q.by_tld =
        conf && conf->reporting.group_by_tld &&
        str_find_str(str_c(report_info(c->q.report)->name), str_lit("domain")) < strlen(report_info(c->q.report)->name);
    return RC_OK;
}

/* Display names, for the thread. Former serials of an appliance are shown under its name. */
static void add_name(struct report_names *names, struct str serial, struct str name)
{
    if (!serial.n || names->n >= sizeof names->items / sizeof *names->items)
        return;
    snprintf(names->items[names->n].serial, SEGMENT_SERIAL, "%.*s", STR(serial));
    snprintf(names->items[names->n++].name, sizeof names->items->name, "%.*s", STR(name));
}

/* Its present serial number: there is contact, or since when there is none. */
static void add_contact(struct report_call *c, struct str serial)
{
    const struct contact_told *t = contacts_find(&c->r->contacts, serial);

    if (!t || !c->names.n || !str_eqi(str_c(c->names.items[c->names.n - 1].serial), serial))
        return;
    c->names.items[c->names.n - 1].away = t->away;
    c->names.items[c->names.n - 1].heard_ms = t->heard_ms;
}

static void take_names(struct report_call *c)
{
    const struct conf *conf = c->r->conf ? conf_now(c->r->conf) : NULL;

    if (!conf)
        return;
    add_name(&c->names, str_c(c->r->exports.serial), conf->system.hostname);
    for (size_t i = 0; i < conf->appliance.n; i++) {
        add_name(&c->names, conf->appliance.items[i].serial, conf->appliance.items[i].name);
        add_contact(c, conf->appliance.items[i].serial);
    }
    for (size_t i = 0; i < conf->appliance.n; i++)
        for (size_t k = 0; k < conf->appliance.items[i].former.n; k++)
            add_name(&c->names, conf->appliance.items[i].former.items[k], conf->appliance.items[i].name);
}

/* --- working ------------------------------------------------------------------------------------------------------- */

/* All serials of the appliance that is asked for, former ones too. */
static size_t serials(const struct report_call *c, struct str out[static 200])
{
    const char *name = NULL;
    size_t n = 0;

    for (size_t i = 0; i < c->names.n; i++)
        if (strcmp(c->names.items[i].serial, c->serial) == 0)
            name = c->names.items[i].name;
    for (size_t i = 0; name && i < c->names.n; i++)
        if (strcmp(c->names.items[i].name, name) == 0)
            out[n++] = str_c(c->names.items[i].serial);
    return n;
}

static void work(void *ctx)
{
    struct report_call *c = ctx;
    struct reporting *db = imports_reporting(c->r->imports);
    struct str all[200];

    if (c->availability) {
        c->rc = report_availability(db, c->kind, &c->names, &c->text, &c->json, &c->e);
        return;
    }
    if (c->serial[0]) {
        c->q.n_serials = serials(c, all);
        c->q.serials = all;
    }
    c->rc = report_show(db, &c->q, c->top, c->csv, &c->text, &c->json, &c->e);
}

static void worked(void *ctx)
{
    struct report_call *c = ctx;

    c->running = false;
    answer(c);
}

static void begin(void *ctx)
{
    struct report_call *c = ctx;

    if (c->running)
        return;
    c->running = true;
    loop_timer_cancel(c->r->loop, &c->timer);
    loop_work(c->r->loop, work, worked, c);
}

void report_verbs_saved(struct record *r)
{
    for (struct report_call *c = r->reports; c; c = c->next)
        if (!c->running && figures_settled(&r->figures))
            begin(c);
}

static struct report_call *call_new(struct record *r, const struct bus_in *in)
{
    struct report_call *c = calloc(1, sizeof *c);
    size_t n = 0;

    must(c);
    c->r = r;
    c->from = in->from;
    c->life = in->from->life;
    c->call = in->call;
    c->text = BUF(48 << 20);
    c->json = BUF(48 << 20);
    for (const struct report_call *other = r->reports; other; other = other->next)
        n++;
    if (n >= CALLS_MOST)
        c->rc = err_set(&c->e, RC_LIMIT, "too many reports are being made");
    c->next = r->reports;
    r->reports = c;
    return c;
}

void report_verbs_call(struct record *r, const struct bus_in *in, bool tracking)
{
    const struct bus_verb_call *call = in->msg;
    struct report_call *c = call_new(r, in);

    c->kind = tracking ? SEGMENT_TRACKING : SEGMENT_REPORTING;
    take_names(c);
    if (c->rc == RC_OK)
        c->rc = words(c, call->args);
    if (c->rc == RC_OK && c->list)
        report_list(&c->text, &c->json);
    if (c->rc == RC_OK && !c->list && !imports_reporting(r->imports))
        c->rc = err_set(&c->e, RC_UNAVAILABLE, "The data of reports cannot be used");
    if (c->rc != RC_OK || c->list) {
        answer(c);
        return;
    }
    if (c->availability || !r->figures.db || figures_closed(&r->figures, c->q.to_ms)) {
        begin(c);
        return;
    }
    figures_now(&r->figures);
    record_save_soon(r);
    loop_timer_set(r->loop, &c->timer, SETTLE_MS, begin, c);
}

bool report_verbs_busy(const struct record *r)
{
    for (const struct report_call *c = r->reports; c; c = c->next)
        if (c->running)
            return true;
    return false;
}

void report_verbs_done(struct record *r)
{
    for (struct report_call *c = r->reports, *next; c; c = next) {
        next = c->next;
        loop_timer_cancel(r->loop, &c->timer);
        buf_done(&c->text);
        buf_done(&c->json);
        free(c);
    }
    r->reports = NULL;
}
