/*
 * The commit model (spec/cli.md 3), control's side: the configuration in force or an older version for a session's working
 * copy, and the commit of such a copy.
 *
 * Called through spec/verbs.def; sessions keep their working copy themselves, so one that is killed leaves nothing here. A
 * commit brings the sections it changed as a configuration file and the version it began with: a section that somebody else
 * has changed since is refused with his name and time, and nothing changes.
 */
#include "admin/verbs.h"

#include "conf/rules.h"
#include "conf/snapshot.h"
#include "conf/value.h"
#include "conf/versions.h"

#include <inttypes.h>
#include <stdlib.h>

enum { COMMIT_FIXED = 4, BLOB_MAX = 1 << 28 };

static uint64_t role_of(const struct verb_call *c)
{
    const struct conf_user *u = conf_find(&c->admin->current->conf.user, c->user);

    return u ? u->role : 0; /* the local console of an admin who was removed */
}

/* --- conf ----------------------------------------------------------------------------------------------------------------
 */

/* Version (u64), then the snapshot; secrets, sealed, go to those alone who may commit. Takes d. */
static void put_conf(struct verb_call *c, struct conf_draft *d)
{
    uint64_t role = role_of(c);

    if (d) {
        seal_secrets(c->admin, d);
        buf_put_u64(&c->text, d->conf.version);
        conf_encode(&d->conf, role == 0 || role == 1 || role == 4 ? NULL : "", &c->text);
    }
    conf_draft_free(d);
    verb_end(c, !d ? RC_NO_MEMORY : c->text.failed ? RC_TOO_LARGE : RC_OK);
}

/* args: none, or the number of a version. */
void verb_conf(struct verb_call *c)
{
    struct conf_draft *d = NULL;
    struct err e = ERR_NONE;
    uint64_t number;

    if (c->args.n == 0) {
        put_conf(c, conf_draft_copy(&c->admin->current->conf));
        return;
    }
    if (!str_u64(c->args.items[0], &number)) {
        verb_usage(c);
        return;
    }
    if (store_version(c->admin, number, &d, &e) != RC_OK)
        verb_fail(c, &e);
    else
        put_conf(c, d);
}

static bool version_line(void *ctx, const struct conf_header *h, bool current)
{
    struct verb_call *c = ctx;
    char t[40];

    (void)current;
    buf_addf(&c->text, "%" PRIu64 "\t%.*s\t%.*s\t%.*s\n", h->version, STR(conf_time_text(h->time_ms, t)), STR(h->user),
             STR(h->comment));
    return true;
}

/* Saved versions, newest first: number, time, user, comment, separated by tabs. */
void verb_versions(struct verb_call *c)
{
    struct err e = ERR_NONE;

    if (conf_versions_each(c->admin->home, version_line, c, &e) != RC_OK)
        verb_fail(c, &e);
    else
        verb_end(c, RC_OK);
}

/* What the last commit changed. */
void verb_commitdetail(struct verb_call *c)
{
    const struct conf *now = &c->admin->current->conf;
    struct conf_draft *d = NULL;
    struct err e = ERR_NONE;

    if (now->version < 2 || store_version(c->admin, now->version - 1, &d, &e) != RC_OK) {
        buf_add(&c->text, str_lit("There is no earlier commit.\n"));
        verb_end(c, RC_OK);
        return;
    }
    conf_diff(&d->conf, now, &c->text);
    conf_draft_free(d);
    verb_end(c, RC_OK);
}

/* --- commit
 * ---------------------------------------------------------------------------------------------------------------- */

struct conflict {
    struct verb_call *call;
    uint64_t base;
    const struct conf_section *section;
    struct conf_draft *before; /* the newer neighbour of the version looked at */
    struct err *e;
};

/* Newest first: the first version that differs from the one before it in this section is who changed it. */
static bool who_changed(void *ctx, const struct conf_header *h, bool current)
{
    struct conflict *x = ctx;
    struct conf_draft *older = NULL;
    char t[40];
    bool equal;

    (void)current;
    if (h->version <= x->base || store_version(x->call->admin, h->version - 1, &older, NULL) != RC_OK)
        return false;
    equal = conf_section_equal(&older->conf, &x->before->conf, x->section);
    if (!equal)
        err_set(x->e, RC_CONFLICT,
                "The section \"%s\" was changed by %.*s at %.*s. Use clearchanges and make your changes anew",
                x->section->name, STR(str_first(h->user, 60)), STR(conf_time_text(h->time_ms, t)));
    conf_draft_free(x->before);
    x->before = older;
    return equal;
}

static enum rc check_section(struct verb_call *c, const struct conf_draft *base, const struct conf_section *s, struct err *e)
{
    struct conf_draft *now = c->admin->current;
    struct conflict x = {.call = c, .base = base->conf.version, .section = s, .e = e};

    if (conf_section_equal(&base->conf, &now->conf, s))
        return RC_OK;
    err_set(e, RC_CONFLICT, "The section \"%s\" was changed by somebody else", s->name);
    x.before = conf_draft_copy(&now->conf);
    if (x.before)
        conf_versions_each(c->admin->home, who_changed, &x, NULL);
    conf_draft_free(x.before);
    return e->rc;
}

/* Sections that are not everybody's: users and access are the administrator's. */
static enum rc check_rights(const struct verb_call *c, const struct conf_section *s, struct err *e)
{
    static const char *const administrators[] = {"user", "access"};

