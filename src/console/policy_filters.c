/*
 * FILTERS of policyconfig: content filters of one table. Batch:
 *   policyconfig incoming filters new NAME [condition=RULE ...] [action=ACTION ...] [SETTING=VALUE ...]
 *   policyconfig incoming filters edit NAME condition=... | action=... | SETTING=VALUE ...
 *   policyconfig incoming filters rename NAME NEW | move NAME POSITION | delete NAME | print [NAME]
 *
 * Called by cmd_policy.c. Owns nothing. Each condition and action is read when it is entered: what is wrong is said with
 * line, column and what was expected, and nothing changes.
 */
#include "conf/rules.h"
#include "console/policy_dialog.h"
#include "policy/filter.h"

#include <inttypes.h>

static const char section[] = "content_filter", noun[] = "content filter";

struct place {
    struct policy_table *table;
    struct str name;
};

/* --- lines
 * ------------------------------------------------------------------------------------------------------------------- */

static bool reads(struct session *s, bool action, struct str line)
{
    struct filter_action a;
    struct filter_rule *rule;
    struct err e = ERR_NONE;

    if ((action ? filter_parse_action(&s->arena, line, &a, &e) : filter_parse_rule(&s->arena, line, &rule, &e)) == RC_OK)
        return true;
    session_fail(s, &e);
    return false;
}

static bool condition_fits(struct session *s, void *ctx, struct str answer)
{
    (void)ctx;
    return !answer.n || reads(s, false, answer);
}

static bool action_fits(struct session *s, void *ctx, struct str answer)
{
    (void)ctx;
    return !answer.n || reads(s, true, answer);
}

static struct strs lines_of(const struct session *s, struct str name, bool actions)
{
    const struct conf_content_filter *f = conf_find(&session_conf(s)->content_filter, name);

    return actions ? f->actions : f->conditions;
}

static bool put_lines(struct session *s, struct str name, bool actions, struct strs lines)
{
    return field_put(s, ops_section(section), name, actions ? "actions" : "conditions", ops_join(s, lines));
}

static bool add_line(struct session *s, struct str name, bool actions, struct str line)
{
    return put_lines(s, name, actions, ops_with(s, lines_of(s, name, actions), SIZE_MAX, line));
}

static bool ask_line(struct session *s, struct str name, bool actions)
{
    struct str line = ask_optional(
        s,
        actions ? "Enter an action, for example quarantine(\"Policy\"); nothing ends the list:"
                : "Enter a condition, for example subject == \"invoice\"; nothing ends the list (none at all: always):",
        actions ? action_fits : condition_fits, NULL);

    return line.n && add_line(s, name, actions, line);
}

static bool put(struct session *s, struct str name, struct str assignment)
{
    size_t eq = str_find(assignment, '=');
    struct str field = str_first(assignment, eq), text = str_from(assignment, eq + 1);
    bool action = str_eqi(field, str_lit("action"));

    if (!action && !str_eqi(field, str_lit("condition")))
        return field_set(s, ops_section(section), name, assignment);
    return reads(s, action, text) && add_line(s, name, action, text);
}

static enum rc put_all(struct session *s, struct str name)
{
    while (ask_left(s))
        if (!put(s, name, ask_next(s)))
            return RC_INVALID;
    return RC_OK;
}

/* --- one filter
 * -------------------------------------------------------------------------------------------------------------- */

static enum rc op_condition(struct session *s, void *ctx)
{
    while (ask_line(s, ((struct place *)ctx)->name, false) && !ask_batch(s))
        ;
    return RC_OK;
}

static enum rc op_action(struct session *s, void *ctx)
{
    while (ask_line(s, ((struct place *)ctx)->name, true) && !ask_batch(s))
        ;
    return RC_OK;
}

static enum rc op_remove(struct session *s, void *ctx)
{
    static const char *const kinds[] = {"Condition", "Action", NULL};
    const struct place *p = ctx;
    bool actions = ask_one_of(s, "What do you want to remove?", 0, kinds) == 1;
    struct strs lines = lines_of(s, p->name, actions);

    if (!lines.n) {
        say(s, "There is none.\n");
        return RC_INVALID;
    }
    return put_lines(s, p->name, actions, ops_with(s, lines, ops_pick_line(s, "Which one?", lines), STR_NONE)) ? RC_OK
                                                                                                               : RC_INVALID;
}

static enum rc op_settings(struct session *s, void *ctx)
{
    return ops_fields(s, section, ((struct place *)ctx)->name, "description enabled match");
}

static void show_lines(struct session *s, const char *what, struct strs lines)
{
    say(s, "%s:\n", what);
    for (size_t i = 0; i < lines.n; i++)
        say(s, "    %zu. %.*s\n", i + 1, STR(lines.items[i]));
}

static void show_one(struct session *s, struct str name)
{
    const struct conf_content_filter *f = conf_find(&session_conf(s)->content_filter, name);

    say(s, "\n%s: %.*s%s\n", noun, STR(policy_name_shown(name)), f->enabled ? "" : " (off)");
    if (f->description.n)
        say(s, "%.*s\n", STR(f->description));
    if (f->conditions.n)
        show_lines(s, f->match ? "Conditions (all of them)" : "Conditions (one of them)", f->conditions);
    else
        say(s, "Conditions: none, it always applies.\n");
    show_lines(s, "Actions", f->actions);
}

static void show_filter(struct session *s, void *ctx)
{
    show_one(s, ((struct place *)ctx)->name);
}

