/*
 * The life of a session: who it is, prompt, commands, the end. See session.h.
 *
 * Called by role/main_session.c. Owns the configuration drafts, the command's arena and the history. A connection to control
 * that breaks ends the session: nothing can be done without it.
 */
#include "console/session.h"

#include "admin/client.h"
#include "admin/wire.h"
#include "base/clock.h"
#include "conf/product.h"
#include "conf/rules.h"
#include "conf/snapshot.h"
#include "console/commands.h"
#include "console/relay.h"
#include "console/terminal.h"

#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

enum { ARENA_MAX = 1 << 28, REPLY_MAX = 128 << 20 };

_Noreturn void session_leave(struct session *s, int why)
{
    if (s->inside)
        longjmp(s->prompt, why);
    say_flush(s);
    terminal_end(s);
    _exit(1);
}

/* --- who ------------------------------------------------------------------------------------------------------------------
 */

static struct str field(struct str text, const char *key)
{
    struct str line, rest = text, name;

    while (str_split(&rest, '\n', &line)) {
        name = str_first(line, str_find(line, '='));
        if (str_eq(name, str_c(key)))
            return str_from(line, name.n + 1);
    }
    return STR_NONE;
}

/* The lines after a login (order fixed, spec/cli.md 1.1). */
static void greet(struct session *s, struct str about)
{
    const struct conf *c = session_conf(s);
    bool manager = c->system.role == 1;
    const char *model = manager ? PRODUCT_MODEL_MANAGER : PRODUCT_MODEL_GATEWAY;
    struct str last = field(about, "last_login");

    if (last.n)
        say(s, "Last login: %.*s from %.*s\n", STR(last), STR(field(about, "last_peer")));
    say(s, "AsyncOS %s for %s %s build %s\n\nWelcome to the %s %s %s Virtual\n", PRODUCT_VERSION, PRODUCT_NAME, model,
        PRODUCT_BUILD, PRODUCT_NAME, model, manager ? "Content Security Management" : "Secure Email Gateway");
    if (c->access.welcome.n)
        say(s, "%.*s\n", STR(c->access.welcome));
    say(s,
        "\nNOTE: This session will expire if left idle for %" PRIu64
        " minutes. Uncommitted changes are then lost; commit early.\n\n",
        c->access.cli_timeout_ms / 60000);
}

enum rc session_open(struct session *s, struct err *e)
{
    struct buf about = BUF(8192);
    struct str text;
    enum rc rc;

    arena_init(&s->arena, 65536, ARENA_MAX);
    s->ahead = BUF(1 << 21);
    s->screen = BUF(1 << 20);
    terminal_begin(s);
    terminal_size(s);
    rc = session_call(s, &about, NULL, "session", NULL);
    if (rc != RC_OK) {
        buf_done(&about);
        return err_set(e, rc, "this login is not taken (any more)");
    }
    text = buf_str(&about);
    str_u64(field(text, "role"), &s->role);
    s->must_change = !s->local && str_eq(field(text, "must_change"), str_lit("1"));
    s->user = str_of(strndup(field(text, "user").p, field(text, "user").n), field(text, "user").n);
    rc = s->must_change ? RC_OK : session_refresh(s, e);
    if (rc == RC_OK && s->terminal && !s->exec && !s->local && !s->must_change)
        greet(s, text);
    buf_done(&about);
    return rc;
}

void session_close(struct session *s)
{
    say_flush(s);
    terminal_end(s);
    conf_draft_free(s->base);
    conf_draft_free(s->work);
    conf_draft_free(s->trial);
    arena_done(&s->arena);
    buf_done(&s->ahead);
    buf_done(&s->screen);
}

/* --- the configuration
 * ------------------------------------------------------------------------------------------------------ */

const struct conf *session_conf(const struct session *s)
{
    return s->trial ? &s->trial->conf : &s->work->conf;
}

struct conf_draft *session_draft(struct session *s)
{
    if (!s->trial)
        s->trial = conf_draft_copy(&s->work->conf);
    if (!s->trial)
        session_leave(s, LEAVE_ABORT);
    return s->trial;
}

void session_take_draft(struct session *s, struct conf_draft *d)
{
    conf_draft_free(s->trial);
    s->trial = d;
}

static void free_draft(void *draft)
{
    conf_draft_free(draft);
}

enum rc session_step(struct session *s, enum rc (*operation)(struct session *s, void *ctx), void *ctx)
{
    struct conf_draft *before = conf_draft_copy(session_conf(s));
    enum rc rc;

