/*
 * Commands that are a menu over a section of the settings: rows of spec/menus.def.
 *
 * Called through spec/verbs.def (dialogue `menu`) and by dialogues that add to it. Owns nothing. Batch form, for every such
 * command: `COMMAND new NAME [SETTING=VALUE ...]`, `edit NAME SETTING=VALUE ...`, `delete NAME`, `print [NAME]`,
 * `setup [SETTING=VALUE ...]`.
 */
#include "console/menu.h"

#include "conf/rules.h"
#include "console/commands.h"

static const struct menu menus[] = {
#define MENU(command, section, noun, operations, fields) {#command, #section, noun, operations, fields},
#include "spec/menus.def"
#undef MENU
};

static const struct conf_section *section_of(const struct menu *m)
{
    return conf_section_find(str_c(m->section));
}

/* --- items ---------------------------------------------------------------------------------------------------------------
 */

void menu_list(struct session *s, const struct menu *m)
{
    const struct conf_section *section = section_of(m);
    const struct conf *c = session_conf(s);
    size_t n = conf_items(c, section);

    if (n == 0)
        say(s, "There is no %s yet.\n", m->noun);
    for (size_t i = 0; i < n; i++) {
        struct str name = conf_item_name(section, conf_item(c, section, i));
        struct str detail = field_text(s, section, name, section->settings[0].name);

        say(s, "%zu. %.*s (%.*s)\n", i + 1, STR(name), STR(str_first(detail, 100)));
    }
}

struct picking {
    const struct menu *menu;
    struct str name;
};

static bool pick(struct session *s, void *ctx, struct str answer)
{
    struct picking *p = ctx;
    const struct conf_section *section = section_of(p->menu);
    const struct conf *c = session_conf(s);
    uint64_t number;
    size_t i = conf_item_index(c, section, answer);

    if (i == SIZE_MAX && str_u64(answer, &number) && number >= 1 && number <= conf_items(c, section))
        i = (size_t)number - 1;
    if (i == SIZE_MAX) {
        session_missing(s, p->menu->noun, answer);
        return false;
    }
    p->name = arena_str(&s->arena, conf_item_name(section, conf_item(c, section, i)));
    return true;
}

struct str menu_pick(struct session *s, const struct menu *m, const char *what)
{
    struct picking p = {.menu = m};

    if (!ask_left(s))
        menu_list(s, m);
    ask_value(s, arena_printf(&s->arena, "Enter the name or number of the %s you want to %s:", m->noun, what).p, NULL, pick,
              &p);
    return p.name;
}

static bool is_new(struct session *s, void *ctx, struct str answer)
{
    const struct menu *m = ctx;

    if (conf_item_index(session_conf(s), section_of(m), answer) != SIZE_MAX) {
        say(s, "A %s named %.*s exists already.\n", m->noun, STR(str_first(answer, 100)));
        return false;
    }
    if (answer.n > 128) {
        say(s, "A name has at most 128 characters.\n");
        return false;
    }
    return true;
}

struct str menu_new(struct session *s, const struct menu *m)
{
    struct str name =
        ask_value(s, arena_printf(&s->arena, "Enter a name for the %s:", m->noun).p, NULL, is_new, (void *)(uintptr_t)m);
    struct err e = ERR_NONE;
    void *item;

    if (conf_draft_item(session_draft(s), section_of(m), name, &item, &e) == RC_OK)
        return name;
    session_fail(s, &e);
    session_leave(s, LEAVE_REFUSED);
}

/* In batch form the arguments say the settings, else the rows ask. */
static bool fill(struct session *s, const struct menu *m, struct str name)
{
    if (!ask_batch(s)) {
        fields_ask(s, section_of(m), name, m->fields);
        return true;
    }
    while (ask_left(s))
        if (!field_set(s, section_of(m), name, ask_next(s)))
            return false;
    return true;
}

bool menu_delete(struct session *s, const struct menu *m, struct str name)
{
    struct buf *path = session_buf(s, 4096);
    struct err e = ERR_NONE;

    if (conf_named_by(session_conf(s), section_of(m), name, path)) {
        say(s, "%.*s is in use: %.*s names it.\n", STR(name), STR(buf_str(path)));
        return false;
    }
    conf_path_format(section_of(m), name, NULL, path);
    if (conf_draft_remove(session_draft(s), buf_str(path), &e) == RC_OK) {
        say(s, "%s %.*s deleted.\n", m->noun, STR(name));
        return true;
    }
    session_fail(s, &e);
    return false;
}

bool menu_move(struct session *s, const struct menu *m, struct str name, uint64_t to)
{
    const struct conf_section *section = section_of(m);
    struct conf_list list = conf_list_get(&session_draft(s)->conf, section);
    size_t from = conf_item_index(session_conf(s), section, name), at = (size_t)to - 1;
    char *items = list.items, *kept;

    if (from == SIZE_MAX || to < 1 || to > list.n)
        return false;
    kept = arena_must_alloc(&s->arena, section->size);
    memcpy(kept, items + from * section->size, section->size);
    memmove(items + from * section->size, items + (from + 1) * section->size, (list.n - from - 1) * section->size);
    memmove(items + (at + 1) * section->size, items + at * section->size, (list.n - 1 - at) * section->size);
    memcpy(items + at * section->size, kept, section->size);
    return true;
}

