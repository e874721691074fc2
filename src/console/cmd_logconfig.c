/*
 * logconfig: log subscriptions (spec/cli.md 8, logs.md 14).
 *
 * Called through spec/verbs.def. Owns nothing. The table is what clients read: title lines, then rows whose columns are two
 * spaces apart.
 */
#include "console/commands.h"
#include "console/log_ask.h"
#include "console/log_hostkeys.h"
#include "event/log_name.h"
#include "event/render.h"

#include <inttypes.h>

static const struct menu subscriptions = {"logconfig", "log", "log subscription", "", ""};

static const struct conf_section *section(void)
{
    return ops_section("log");
}

/* --- the table ------------------------------------------------------------------------------------------------------------
 */

static void show(struct session *s, void *ctx)
{
    const struct conf *c = session_conf(s);

    (void)ctx;
    say(s, "Currently configured logs:\nLog Name  Log Type  Retrieval  Interval\n"
           "---------------------------------------------------------------------------------\n");
    for (size_t i = 0; i < c->log.n; i++) {
        const struct conf_log *l = &c->log.items[i];
        bool none = l->rollover.n == 0 || str_eqi(l->rollover, str_lit("none"));

        say(s, "%zu. %.*s  %.*s  %s  %.*s\n", i + 1, STR(l->name), STR(log_type_title((enum log_type)l->type)),
            log_ask_retrieval(l->retrieval), STR(none ? str_lit("None") : l->rollover));
    }
}

struct picking {
    struct str name;
};

static bool pick(struct session *s, void *ctx, struct str answer)
{
    const struct conf *c = session_conf(s);
    struct picking *p = ctx;
    uint64_t number;
    size_t i = conf_item_index(c, section(), answer);

    if (i == SIZE_MAX && str_u64(answer, &number) && number >= 1 && number <= c->log.n)
        i = (size_t)number - 1;
    if (i == SIZE_MAX) {
        session_missing(s, "Log", answer);
        return false;
    }
    p->name = arena_str(&s->arena, c->log.items[i].name);
    return true;
}

/* The table was shown just before. */
static struct str ask_which(struct session *s, const char *what)
{
    struct picking p = {STR_NONE};

    ask_value(s, arena_printf(&s->arena, "Enter the number of the log you wish to %s.", what).p, NULL, pick, &p);
    return p.name;
}

/* --- NEW, EDIT, DELETE ----------------------------------------------------------------------------------------------------
 */

static bool name_fits(struct session *s, void *ctx, struct str answer)
{
    (void)ctx;
    if (!log_name_safe(answer)) {
        say(s, "A log name is of letters, digits, _, - and dots, and shorter than %d.\n", LOG_NAME_MAX);
        return false;
    }
    if (conf_item_index(session_conf(s), section(), answer) == SIZE_MAX)
        return true;
    say(s, "A log named %.*s exists already.\n", STR(answer));
    return false;
}

static enum rc make(struct session *s, struct str name, uint64_t type)
{
    struct err e = ERR_NONE;
    void *item;

    if (conf_draft_item(session_draft(s), section(), name, &item, &e) != RC_OK)
        return session_fail(s, &e);
    return log_ask_put_choice(s, name, "type", (size_t)type) ? RC_OK : RC_INVALID;
}

/* `new NAME TYPE [SETTING=VALUE ...]` */
static enum rc new_batch(struct session *s)
{
    struct str name = ask_next(s), word = ask_next(s);
    uint64_t type;

    if (word.n == 0)
        return session_usage(s);
    if (!name_fits(s, NULL, name) || !log_ask_type_find(s, word, &type) || make(s, name, type) != RC_OK)
        return RC_INVALID;
    while (ask_left(s))
        if (!field_set(s, section(), name, ask_next(s)))
            return RC_INVALID;
    return RC_OK;
}

static enum rc op_new(struct session *s, void *ctx)
{
    struct strs titles;
    struct str name;
    size_t type;

    (void)ctx;
    if (ask_batch(s))
        return new_batch(s);
    titles = log_ask_titles(s);
    type = ask_choice(s, "Choose the log file type for this subscription:", &titles, 0);
    name = ask_value(s, "Please enter the name for the log:", NULL, name_fits, NULL);
    if (make(s, name, type) != RC_OK)
        return RC_INVALID;
    log_ask(s, name);
    return RC_OK;
}

static enum rc op_edit(struct session *s, void *ctx)
{
    struct str name = ask_which(s, "edit");

    (void)ctx;
    if (ask_batch(s))
        return ask_left(s) ? ops_fields(s, "log", name, "") : session_usage(s);
    log_ask(s, name);
    return RC_OK;
}

static enum rc op_delete(struct session *s, void *ctx)
{
    struct str name;

    (void)ctx;
    if (session_conf(s)->log.n == 1) {
        say(s, "The last log cannot be deleted.\n");
        return RC_INVALID;
    }
    name = ask_which(s, "delete");
    if (!ask_batch(s) &&
        !ask_yes(s, arena_printf(&s->arena, "Are you sure you want to delete \"%.*s\"?", STR(name)).p, true))
        return RC_OK;
    return menu_delete(s, &subscriptions, name) ? RC_OK : RC_INVALID;
}