static enum rc edit(struct session *s, struct place *p)
{
    static const struct op rows[] = {
        {"CONDITION", "Add conditions", false, op_condition},
        {"ACTION", "Add actions", false, op_action},
        {"REMOVE", "Remove a condition or an action", false, op_remove},
        {"SETTINGS", "Change description, state and how conditions add up", false, op_settings},
    };
    static const struct ops ops = {rows, sizeof rows / sizeof *rows, show_filter, NULL};

    if (ask_left(s) && str_find(s->args.items[s->taken], '=') < s->args.items[s->taken].n)
        return put_all(s, p->name);
    return ops_talk(s, &ops, p);
}

/* --- operations
 * -------------------------------------------------------------------------------------------------------------- */

static enum rc op_new(struct session *s, void *ctx)
{
    struct place *p = ctx;

    p->name = policy_new(s, p->table, section, noun);
    if (ask_batch(s))
        return put_all(s, p->name);
    fields_ask(s, ops_section(section), p->name, "description");
    while (ask_line(s, p->name, false))
        ;
    if (lines_of(s, p->name, false).n > 1)
        fields_ask(s, ops_section(section), p->name, "match");
    while (ask_line(s, p->name, true))
        ;
    if (lines_of(s, p->name, true).n)
        return RC_OK;
    say(s, "A content filter has one action at least.\n");
    return RC_INVALID;
}

static enum rc op_edit(struct session *s, void *ctx)
{
    struct place *p = ctx;

    p->name = policy_pick(s, p->table, section, noun, "edit");
    return edit(s, p);
}

static enum rc op_delete(struct session *s, void *ctx)
{
    static const struct menu menu = {"policyconfig", "content_filter", "content filter", "", ""};
    struct place *p = ctx;
    struct str name = policy_pick(s, p->table, section, noun, "delete");

    if (!ask_batch(s) &&
        !ask_yes(s, arena_printf(&s->arena, "Are you sure you want to delete %.*s?", STR(policy_name_shown(name))).p, true))
        return RC_OK;
    return menu_delete(s, &menu, name) ? RC_OK : RC_INVALID;
}

static enum rc op_rename(struct session *s, void *ctx)
{
    struct place *p = ctx;
    struct str name = policy_pick(s, p->table, section, noun, "rename");
    struct str to = ask_value(s, "Enter the new name:", NULL, NULL, NULL);
    struct err e = ERR_NONE;

    if (str_find(to, '/') < to.n) {
        say(s, "The name of a %s has no /.\n", noun);
        return RC_INVALID;
    }
    if (conf_draft_rename(session_draft(s), ops_section(section), name, policy_full_name(s, p->table, to), &e) == RC_OK)
        return RC_OK;
    return session_fail(s, &e);
}

static enum rc op_move(struct session *s, void *ctx)
{
    struct place *p = ctx;
    struct str name = policy_pick(s, p->table, section, noun, "move");
    uint64_t to = ask_number(s, "Enter its new position:", 1, 1, policy_items(s, p->table, section));

    return policy_move(s, p->table, section, name, to) ? RC_OK : RC_INVALID;
}

static size_t users(const struct session *s, struct str filter)
{
    size_t n = 0;

    for (size_t i = 0; i < session_conf(s)->mail_policy.n; i++) {
        struct strs names = session_conf(s)->mail_policy.items[i].content_filters;

        for (size_t k = 0; k < names.n; k++)
            n += str_eqi(names.items[k], filter);
    }
    return n;
}

static void list(struct session *s, void *ctx)
{
    const struct place *p = ctx;
    size_t at, i;

    for (i = 0; (at = policy_item(s, p->table, section, i)) != SIZE_MAX; i++) {
        const struct conf_content_filter *f = &session_conf(s)->content_filter.items[at];

        say(s, "%zu. %.*s (%zu %s%s) %.*s\n", i + 1, STR(policy_name_shown(f->name)), users(s, f->name),
            users(s, f->name) == 1 ? "policy" : "policies", f->enabled ? "" : ", off", STR(str_first(f->description, 100)));
    }
    if (!i)
        say(s, "There is no content filter yet.\n");
}

static enum rc op_print(struct session *s, void *ctx)
{
    struct place *p = ctx;
    size_t at;

    if (ask_left(s)) {
        show_one(s, policy_pick(s, p->table, section, noun, "display"));
        return RC_OK;
    }
    list(s, ctx);
    for (size_t i = 0; (at = policy_item(s, p->table, section, i)) != SIZE_MAX; i++)
        show_one(s, session_conf(s)->content_filter.items[at].name);
    return RC_OK;
}

static size_t count(const struct session *s, void *ctx)
{
    return policy_items(s, ((struct place *)ctx)->table, section);
}

enum rc policy_filters(struct session *s, struct policy_table *t)
{
    static const struct op rows[] = {
        {"NEW", "Create a new content filter", false, op_new},
        {"EDIT", "Modify a content filter", true, op_edit},
        {"DELETE", "Remove a content filter", true, op_delete},
        {"PRINT", "Display all content filters", true, op_print},
        {"RENAME", "Give a content filter another name", true, op_rename},
        {"MOVE", "Change the order", true, op_move},
    };
    static const struct ops ops = {rows, sizeof rows / sizeof *rows, list, count};
    struct place p = {t, STR_NONE};

    return ops_talk(s, &ops, &p);
}
