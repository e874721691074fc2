/*
 * textconfig: texts that filters, policies, bounce profiles and listeners name. Batch: `textconfig new NAME [kind=KIND]
 * [text=TEXT] [html=TEXT]`, `import NAME FILE` takes the text from a file, `export NAME FILE` writes it to one.
 *
 * Called through spec/verbs.def. Owns nothing.
 */
#include "console/commands.h"
#include "console/ops.h"

static const char section[] = "text_resource";
static const struct menu menu = {"textconfig", "text_resource", "text resource", "", ""};

/* A file may have lines that end in CRLF; a setting holds no CR. */
static struct str without_cr(struct session *s, struct str text)
{
    char *out = arena_must_alloc(&s->arena, text.n + 1);
    size_t n = 0;

    for (size_t i = 0; i < text.n; i++)
        if (text.p[i] != '\r')
            out[n++] = text.p[i];
    return str_of(out, n);
}

static enum rc fill(struct session *s, struct str name)
{
    struct str text;

    if (ask_batch(s)) {
        while (ask_left(s))
            if (!field_set(s, ops_section(section), name, ask_next(s)))
                return RC_INVALID;
        return RC_OK;
    }
    fields_ask(s, ops_section(section), name, "kind");
    if (!ask_lines(s, "Enter the text.", &text))
        return RC_INVALID;
    if (!field_put(s, ops_section(section), name, "text", text))
        return RC_INVALID;
    if (!ask_yes(s, "Do you want to enter another text for HTML parts?", false))
        return RC_OK;
    if (!ask_lines(s, "Enter the HTML text.", &text))
        return RC_INVALID;
    return field_put(s, ops_section(section), name, "html", text) ? RC_OK : RC_INVALID;
}

static enum rc op_new(struct session *s, void *ctx)
{
    (void)ctx;
    return fill(s, menu_new(s, &menu));
}

static enum rc op_edit(struct session *s, void *ctx)
{
    (void)ctx;
    return fill(s, menu_pick(s, &menu, "edit"));
}

static enum rc op_delete(struct session *s, void *ctx)
{
    struct str name = menu_pick(s, &menu, "delete");

    (void)ctx;
    if (!ask_batch(s) && !ask_yes(s, arena_printf(&s->arena, "Are you sure you want to delete %.*s?", STR(name)).p, true))
        return RC_OK;
    return menu_delete(s, &menu, name) ? RC_OK : RC_INVALID;
}

static struct str text_of(const struct session *s, struct str name)
{
    return conf_find(&session_conf(s)->text_resource, name)->text;
}

static enum rc op_print(struct session *s, void *ctx)
{
    struct str name = menu_pick(s, &menu, "display"), html = conf_find(&session_conf(s)->text_resource, name)->html;

    (void)ctx;
    say(s, "%.*s (%.*s)\n", STR(name), STR(field_text(s, ops_section(section), name, "kind")));
    say(s, "%.*s\n", STR(text_of(s, name)));
    if (html.n)
        say(s, "HTML:\n%.*s\n", STR(html));
    return RC_OK;
}

/* An item that exists gets the text; else a new one of the name. */
static enum rc op_import(struct session *s, void *ctx)
{
    struct str name = ask_value(s, "Enter the name of the text resource:", NULL, NULL, NULL), text;
    struct err e = ERR_NONE;
    void *item;

    (void)ctx;
    if (ops_import(s, "the text", &text) != RC_OK)
        return RC_INVALID;
    if (conf_draft_item(session_draft(s), ops_section(section), name, &item, &e) != RC_OK)
        return session_fail(s, &e);
    return field_put(s, ops_section(section), name, "text", without_cr(s, text)) ? RC_OK : RC_INVALID;
}

static enum rc op_export(struct session *s, void *ctx)
{
    struct str name = menu_pick(s, &menu, "export");

    (void)ctx;
    return ops_export(s, "the text", text_of(s, name));
}

static enum rc op_list(struct session *s, void *ctx)
{
    (void)ctx;
    menu_list(s, &menu);
    return RC_OK;
}

static void show(struct session *s, void *ctx)
{
    op_list(s, ctx);
}

static size_t count(const struct session *s, void *ctx)
{
    (void)ctx;
    return session_conf(s)->text_resource.n;
}

enum rc cmd_textconfig(struct session *s)
{
    static const struct op rows[] = {
        {"NEW", "Create a new text resource", false, op_new},      {"EDIT", "Modify a text resource", true, op_edit},
        {"DELETE", "Remove a text resource", true, op_delete},     {"PRINT", "Display a text resource", true, op_print},
        {"IMPORT", "Take the text from a file", false, op_import}, {"EXPORT", "Write the text to a file", true, op_export},
        {"LIST", "List the text resources", true, op_list},
    };
    static const struct ops ops = {rows, sizeof rows / sizeof *rows, show, count};

    return ops_talk(s, &ops, NULL);
}