    for (size_t i = 0; i < sizeof administrators / sizeof *administrators; i++)
        if (role_of(c) != 0 && str_eq(str_c(s->name), str_c(administrators[i])))
            return err_set(e, RC_NOT_PERMITTED, "Only an administrator changes the section \"%s\"", s->name);
    return RC_OK;
}

static enum rc check_sections(struct verb_call *c, const struct conf_draft *base, struct err *e)
{
    for (size_t i = COMMIT_FIXED; i < c->args.n; i++) {
        const struct conf_section *s = conf_section_find(c->args.items[i]);

        if (!s)
            return err_set(e, RC_NOT_FOUND, "section %.*s does not exist", STR(str_first(c->args.items[i], 60)));
        TRY(check_rights(c, s, e));
        if (base->conf.version != c->admin->current->conf.version)
            TRY(check_section(c, base, s, e));
    }
    return RC_OK;
}

/* Nothing but the named sections may differ: a file that brings more than it says is refused. */
static enum rc check_named(const struct verb_call *c, const struct conf_draft *d, struct err *e)
{
    for (size_t i = 0; i < conf_sections_n; i++) {
        const struct conf_section *s = &conf_sections[i];
        bool named = false;

        for (size_t k = COMMIT_FIXED; k < c->args.n; k++)
            named = named || str_eq(c->args.items[k], str_c(s->name));
        if (!named && !conf_section_equal(&d->conf, &c->admin->current->conf, s))
            return err_set(e, RC_INVALID, "section %s is not named", s->name);
    }
    return RC_OK;
}

static enum rc commit(struct verb_call *c, struct conf_draft *base, struct conf_draft *d, uint64_t *version, struct err *e)
{
    bool force = str_eq(c->args.items[1], str_lit("1"));

    TRY(check_sections(c, base, e));
    TRY(conf_xml_read(d, c->args.items[3], e));
    TRY(unseal_secrets(c->admin, d, e));
    TRY(check_named(c, d, e));
    return store_commit(c->admin, d, c->user, c->args.items[2], force, version, &c->text, e);
}

/* args: BASE FORCE COMMENT FILE SECTION... The session's dialogue asks for the comment. */
void verb_commit(struct verb_call *c)
{
    struct conf_draft *base = NULL, *d = conf_draft_copy(&c->admin->current->conf);
    struct err e = ERR_NONE;
    uint64_t number = 0, version = 0;

    if (c->args.n <= COMMIT_FIXED || !str_u64(c->args.items[0], &number)) {
        conf_draft_free(d);
        verb_usage(c);
        return;
    }
    if (!d || store_version(c->admin, number, &base, &e) != RC_OK || commit(c, base, d, &version, &e) != RC_OK) {
        conf_draft_free(d);
        conf_draft_free(base);
        buf_clear(&c->text);
        if (e.rc == RC_OK)
            err_set(&e, RC_NO_MEMORY, "no memory");
        event(c->admin->events, settings_refused, .user = c->user, .why = str_c(err_text(&e)));
        verb_fail(c, &e);
        return;
    }
    conf_draft_free(base);
    buf_addf(&c->json, "{\"version\":%" PRIu64 "}", version);
    verb_wait_applied(c);
}

/* --- small services of dialogues
 * -------------------------------------------------------------------------------------------- */

static void hashed(void *ctx, struct str hash)
{
    struct verb_call *c = ctx;

    buf_add(&c->text, hash);
    verb_end(c, hash.n ? RC_OK : RC_NO_MEMORY);
}

/* args: PASSPHRASE; its hash for the working copy of userconfig, when it is strong enough. */
void verb_hash(struct verb_call *c)
{
    struct err e = ERR_NONE;

    if (c->args.n != 1)
        verb_usage(c);
    else if (passphrase_check(&c->admin->current->conf, c->args.items[0], &e) != RC_OK)
        verb_fail(c, &e);
    else
        auth_hash(c->admin, c->args.items[0], hashed, c);
}

static void taken(void *ctx, enum rc rc, const void *msg)
{
    const struct bus_mail_taken *m = msg;
    struct verb_call *c = ctx;

    c->rc = rc != RC_OK ? rc : m->rc < RC_COUNT ? (enum rc)m->rc : RC_INTERNAL;
    if (c->rc != RC_OK)
        buf_addf(&c->text, "The mail could not be sent: %s\n", rc_info(c->rc)->text);
    verb_wait(c);
}

/* args: RECIPIENTS (commas) MESSAGE. Mail of our own (mailconfig). */
void verb_sendmail(struct verb_call *c)
{
    struct bus_peer *queue = c->admin->bus ? bus_peer(c->admin->bus, ROLE_queue, 0) : NULL;
    struct buf to = BUF(1 << 16);
    struct str rest, one;

    if (c->args.n != 2 || !queue) {
        buf_add(&c->text,
                queue ? str_lit("Invalid arguments\n") : str_lit("The queue is not running; try again in a moment.\n"));
        verb_end(c, queue ? RC_SYNTAX : RC_UNAVAILABLE);
        return;
    }
    for (rest = c->args.items[0]; str_split(&rest, ',', &one);)
        if (str_trim(one).n)
            buf_put_str(&to, str_trim(one));
    c->waiting++;
    bus_call(c->admin->bus, queue, BUS_mail_new,
             &(struct bus_mail_new){.sender = STR_NONE, .recipients = buf_str(&to), .body = c->args.items[1]}, 10000, taken,
             c);
    buf_done(&to);
    verb_wait(c);
}
