/*
 * alertconfig: who gets alerts by mail (spec/cli.md 9); addressconfig: senders of mail of our own.
 *
 * Called through spec/verbs.def. Owns nothing. The item's name is the recipient's address.
 */
#include "console/commands.h"
#include "console/ops.h"

static const struct menu recipients = {"alertconfig", "alert", "alert recipient", "", ""};

static const char *const classes[] = {"All",        "System",    "Hardware",          "Updater",
                                      "Anti-Virus", "Anti-Spam", "Directory Harvest", "Access"};
enum { CLASSES = sizeof classes / sizeof *classes };

/* Numbers or names, by commas; `out` gets the names. */
static bool classes_fit(struct session *s, void *ctx, struct str answer)
{
    struct strs list = ops_list(s, answer);
    struct str *names = arena_must_alloc(&s->arena, (list.n + 1) * sizeof *names);
    struct strs *out = ctx;

    for (size_t i = 0; i < list.n; i++) {
        uint64_t number = 0;

        for (size_t k = 0; k < CLASSES; k++)
            if (str_eqi(list.items[i], str_c(classes[k])))
                number = k + 1;
        if (!number && (!str_u64(list.items[i], &number) || number < 1 || number > CLASSES)) {
            say(s, "\"%.*s\" is no alert class.\n", STR(str_first(list.items[i], 60)));
            return false;
        }
        names[i] = str_c(classes[number - 1]);
    }
    *out = (struct strs){names, list.n};
    return list.n > 0;
}

static enum rc ask_all(struct session *s, struct str name)
{
    const struct conf_section *section = ops_section("alert");
    struct str now = arena_str(&s->arena, field_text(s, section, name, "classes"));
    struct strs chosen = {0};

    if (ask_left(s) && str_find(s->args.items[s->taken], '=') < s->args.items[s->taken].n)
        return ops_fields(s, "alert", name, "");
    if (!ask_left(s))
        for (size_t i = 0; i < CLASSES; i++)
            say(s, "%zu. %s\n", i + 1, classes[i]);
    ask_value(s, "Choose the Alert Classes. Separate multiple choices with commas.", now.p, classes_fit, &chosen);
    if (chosen.n && !field_put(s, section, name, "classes", ops_join(s, chosen)))
        return RC_INVALID;
    fields_ask(s, section, name, "-classes");
    return RC_OK;
}

static bool is_new(struct session *s, void *ctx, struct str answer)
{
    (void)ctx;
    if (answer.n == 0 || !ops_mail_fits(s, NULL, answer))
        return false;
    if (!conf_find(&session_conf(s)->alert, answer))
        return true;
    say(s, "%.*s gets alerts already.\n", STR(str_first(answer, 100)));
    return false;
}

static enum rc op_new(struct session *s, void *ctx)
{
    struct str name = ask_value(s, "Please enter a new email address to send alerts. (Ex: \"administrator@example.com\")",
                                NULL, is_new, NULL);
    struct err e = ERR_NONE;
    void *item;

    (void)ctx;
    if (conf_draft_item(session_draft(s), ops_section("alert"), name, &item, &e) != RC_OK)
        return session_fail(s, &e);
    return ask_all(s, name);
}

static enum rc op_edit(struct session *s, void *ctx)
{
    (void)ctx;
    return ask_all(s, menu_pick(s, &recipients, "edit"));
}

static enum rc op_delete(struct session *s, void *ctx)
{
    (void)ctx;
    return menu_delete(s, &recipients, menu_pick(s, &recipients, "delete")) ? RC_OK : RC_INVALID;
}

static enum rc op_clear(struct session *s, void *ctx)
{
    (void)ctx;
    if (!ask_batch(s) && !ask_yes(s, "Nobody gets alerts then. Are you sure you want to remove all recipients?", false))
        return RC_OK;
    for (size_t n = session_conf(s)->alert.n; n-- > 0;)
        menu_delete(s, &recipients, arena_str(&s->arena, session_conf(s)->alert.items[n].name));
    return RC_OK;
}

static enum rc op_setup(struct session *s, void *ctx)
{
    (void)ctx;
    return ops_fields(s, "alerts", STR_NONE, "-from");
}

static enum rc ask_mail(struct session *s, const char *section, const char *field, const char *question)
{
    struct str now = arena_str(&s->arena, field_text(s, ops_section(section), STR_NONE, field)), answer;

    answer = now.n ? ask_value(s, question, now.p, ops_mail_fits, NULL) : ask_optional(s, question, ops_mail_fits, NULL);
    if (str_eqi(answer, str_lit("default")))
        answer = STR_NONE;
    return field_put(s, ops_section(section), STR_NONE, field, answer) ? RC_OK : RC_INVALID;
}

static enum rc op_from(struct session *s, void *ctx)
{
    (void)ctx;
    return ask_mail(s, "alerts", "from", "Enter the From address of alerts (empty = alert at the host name):");
}

static void show(struct session *s, void *ctx)
{
    const struct conf *c = session_conf(s);

    (void)ctx;
    say(s, c->alert.n ? "Sending alerts to:\n" : "Not sending alerts to anybody.\n");
    for (size_t i = 0; i < c->alert.n; i++)
        say(s, "%zu. %.*s (%.*s, %.*s)\n", i + 1, STR(c->alert.items[i].name),
            STR(field_text(s, ops_section("alert"), c->alert.items[i].name, "classes")),
            STR(field_text(s, ops_section("alert"), c->alert.items[i].name, "severity")));
    say(s, "Alerts are sent with the From address: %.*s\n",
        STR(c->alerts.from.n ? c->alerts.from : arena_printf(&s->arena, "alert@%.*s", STR(c->system.hostname))));
}

static size_t count(const struct session *s, void *ctx)
{
    (void)ctx;
    return session_conf(s)->alert.n;
}

enum rc cmd_alertconfig(struct session *s)
{
    static const struct op rows[] = {
        {"NEW", "Add a new email address to send alerts", false, op_new},
        {"EDIT", "Modify alert subscription for an email address", true, op_edit},
        {"DELETE", "Remove an email address", true, op_delete},
        {"CLEAR", "Remove all email addresses (disable alerts)", true, op_clear},
        {"SETUP", "Configure alert settings", false, op_setup},
        {"FROM", "Configure the From address of alert emails", false, op_from},
    };
    static const struct ops ops = {rows, sizeof rows / sizeof *rows, show, count};

    return ops_talk(s, &ops, NULL);
}

static enum rc bounce_from(struct session *s, void *ctx)
{
    (void)ctx;
    return ask_mail(s, "queue", "postmaster", "Enter the sender shown in bounces (empty = MAILER-DAEMON at the host name):");
}

static void show_addresses(struct session *s, void *ctx)
{
    const struct conf *c = session_conf(s);

    (void)ctx;
    say(s, "Current bounce From: %.*s\nCurrent alert From: %.*s\n",
        STR(c->queue.postmaster.n ? c->queue.postmaster : str_lit("(MAILER-DAEMON at the host name)")),
        STR(c->alerts.from.n ? c->alerts.from : str_lit("(alert at the host name)")));
}

enum rc cmd_addressconfig(struct session *s)
{
    static const struct op rows[] = {
        {"BOUNCEFROM", "Edit the bounce From address", false, bounce_from},
        {"ALERTFROM", "Edit the From address of alerts", false, op_from},
    };
    static const struct ops ops = {rows, sizeof rows / sizeof *rows, show_addresses, NULL};

    return ops_talk(s, &ops, NULL);
}