    if (!before || !arena_defer(&s->arena, free_draft, before)) {
        conf_draft_free(before);
        return RC_NO_MEMORY;
    }
    rc = operation(s, ctx);
    if (rc == RC_OK)
        return RC_OK;
    session_take_draft(s, conf_draft_copy(&before->conf));
    return s->args.n ? rc : RC_OK;
}

bool session_set(struct session *s, const char *path, struct str value)
{
    struct err e = ERR_NONE;

    if (conf_draft_set(session_draft(s), str_c(path), value, &e) == RC_OK)
        return true;
    say(s, "%s\n", err_text(&e));
    return false;
}

static bool differ(const struct conf_draft *a, const struct conf_draft *b)
{
    for (size_t i = 0; i < conf_sections_n; i++)
        if (!conf_section_equal(&a->conf, &b->conf, &conf_sections[i]))
            return true;
    return false;
}

void session_stage(struct session *s)
{
    if (!s->trial)
        return;
    relay_stage(s);
    conf_draft_free(s->work);
    s->work = s->trial;
    s->trial = NULL;
}

bool session_staged(const struct session *s)
{
    return s->work && s->base && differ(s->base, s->work);
}

enum rc session_fetch(struct session *s, uint64_t number, struct conf_draft **out, struct err *e)
{
    struct buf b = BUF(REPLY_MAX);
    char text[24];
    struct conf_draft *d = conf_draft_empty();
    struct str in;
    uint64_t version = 0;
    enum rc rc;

    snprintf(text, sizeof text, "%" PRIu64, number);
    rc = number ? session_call(s, &b, NULL, "conf", text, NULL) : session_call(s, &b, NULL, "conf", NULL);
    in = buf_str(&b);
    if (rc != RC_OK)
        err_set(e, rc, "%.*s", STR(str_trim(str_first(in, 200))));
    else if (!d || !get_u64(&in, &version))
        rc = err_set(e, RC_CORRUPT, "the configuration cannot be read");
    else
        rc = conf_decode(d, in, e);
    buf_done(&b);
    if (rc != RC_OK) {
        conf_draft_free(d);
        return rc;
    }
    d->conf.version = version;
    *out = d;
    return RC_OK;
}

enum rc session_refresh(struct session *s, struct err *e)
{
    struct conf_draft *d = NULL, *copy;

    TRY(session_fetch(s, 0, &d, e));
    copy = conf_draft_copy(&d->conf);
    if (!copy) {
        conf_draft_free(d);
        return err_set(e, RC_NO_MEMORY, "no memory");
    }
    conf_draft_free(s->base);
    conf_draft_free(s->work);
    s->base = d;
    s->work = copy;
    s->relay_confirmed.n = 0;
    clock_zone(copy->conf.system.timezone);
    return RC_OK;
}

/* --- one command
 * ------------------------------------------------------------------------------------------------------------ */

/* "snmp.community=x": the setting before `=` is a secret of some section. */
static bool is_secret(struct str word)
{
    size_t eq = str_find(word, '=');
    struct str name = str_first(word, eq);
    size_t dot = str_find_last(name, '.');

    if (eq == word.n)
        return false;
    if (dot < name.n)
        name = str_from(name, dot + 1);
    for (size_t i = 0; i < conf_sections_n; i++) {
        const struct conf_setting *f = conf_setting_find(&conf_sections[i], name);

        if (f && f->type == CONF_TYPE_SECRET)
            return true;
    }
    return false;
}

/* A command line is told as it is typed, secrets on it are not. */
static struct str shown(struct session *s, struct strs words, struct str line)
{
    struct buf *b = session_buf(s, line.n + 16 * words.n + 16);
    bool any = false;

    for (size_t i = 0; i < words.n; i++) {
        bool secret = is_secret(words.items[i]);

        if (i)
            buf_addc(b, ' ');
        buf_add(b, secret ? str_first(words.items[i], str_find(words.items[i], '=') + 1) : words.items[i]);
        if (secret)
            buf_add(b, str_lit("********"));
        any = any || secret;
    }
    return any ? buf_str(b) : line;
}

static void note(struct session *s, struct str line)
{
    char text[1000];

    snprintf(text, sizeof text, "%.*s", STR(str_first(line, sizeof text - 1)));
    session_call(s, NULL, NULL, "note", "cli", text, NULL);
}

/* Somebody else may have committed meanwhile: without changes of our own we see it. */
static void follow(struct session *s)
{
    if (s->work && !session_staged(s))
        session_refresh(s, NULL);
}

static enum rc run(struct session *s, const struct command *c, struct strs words)
{
    enum rc rc;

    s->running = c;
    terminal_size(s); /* the window may have changed */
    s->args = (struct strs){words.items + 1, words.n - 1};
    s->taken = 0;
    s->line = 0;
    s->quiet = false;
    s->relay_asked.n = 0;
    rc = c->run(s);
    if (rc == RC_OK)
        session_stage(s);
    conf_draft_free(s->trial);
    s->trial = NULL;
    return rc;
}

