/*
 * The table of commands, who may use them, and those that need no dialogue of their own. See commands.h.
 *
 * Called by session.c. Owns nothing. Rights are checked here for what the session does itself, and by control for what it
 * is asked; a refused command looks like an unknown one.
 */
#include "console/commands.h"

#include "console/ask.h"
#include "console/terminal.h"

static const struct command commands[] = {
#define VERB(name, aliases, product, least, scope, effect, dialogue, function, usage, help) \
    {#name, aliases, #product, #least, #effect, cmd_##dialogue, usage, help},
#include "spec/verbs.def"
#undef VERB
};

const struct command *command_row(size_t i)
{
    return i < sizeof commands / sizeof *commands ? &commands[i] : NULL;
}

static bool is_alias(const struct command *c, struct str name)
{
    struct str rest = str_c(c->aliases), alias;

    while (str_word(&rest, &alias))
        if (str_eqi(alias, name))
            return true;
    return false;
}

const struct command *command_find(struct str name)
{
    for (size_t i = 0; i < sizeof commands / sizeof *commands; i++)
        if (str_eqi(name, str_c(commands[i].name)) || is_alias(&commands[i], name))
            return &commands[i];
    return NULL;
}

/* Columns: administrator operator read_only guest technician (spec/cli.md 5). */
bool command_permitted(const struct session *s, const struct command *c)
{
    static const struct {
        const char *least;
        unsigned char may[5];
    } rows[] = {
        {"GUEST", {1, 1, 1, 1, 1}},      {"HOLDER", {1, 1, 1, 1, 0}},        {"OPERATOR", {1, 1, 0, 0, 0}},
        {"TECHNICIAN", {1, 1, 0, 0, 1}}, {"ADMINISTRATOR", {1, 0, 0, 0, 0}},
    };
    bool manager = session_conf(s)->system.role == 1;

    if (!*c->help || (!str_eq(str_c(c->product), str_lit("BOTH")) &&
                      !str_eq(str_c(c->product), manager ? str_lit("MANAGER") : str_lit("GATEWAY"))))
        return false; /* of another product, or what only sessions use */
    if (s->role == ROLE_READ_ONLY && str_eq(str_c(c->least), str_lit("OPERATOR")) &&
        !str_eq(str_c(c->effect), str_lit("IMMEDIATE")))
        return true; /* sees all, may stage, not commit */
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++)
        if (str_eq(str_c(c->least), str_c(rows[i].least)))
            return s->role < 5 && rows[i].may[s->role];
    return false;
}

bool terminal_complete(const struct session *s, struct str word, struct buf *out)
{
    const char *found = NULL;
    size_t common = 0;

    for (size_t i = 0; i < sizeof commands / sizeof *commands; i++) {
        const struct command *c = &commands[i];
        size_t n = 0;

        if (!*c->help || !str_startsi(str_c(c->name), word) || !command_permitted(s, c))
            continue;
        while (found && n < common && found[n] == c->name[n])
            n++;
        common = found ? n : strlen(c->name);
        found = c->name;
    }
    if (!found || common <= word.n)
        return false;
    buf_add(out, str_from(str_first(str_c(found), common), word.n));
    if (common == strlen(found))
        buf_addc(out, ' ');
    return true;
}

enum rc session_usage(struct session *s)
{
    say(s, "Invalid arguments\nUsage: %s\n", s->running->usage);
    return RC_SYNTAX;
}

/* --- commands without questions ------------------------------------------------------------------------------------------
 */

/* The words go to control as they are. A last word --json asks for the reply as an object. */
enum rc cmd_plain(struct session *s)
{
    struct str *words = arena_must_alloc(&s->arena, (s->args.n + 1) * sizeof *words);
    struct buf *text = session_buf(s, 128 << 20), *json = session_buf(s, 128 << 20);
    bool as_json = s->args.n && str_eq(s->args.items[s->args.n - 1], str_lit("--json"));
    size_t n = s->args.n - as_json;
    enum rc rc;

    words[0] = str_c(s->running->name);
    for (size_t i = 0; i < n; i++)
        words[i + 1] = s->args.items[i];
    rc = session_ask(s, words, n + 1, text, json);
    if (as_json && json->n && rc == RC_OK) {
        say_str(s, buf_str(json));
        say(s, "\n");
    } else {
        say_str(s, buf_str(text));
    }
    return rc;
}

enum rc cmd_help(struct session *s)
{
    const struct command *c = s->args.n ? command_find(arg(s, 0)) : NULL;

    if (s->args.n && (!c || !command_permitted(s, c))) {
        say(s, "Unknown command or missing feature key: %.*s\n", STR(str_first(arg(s, 0), 100)));
        return RC_UNKNOWN_COMMAND;
    }
    if (c) {
        say(s, "%s - %s.\nUsage: %s\n", c->name, c->help, c->usage);
        if (*c->aliases)
            say(s, "Also: %s\n", c->aliases);
        return RC_OK;
    }
    for (size_t i = 0; (c = command_row(i)); i++)
        if (*c->help && command_permitted(s, c))
            say(s, "%-20s %s.\n", c->name, c->help);
    say(s, "%-20s %s.\n", "exit", "Leave");
    return RC_OK;
}

enum rc cmd_whoami(struct session *s)
{
    static const char *const roles[] = {"Administrator", "Operator", "Read-Only Operator", "Guest", "Technician"};
    const struct conf_user *u = conf_find(&session_conf(s)->user, s->user);

    say(s, "Username: %.*s\nFull Name: %.*s\nGroup: %s\n", STR(s->user), STR(u ? u->full_name : STR_NONE),
        s->role < 5 ? roles[s->role] : "none");
    return RC_OK;
}

/* --- passwd ---------------------------------------------------------------------------------------------------------------
 */

static enum rc change(struct session *s, struct str name, struct str old)
{
    struct str first = ask_hidden(s, "New password: "), again = ask_hidden(s, "Retype new password: "), words[4];
    struct buf *text = session_buf(s, 4096);
    enum rc rc;

    if (!str_eq(first, again)) {
        say(s, "The passphrases differ.\n");
        return RC_INVALID;
    }
    words[0] = str_lit("passwd");
    words[1] = name;
    words[2] = old;
    words[3] = first;
    rc = session_ask(s, words, 4, text, NULL);
    say_str(s, buf_str(text));
    return rc;
}

static enum rc change_mine(struct session *s)
{
    return change(s, STR_NONE, ask_hidden(s, "Old password: "));
}

/* Texts of the three questions are fixed (spec/cli.md 5). `passwd USER` is the administrator's. */
enum rc cmd_passwd(struct session *s)
{
    if (s->args.n > 1)
        return session_usage(s);
    if (s->args.n == 1 && (s->local || !str_eqi(arg(s, 0), s->user)))
        return change(s, arg(s, 0), STR_NONE);
    return change_mine(s);
}

bool command_first_passphrase(struct session *s)
{
    volatile bool changed = false;

    say(s, "Your passphrase must be changed before anything else.\n");
    s->inside = true;
    for (volatile int tries = 0; tries < 3 && !changed; tries++) {
        int why = setjmp(s->prompt);

        if (why)
            break;
        changed = change_mine(s) == RC_OK;
    }
    s->inside = false;
    s->must_change = !changed;
    return changed && session_refresh(s, NULL) == RC_OK;
}
