/*
 * aliasconfig: recipients whose place others take (spec/settings/alias.def). Batch: `aliasconfig new NAME to=ADDRESS,ADDRESS
 * [listener=NAME] [comment=TEXT]`.
 *
 * Called through spec/verbs.def. Owns nothing. What is wrong with an alias, a loop too, is said at once: not at the commit.
 */
#include "console/alias_text.h"
#include "console/commands.h"
#include "console/ops.h"
#include "policy/alias.h"

static const struct menu aliases = {"aliasconfig", "alias", "alias", "", ""};

static bool name_fits(struct session *s, void *ctx, struct str answer)
{
    struct err e = ERR_NONE;

    (void)ctx;
    if (alias_name_fits(answer, &e) != RC_OK)
        say(s, "%s.\n", e.text);
    else if (conf_item_index(session_conf(s), ops_section("alias"), answer) != SIZE_MAX)
        say(s, "An alias %.*s exists already.\n", STR(answer));
    else
        return true;
    return false;
}

/* The targets, and what the alias then is together with all others; a refused answer leaves what was there. */
static bool targets_fit(struct session *s, void *ctx, struct str answer)
{
    const struct str *name = ctx;
    struct str before = field_text(s, ops_section("alias"), *name, "to");
    struct err e = ERR_NONE;

    if (!field_put(s, ops_section("alias"), *name, "to", answer))
        return false;
    if (alias_check(session_conf(s), &e) == RC_OK)
        return true;
    say(s, "%s.\n", e.text);
    field_put(s, ops_section("alias"), *name, "to", before);
    return false;
}

/* Arguments that are left are SETTING=VALUE, without any the rows ask. */
static enum rc fill(struct session *s, struct str name)
{
    struct str now = field_text(s, ops_section("alias"), name, "to");
    struct err e = ERR_NONE;

    if (!ask_batch(s)) {
        ask_value(s, "Enter the addresses that mail goes to, separated by commas. /dev/null drops it.",
                  now.n ? arena_str(&s->arena, now).p : NULL, targets_fit, &name);
        fields_ask(s, ops_section("alias"), name, "-to");
    } else if (!ask_left(s)) {
        return session_usage(s);
    }
    while (ask_left(s))
        if (!field_set(s, ops_section("alias"), name, ask_next(s)))
            return RC_INVALID;
    if (alias_check(session_conf(s), &e) == RC_OK)
        return RC_OK;
    say(s, "%s.\n", e.text);
    return RC_INVALID;
}

static enum rc op_new(struct session *s, void *ctx)
{
    struct str name =
        ask_value(s, "Enter the alias: an address, a user of the default domain, or @domain for everybody there.", NULL,
                  name_fits, NULL);
    struct err e = ERR_NONE;
    void *item;

    (void)ctx;
    if (conf_draft_item(session_draft(s), ops_section("alias"), name, &item, &e) != RC_OK)
        return session_fail(s, &e);
    return fill(s, name);
}

static enum rc op_edit(struct session *s, void *ctx)
{
    (void)ctx;
    return fill(s, menu_pick(s, &aliases, "edit"));
}

static enum rc op_delete(struct session *s, void *ctx)
{
    struct str name = menu_pick(s, &aliases, "delete");

    (void)ctx;
    if (!ask_batch(s) && !ask_yes(s, arena_printf(&s->arena, "Are you sure you want to delete %.*s?", STR(name)).p, true))
        return RC_OK;
    return menu_delete(s, &aliases, name) ? RC_OK : RC_INVALID;
}

static struct str as_text(struct session *s)
{
    struct buf *b = session_buf(s, 64 << 20);

    alias_text_write(session_conf(s), b);
    return buf_str(b);
}

static enum rc op_print(struct session *s, void *ctx)
{
    (void)ctx;
    say_str(s, as_text(s));
    return RC_OK;
}

static enum rc op_import(struct session *s, void *ctx)
{
    struct err e = ERR_NONE;
    struct str text;

    (void)ctx;
    if (ops_import(s, "the aliases", &text) != RC_OK)
        return RC_INVALID;
    if (alias_text_read(session_draft(s), text, &e) != RC_OK || alias_check(session_conf(s), &e) != RC_OK)
        return session_fail(s, &e);
    say(s, "%zu aliases imported.\n", session_conf(s)->alias.n);
    return RC_OK;
}

static enum rc op_export(struct session *s, void *ctx)
{
    (void)ctx;
    return ops_export(s, "the aliases", as_text(s));
}

static enum rc op_clear(struct session *s, void *ctx)
{
    struct err e = ERR_NONE;

    (void)ctx;
    if (!ask_batch(s) && !ask_yes(s, "Are you sure you want to delete all aliases?", false))
        return RC_OK;
    return alias_text_read(session_draft(s), STR_NONE, &e) == RC_OK ? RC_OK : session_fail(s, &e);
}

static void show(struct session *s, void *ctx)
{
    size_t n = session_conf(s)->alias.n;

    (void)ctx;
    say(s, "There %s currently %zu %s configured.\n", n == 1 ? "is" : "are", n, n == 1 ? "alias" : "aliases");
}

static size_t count(const struct session *s, void *ctx)
{
    (void)ctx;
    return session_conf(s)->alias.n;
}

enum rc cmd_aliasconfig(struct session *s)
{
    static const struct op rows[] = {
        {"NEW", "Create a new alias", false, op_new},
        {"EDIT", "Modify an alias", true, op_edit},
        {"DELETE", "Remove an alias", true, op_delete},
        {"PRINT", "Display all aliases", true, op_print},
        {"IMPORT", "Import aliases from a file", false, op_import},
        {"EXPORT", "Export all aliases to a file", true, op_export},
        {"CLEAR", "Remove all aliases", true, op_clear},
    };
    static const struct ops ops = {rows, sizeof rows / sizeof *rows, show, count};

    return ops_talk(s, &ops, NULL);
}