static enum rc unknown(struct session *s, struct str word)
{
    say(s, "Unknown command or missing feature key: %.*s\n", STR(str_first(word, 100)));
    return RC_UNKNOWN_COMMAND;
}

static enum rc command(struct session *s, struct strs words, struct str line)
{
    const struct command *c = command_find(words.items[0]);

    note(s, shown(s, words, line));
    if (!c || !command_permitted(s, c))
        return unknown(s, words.items[0]);
    follow(s);
    return run(s, c, words);
}

static bool is_leave(struct str word)
{
    return str_eqi(word, str_lit("exit")) || str_eqi(word, str_lit("quit")) || str_eqi(word, str_lit("q"));
}

/* What is left of a command that was left. */
static void clear(struct session *s)
{
    conf_draft_free(s->trial);
    s->trial = NULL;
    arena_reset(&s->arena);
}

/* One line of commands; *leave: exit. */
static enum rc line_of(struct session *s, struct str line, bool *leave)
{
    struct err e = ERR_NONE;
    struct strs words;
    enum rc rc = RC_OK;

    while (rc == RC_OK && !*leave) {
        struct str before;

        while (line.n && (line.p[0] == ';' || line.p[0] == ' '))
            line = str_from(line, 1); /* the audit line begins with the command */
        before = line;

        if (!words_take(&s->arena, &line, &words, &e))
            break;
        *leave = is_leave(words.items[0]);
        if (!*leave)
            rc = command(s, words, str_trim(str_first(before, before.n - line.n)));
    }
    if (e.rc == RC_OK)
        return rc;
    say(s, "%s\n", err_text(&e));
    return e.rc;
}

/* --- exec mode ------------------------------------------------------------------------------------------------------------
 */

int session_exec(struct session *s, struct str line)
{
    volatile int status = 1;
    bool leave = false;
    int why;

    if (s->must_change) {
        say(s, "The passphrase must be changed first: log in with a terminal.\n");
        return 1;
    }
    s->inside = true;
    why = setjmp(s->prompt);
    if (why == 0)
        status = line_of(s, line, &leave) == RC_OK ? 0 : 1;
    s->inside = false;
    if (why == LEAVE_NO_ANSWER || why == LEAVE_IDLE)
        say(s, "No answer was given.\n");
    if (session_staged(s))
        say(s, "Warning: changes that were not committed are dropped.\n");
    clear(s);
    return status;
}

/* --- with a prompt
 * ---------------------------------------------------------------------------------------------------------- */

static struct str prompt(struct session *s)
{
    return arena_printf(&s->arena, "%.*s> ", STR(session_conf(s)->system.hostname));
}

/* Leaving with changes asks; true = leave. */
static bool may_leave(struct session *s)
{
    struct str answer;

    if (!session_staged(s) || s->end_of_input || !s->terminal)
        return true;
    if (!session_line(s, &s->arena,
                      str_lit("You have changes that are not committed; leaving drops them. Leave all the same? [N]> "),
                      false, &answer))
        return true;
    return str_eqi(str_trim(answer), str_lit("y")) || str_eqi(str_trim(answer), str_lit("yes"));
}

static bool one_line(struct session *s)
{
    struct str line;
    bool leave = false;

    if (!session_line(s, &s->arena, s->terminal ? prompt(s) : STR_NONE, false, &line))
        return !may_leave(s);
    line_of(s, line, &leave);
    return !(leave && may_leave(s));
}

static void idle(struct session *s)
{
    session_call(s, NULL, NULL, "note", "idle", "", NULL);
    say(s, "\nThis session was idle for too long and ends.%s\n",
        session_staged(s) ? " Changes that were not committed are dropped." : "");
}

/* A function of its own, so that nothing of it lives across the setjmp(). */
static __attribute__((noinline)) void say_why(struct session *s, int why)
{
    if (why == LEAVE_ABORT)
        say_raw(s, str_lit("^C\n"));
    if (why == LEAVE_NO_ANSWER)
        say(s, "No answer was given.\n");
}

int session_talk(struct session *s)
{
    volatile bool on = true;

    if (s->must_change && !command_first_passphrase(s))
        return 1;
    while (on) {
        int why = setjmp(s->prompt);

        s->inside = true;
        say_why(s, why);
        clear(s);
        if (why == LEAVE_END || why == LEAVE_IDLE) {
            s->inside = false;
            if (why == LEAVE_IDLE)
                idle(s);
            break;
        }
        on = one_line(s);
    }
    s->inside = false;
    return 0;
}