/* `print [NAME]`: every setting of one, or the table. */
static enum rc print(struct session *s)
{
    struct picking p = {STR_NONE};

    if (s->args.n > 2)
        return session_usage(s);
    if (s->args.n == 1) {
        show(s, NULL);
        return RC_OK;
    }
    if (!pick(s, &p, arg(s, 1)))
        return RC_NOT_FOUND;
    say(s, "log subscription: %.*s\n", STR(p.name));
    fields_show(s, section(), p.name);
    return RC_OK;
}

/* --- SETUP, LOGHEADERS ----------------------------------------------------------------------------------------------------
 */

static enum rc op_setup(struct session *s, void *ctx)
{
    uint64_t seconds;

    (void)ctx;
    if (ask_left(s))
        return ops_fields(s, "logs", STR_NONE, "");
    seconds = ask_number(s, "System measurement frequency (in seconds):", session_conf(s)->logs.measure_every, 1, 86400);
    field_put(s, ops_section("logs"), STR_NONE, "measure_every", arena_printf(&s->arena, "%" PRIu64, seconds));
    fields_ask(s, ops_section("logs"), STR_NONE, "message_id remote_response original_subject");
    fields_ask(s, ops_section("logs"), STR_NONE, "-measure_every message_id remote_response original_subject headers");
    return RC_OK;
}

static bool headers_fit(struct session *s, void *ctx, struct str answer)
{
    struct strs list = str_eqi(answer, str_lit("none")) ? (struct strs){NULL, 0} : ops_list(s, answer);

    (void)ctx;
    for (size_t i = 0; i < list.n; i++) {
        struct str one = list.items[i];

        for (size_t k = 0; k < one.n; k++) {
            if (one.p[k] <= ' ' || one.p[k] == ':' || one.p[k] > '~') { /* RFC 5322 2.2 */
                say(s, "\"%.*s\" is no name of a header.\n", STR(str_first(one, 100)));
                return false;
            }
        }
    }
    return ops_put_list(s, "logs", "headers", list);
}

static enum rc op_headers(struct session *s, void *ctx)
{
    struct str old = arena_str(&s->arena, ops_join(s, session_conf(s)->logs.headers));

    (void)ctx;
    ask_value(s, "Enter the headers you wish to log, separated by commas. Enter \"None\" for no headers.",
              old.n ? old.p : "None", headers_fit, NULL);
    return ask_left(s) ? session_usage(s) : RC_OK;
}

/* --- AUDITLOGCONFIG -------------------------------------------------------------------------------------------------------
 */

static struct str audit_log(struct session *s)
{
    const struct conf *c = session_conf(s);

    for (size_t i = 0; i < c->log.n; i++)
        if (c->log.items[i].type == LOG_TYPE_AUDIT)
            return arena_str(&s->arena, c->log.items[i].name);
    return STR_NONE;
}

static enum rc audit_keep(struct session *s, bool wanted)
{
    struct str name = audit_log(s);

    if (wanted && !name.n)
        return name_fits(s, NULL, str_lit("audit_logs")) ? make(s, str_lit("audit_logs"), LOG_TYPE_AUDIT) : RC_INVALID;
    if (!wanted && name.n)
        return menu_delete(s, &subscriptions, name) ? RC_OK : RC_INVALID;
    return RC_OK;
}

static void audit_show(struct session *s)
{
    struct str name = audit_log(s);

    if (name.n)
        say(s, "Audit logging is enabled: logins, commands and commits are in %.*s.\n", STR(name));
    else
        say(s, "Audit logging is disabled.\n");
}

static enum rc op_audit(struct session *s, void *ctx)
{
    struct str word = ask_next(s), name;

    (void)ctx;
    if (ask_left(s))
        return session_usage(s);
    if (str_eqi(word, str_lit("enable")) || str_eqi(word, str_lit("disable")))
        return audit_keep(s, str_eqi(word, str_lit("enable")));
    if (word.n && !str_eqi(word, str_lit("status")))
        return session_usage(s);
    audit_show(s);
    if (word.n)
        return RC_OK;
    if (audit_keep(s, ask_yes(s, "Do you want to keep an audit log?", audit_log(s).n > 0)) != RC_OK)
        return RC_INVALID;
    name = audit_log(s);
    if (name.n)
        log_ask_level(s, name);
    return RC_OK;
}

enum rc cmd_logconfig(struct session *s)
{
    static const struct op rows[] = {
        {"NEW", "Create a new log", false, op_new},
        {"EDIT", "Modify a log subscription", false, op_edit},
        {"DELETE", "Remove a log subscription", false, op_delete},
        {"SETUP", "General settings", false, op_setup},
        {"LOGHEADERS", "Configure headers to log", false, op_headers},
        {"HOSTKEYCONFIG", "Configure SSH host keys", false, log_hostkeys},
        {"AUDITLOGCONFIG", "Adjust settings for audit logging", false, op_audit},
    };
    static const struct ops ops = {rows, sizeof rows / sizeof *rows, show, NULL};

    if (arg_is(s, 0, "print"))
        return print(s);
    return ops_talk(s, &ops, NULL);
}
