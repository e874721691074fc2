/*
 * The commit model of a session: commit, commitdetail, clearchanges, rollbackconfig (spec/cli.md 3).
 *
 * Called through spec/verbs.def. The working copy is the session's own; a commit sends the sections it changed with the
 * version it began with, and control refuses what somebody else has changed meanwhile. Nothing is in force before.
 */
#include "base/clock.h"
#include "conf/rules.h"
#include "conf/xml.h"
#include "console/ask.h"
#include "console/commands.h"
#include "console/lockout.h"
#include "console/relay.h"
#include "policy/hardening.h"

#include <inttypes.h>

enum { FILE_MAX = 64 << 20, SECTIONS_MAX = 128 };

struct wish {
    struct str comment;
    bool force, ask;
};

/* commit | commit -y | commit "why" | commit force ["why"] */
static bool parse(const struct session *s, struct wish *w)
{
    size_t i = 0;

    w->force = arg_is(s, 0, "force");
    i += w->force;
    w->ask = i == s->args.n && !w->force;
    if (arg_is(s, i, "-y"))
        i++;
    else if (i < s->args.n)
        w->comment = s->args.items[i++];
    return i == s->args.n;
}

struct sending {
    struct str words[5 + SECTIONS_MAX];
    size_t n;
};

static void add_section(void *ctx, const struct conf_section *section)
{
    struct sending *m = ctx;

    if (m->n < 5 + SECTIONS_MAX)
        m->words[m->n++] = str_c(section->name);
}

static enum rc send(struct session *s, const struct wish *w)
{
    struct sending *m = arena_must_alloc(&s->arena, sizeof *m);
    struct buf *file = session_buf(s, FILE_MAX), *text = session_buf(s, 1 << 20);
    struct err e = ERR_NONE;
    enum rc rc;

    m->n = 5;
    conf_xml_write_changed(&s->work->conf, &s->base->conf, add_section, m, file);
    m->words[0] = str_lit("commit");
    m->words[1] = arena_printf(&s->arena, "%" PRIu64, s->base->conf.version);
    m->words[2] = w->force || relay_all_confirmed(s) ? str_lit("1") : str_lit("0");
    m->words[3] = w->comment;
    m->words[4] = buf_str(file);
    rc = session_ask(s, m->words, m->n, text, NULL);
    if (rc != RC_OK) {
        say_str(s, buf_str(text));
        return rc;
    }
    return session_refresh(s, &e) == RC_OK ? RC_OK : session_fail(s, &e);
}

static bool permitted(struct session *s)
{
    if (s->role != ROLE_READ_ONLY)
        return true;
    say(s, "A read-only operator may not commit.\n");
    return false;
}

/* HD-01: names of interfaces whose SSH these changes open to the outside, ", " between them. */
static struct str newly_exposed(struct session *s)
{
    struct buf *names = session_buf(s, 1 << 16);
    const struct conf *now = &s->work->conf, *was = &s->base->conf;

    for (size_t i = 0; i < now->interface.n; i++) {
        const struct conf_interface *f = &now->interface.items[i], *before = conf_find(&was->interface, f->name);

        if (hardening_ssh_exposed(now, f) && !(before && hardening_ssh_exposed(was, before)))
            buf_addf(names, "%s%.*s", names->n ? ", " : "", STR(f->name));
    }
    return buf_str(names);
}

enum rc cmd_commit(struct session *s)
{
    struct wish w = {0};
    struct str exposed;
    char when[40];
    enum rc rc;

    if (!parse(s, &w))
        return session_usage(s);
    if (!session_staged(s)) {
        say(s, "There is no data to commit.\n");
        return RC_OK;
    }
    s->taken = s->args.n; /* they have been read; questions below are asked */
    if (!permitted(s))
        return RC_NOT_PERMITTED;
    if (lockout_of(s) && !w.force && !ask_yes(s, lockout_question(s), false))
        return RC_NOT_PERMITTED;
    if (w.ask) {
        w.comment = ask_optional(s, "Please enter some comments describing your changes:", NULL, NULL);
        ask_yes(s, "Do you want to save the current configuration for rollback?", true); /* every version is kept */
    }
    exposed = newly_exposed(s);
    rc = send(s, &w);
    if (rc == RC_OK)
        say(s, "Changes committed: %.*s\n", STR(conf_time_text(clock_wall_ms(), when)));
    if (rc == RC_OK && exposed.n)
        say(s, "Warning: SSH on %.*s can be reached from outside (HD-01). See securitycheck.\n", STR(exposed));
    return rc;
}

enum rc cmd_commitdetail(struct session *s)
{
    struct buf *b = session_buf(s, 1 << 22);

    if (s->args.n)
        return session_usage(s);
    if (!session_staged(s)) {
        say(s, "Changes of the last commit:\n");
        return session_run(s, "commitdetail", NULL);
    }
    conf_diff(&s->base->conf, &s->work->conf, b);
    say(s, "Changes that are not committed:\n");
    say_str(s, buf_str(b));
    return RC_OK;
}

enum rc cmd_clearchanges(struct session *s)
{
    struct err e = ERR_NONE;

    if (!session_staged(s)) {
        say(s, "There are no changes to clear.\n");
        return RC_OK;
    }
    if (!ask_yes(s, "Are you sure you want to clear all changes since the last commit?", true))
        return RC_OK;
    if (session_refresh(s, &e) != RC_OK)
        return session_fail(s, &e);
    say(s, "Uncommitted changes cleared.\n");
    return RC_OK;
}

/* --- rollbackconfig
 * -------------------------------------------------------------------------------------------------------- */

enum { SHOWN = 20 };

struct version {
    uint64_t number;
    struct str line;
};

static size_t versions(struct session *s, struct version *out)
{
    struct buf *b = session_buf(s, 4 << 20);
    struct str rest, line, number, when, user;
    size_t n = 0;

    if (session_call(s, b, NULL, "versions", NULL) != RC_OK)
        return 0;
    for (rest = buf_str(b); n < SHOWN && str_split(&rest, '\n', &line);) {
        if (!str_split(&line, '\t', &number) || !str_u64(number, &out[n].number) || !str_split(&line, '\t', &when) ||
            !str_split(&line, '\t', &user))
            continue;
        out[n].line = arena_printf(&s->arena, "%.*s  %-12.*s  %.*s", STR(when), STR(user), STR(line));
        n++;
    }
    return n;
}

/* Stages an older version: committed, it is a new one with the old content. What makes the machine itself stays. */
enum rc cmd_rollbackconfig(struct session *s)
{
    struct version list[SHOWN];
    struct str *lines;
    size_t n = versions(s, list), i;
    struct conf_draft *d = NULL;
    struct err e = ERR_NONE;

    if (n < 2) {
        say(s, "There is no earlier configuration.\n");
        return RC_OK;
    }
    lines = arena_must_alloc(&s->arena, n * sizeof *lines);
    for (i = 0; i < n; i++)
        lines[i] = list[i].line;
    i = ask_choice(s, "Previous commits, newest first. Enter the number of the configuration to revert to:",
                   &(struct strs){lines, n}, SIZE_MAX);
    if (!ask_yes(s, "Are you sure you want to roll back the configuration?", false))
        return RC_OK;
    if (session_fetch(s, list[i].number, &d, &e) != RC_OK)
        return session_fail(s, &e);
    d->conf.version = s->base->conf.version;
    session_take_draft(s, d);
    say(s, "Configuration %06" PRIu64 " is staged. Use commit to make it active.\n", list[i].number);
    return RC_OK;
}
