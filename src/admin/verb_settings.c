/*
 * `settings`: show, set, load, save, versions, rollback, diff. One way only: every change is a checked, numbered version.
 *
 * Called through spec/verbs.def. Works on a copy of the configuration in force and hands it to the store; a refused change
 * leaves nothing behind but its error text. File contents travel in the request, control opens no file an operator names.
 */
#include "admin/verbs.h"

#include "conf/rules.h"
#include "conf/snapshot.h"
#include "conf/value.h"
#include "conf/versions.h"

#include <inttypes.h>

struct options {
    bool force, plain;
    struct str comment;
    struct strs rest;
};

static bool parse_options(const struct strs *args, struct options *o)
{
    size_t i = 1;

    for (; i < args->n && args->items[i].n > 1 && args->items[i].p[0] == '-' &&
           str_find(args->items[i], '.') == args->items[i].n;
         i++) {
        if (str_eq(args->items[i], str_lit("--force")))
            o->force = true;
        else if (str_eq(args->items[i], str_lit("--plain")))
            o->plain = true;
        else if (str_eq(args->items[i], str_lit("-m")) && i + 1 < args->n)
            o->comment = args->items[++i];
        else
            return false;
    }
    o->rest = (struct strs){args->items + i, args->n - i};
    return true;
}

/* Commits the draft (taken) and tells what changed. */
static void finish(struct verb_call *c, struct conf_draft *d, const struct options *o)
{
    struct err e = ERR_NONE;
    uint64_t version;

    if (store_commit(c->admin, d, c->user, o->comment, o->force, &version, &c->text, &e) != RC_OK) {
        conf_draft_free(d);
        buf_clear(&c->text);
        verb_fail(c, &e);
        return;
    }
    if (version)
        buf_addf(&c->text, "Configuration %06" PRIu64 " is in force.\n", version);
    else
        buf_add(&c->text, str_lit("No changes detected from current configuration.\n"));
    verb_wait_applied(c);
}

static void set(struct verb_call *c, const struct options *o)
{
    struct conf_draft *d = conf_draft_copy(&c->admin->current->conf);
    struct err e = ERR_NONE;
    enum rc rc = d ? RC_OK : err_set(&e, RC_NO_MEMORY, "no memory");

    for (size_t i = 0; rc == RC_OK && i < o->rest.n; i++)
        rc = conf_draft_line(d, o->rest.items[i], &e);
    if (rc != RC_OK) {
        conf_draft_free(d);
        verb_fail(c, &e);
        return;
    }
    finish(c, d, o);
}

static void load(struct verb_call *c, const struct options *o)
{
    struct conf_draft *d = conf_draft_copy(&c->admin->current->conf);
    struct err e = ERR_NONE;
    enum rc rc = d ? conf_xml_read(d, o->rest.items[0], &e) : err_set(&e, RC_NO_MEMORY, "no memory");

    if (rc == RC_OK)
        rc = unseal_secrets(c->admin, d, &e);
    if (rc != RC_OK) {
        conf_draft_free(d);
        event(c->admin->events, settings_refused, .user = c->user, .why = str_c(err_text(&e)));
        buf_addf(&c->text, "Parsing failed.  Aborting.\n%s\n", err_text(&e));
        verb_end(c, rc);
        return;
    }
    finish(c, d, o);
}

static void save(struct verb_call *c, const struct options *o)
{
    const struct conf_header h = {0};
    struct conf_draft *d = store_sealed(c->admin);

    if (d)
        conf_xml_write(&d->conf, &h, o->plain, &c->text);
    conf_draft_free(d);
    verb_end(c, d ? RC_OK : RC_NO_MEMORY);
}