/* --- operations ---------------------------------------------------------------------------------------------------------
 */

static enum rc op_new(struct session *s, const struct menu *m)
{
    struct str name = menu_new(s, m);

    return fill(s, m, name) ? RC_OK : RC_INVALID;
}

static enum rc op_edit(struct session *s, const struct menu *m)
{
    struct str name = menu_pick(s, m, "edit");

    return fill(s, m, name) ? RC_OK : RC_INVALID;
}

static enum rc op_delete(struct session *s, const struct menu *m)
{
    struct str name = menu_pick(s, m, "delete");

    if (!ask_batch(s) && !ask_yes(s, arena_printf(&s->arena, "Are you sure you want to delete %.*s?", STR(name)).p, true))
        return RC_OK;
    return menu_delete(s, m, name) ? RC_OK : RC_INVALID;
}

static enum rc op_print(struct session *s, const struct menu *m)
{
    const struct conf_section *section = section_of(m);

    for (size_t i = 0; i < conf_items(session_conf(s), section); i++) {
        struct str name = conf_item_name(section, conf_item(session_conf(s), section, i));

        if (ask_left(s) && !str_eqi(name, s->args.items[s->taken]))
            continue;
        say(s, "\n%s: %.*s\n", m->noun, STR(name));
        fields_show(s, section, name);
    }
    s->taken = s->args.n;
    return RC_OK;
}

static enum rc op_move(struct session *s, const struct menu *m)
{
    struct str name = menu_pick(s, m, "move");
    size_t n = conf_items(session_conf(s), section_of(m));

    menu_move(s, m, name, ask_number(s, "Enter its new position:", 1, 1, n));
    return RC_OK;
}

static enum rc op_clear(struct session *s, const struct menu *m)
{
    const struct conf_section *section = section_of(m);

    if (!ask_yes(s, arena_printf(&s->arena, "Are you sure you want to delete every %s?", m->noun).p, false))
        return RC_OK;
    for (size_t n = conf_items(session_conf(s), section); n-- > 0;) {
        struct str name = arena_str(&s->arena, conf_item_name(section, conf_item(session_conf(s), section, n)));

        if (!conf_always(section, name))
            menu_delete(s, m, name);
    }
    return RC_OK;
}

static enum rc op_setup(struct session *s, const struct menu *m)
{
    return fill(s, m, STR_NONE) ? RC_OK : RC_INVALID;
}

static const struct {
    const char *name, *what; /* %s = the noun */
    bool some;               /* only when there is an item */
    enum rc (*run)(struct session *s, const struct menu *m);
} operations[] = {
    {"NEW", "Create a new %s", false, op_new},
    {"EDIT", "Modify a %s", true, op_edit},
    {"DELETE", "Remove a %s", true, op_delete},
    {"PRINT", "Display every %s", true, op_print},
    {"MOVE", "Change the order", true, op_move},
    {"CLEAR", "Remove every %s", true, op_clear},
    {"SETUP", "Change the settings of %s", false, op_setup},
};
enum { OPERATIONS = sizeof operations / sizeof *operations };

static bool offers(const struct menu *m, const char *name)
{
    struct str rest = str_c(m->operations), word;

    while (str_word(&rest, &word))
        if (str_eq(word, str_c(name)))
            return true;
    return false;
}

struct step {
    const struct menu *menu;
    const struct menu_more *more;
    size_t i;
};

static enum rc step(struct session *s, void *ctx)
{
    const struct step *x = ctx;

    return x->i < OPERATIONS ? operations[x->i].run(s, x->menu) : x->more[x->i - OPERATIONS].run(s);
}

enum rc menu_talk(struct session *s, const struct menu *m, const struct menu_more *more, size_t n_more)
{
    struct operation ops[OPERATIONS + 16];
    enum rc rc = RC_OK;

    for (;;) {
        size_t n = conf_items(session_conf(s), section_of(m)), i;

        if (!ask_batch(s) && section_of(m)->list)
            menu_list(s, m);
        for (i = 0; i < OPERATIONS; i++)
            ops[i] = (struct operation){operations[i].name, arena_printf(&s->arena, operations[i].what, m->noun).p,
                                        !offers(m, operations[i].name) || (operations[i].some && n == 0 && !ask_left(s))};
        for (i = 0; i < n_more && i < 16; i++)
            ops[OPERATIONS + i] = (struct operation){more[i].name, more[i].what, false};
        i = ask_operation(s, ops, OPERATIONS + n_more);
        if (i == SIZE_MAX)
            return rc;
        rc = session_step(s, step, &(struct step){m, more, i});
        if (ask_batch(s))
            return rc;
    }
}

const struct menu *menu_find(const char *command)
{
    for (size_t i = 0; i < sizeof menus / sizeof *menus; i++)
        if (str_eq(str_c(menus[i].command), str_c(command)))
            return &menus[i];
    return NULL;
}

enum rc cmd_menu(struct session *s)
{
    return menu_talk(s, menu_find(s->running->name), NULL, 0);
}