/* Lines path=value of what begins with `prefix`. */
static void show(struct verb_call *c, struct str prefix)
{
    const struct conf *now = &c->admin->current->conf;
    struct buf line = BUF(1 << 24);
    bool any = false;

    for (size_t i = 0; i < conf_sections_n; i++) {
        const struct conf_section *s = &conf_sections[i];

        for (size_t j = 0; j < conf_items(now, s); j++) {
            for (const struct conf_setting *f = s->settings; f->name; f++) {
                buf_clear(&line);
                conf_path_format(s, conf_item_name(s, conf_item(now, s, j)), f->name, &line);
                if (!str_startsi(buf_str(&line), prefix))
                    continue;
                any = true;
                buf_addc(&line, '=');
                conf_value_format(conf_item(now, s, j), f, false, &line);
                buf_add(&c->text, buf_str(&line));
                buf_addc(&c->text, '\n');
            }
        }
    }
    buf_done(&line);
    if (!any)
        buf_addf(&c->text, "%.*s does not exist\n", STR(str_first(prefix, 150)));
    verb_end(c, any ? RC_OK : RC_NOT_FOUND);
}

static bool one_version(void *ctx, const struct conf_header *h, bool current)
{
    struct verb_call *c = ctx;
    char t[40];

    buf_addf(&c->text, "%c %06" PRIu64 "  %.*s  %-12.*s  %.*s\n", current ? '*' : ' ', h->version,
             STR(conf_time_text(h->time_ms, t)), STR(h->user), STR(h->comment));
    return true;
}

static void versions(struct verb_call *c)
{
    struct err e = ERR_NONE;

    if (conf_versions_each(c->admin->home, one_version, c, &e) != RC_OK)
        verb_fail(c, &e);
    else
        verb_end(c, RC_OK);
}

/* The version named by the argument, as a draft. NULL: the call has been ended. */
static struct conf_draft *version_named(struct verb_call *c, const struct options *o)
{
    struct conf_draft *d = NULL;
    struct err e = ERR_NONE;
    uint64_t number;

    if (o->rest.n != 1 || !str_u64(o->rest.items[0], &number) || number == 0) {
        verb_usage(c);
        return NULL;
    }
    if (store_version(c->admin, number, &d, &e) != RC_OK) {
        if (e.rc == RC_NOT_FOUND)
            err_set(&e, RC_NOT_FOUND, "Configuration %06" PRIu64 " does not exist", number);
        verb_fail(c, &e);
    }
    return d;
}

static void rollback(struct verb_call *c, struct options *o)
{
    struct conf_draft *d = version_named(c, o);

    if (!d)
        return;
    if (o->comment.n == 0)
        o->comment = arena_printf(&c->arena, "rollback to %06" PRIu64, d->conf.version);
    o->force = true; /* it was in force once: what needed force was confirmed then */
    finish(c, d, o);
}

static void diff(struct verb_call *c, const struct options *o)
{
    struct conf_draft *d = version_named(c, o);

    if (!d)
        return;
    conf_diff(&d->conf, &c->admin->current->conf, &c->text);
    conf_draft_free(d);
    verb_end(c, RC_OK);
}

void verb_settings(struct verb_call *c)
{
    struct str what = c->args.n ? c->args.items[0] : STR_NONE;
    struct options o = {0};

    if (!parse_options(&c->args, &o))
        verb_usage(c);
    else if (str_eqi(what, str_lit("show")) && o.rest.n <= 1)
        show(c, o.rest.n ? o.rest.items[0] : STR_NONE);
    else if (str_eqi(what, str_lit("set")) && o.rest.n)
        set(c, &o);
    else if (str_eqi(what, str_lit("load")) && o.rest.n == 1)
        load(c, &o);
    else if (str_eqi(what, str_lit("save")) && !o.rest.n)
        save(c, &o);
    else if (str_eqi(what, str_lit("versions")))
        versions(c);
    else if (str_eqi(what, str_lit("rollback")))
        rollback(c, &o);
    else if (str_eqi(what, str_lit("diff")))
        diff(c, &o);
    else
        verb_usage(c);
}
