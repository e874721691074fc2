/*
 * dictionaryconfig: words with weights. Batch:
 *   dictionaryconfig new NAME [SETTING=VALUE ...] | delete NAME | rename NAME NEW
 *   dictionaryconfig print NAME                        a heading, then lines "term,weight" (fixed form)
 *   dictionaryconfig edit NAME new TERM | delete TERM | print | SETTING=VALUE ...
 *   dictionaryconfig import NAME FILE | export NAME FILE    lines "term" or "term,weight"
 *
 * Called through spec/verbs.def. Owns nothing. A term is read when it is entered; whether an expression compiles is checked
 * at the commit. A term that is there already gets the new weight.
 */
#include "console/commands.h"
#include "console/ops.h"
#include "policy/dictionary.h"

#include <inttypes.h>

enum { TERMS_MAX = 100000 };

static const char section[] = "dictionary";
static const struct menu menu = {"dictionaryconfig", "dictionary", "dictionary", "", ""};

static const struct conf_dictionary *dictionary(const struct session *s, struct str name)
{
    return conf_find(&session_conf(s)->dictionary, name);
}

/* A line of the settings as it is; lines that came in by other ways may not be readable. */
static struct dictionary_term term_of(struct str line)
{
    struct dictionary_term t = {.term = line, .weight = 1};
    struct err e = ERR_NONE;

    dictionary_term_read(line, &t, &e);
    return t;
}

static bool put(struct session *s, struct str name, struct strs lines)
{
    return field_put(s, ops_section(section), name, "terms", ops_join(s, lines));
}

static struct str line_for(struct session *s, const struct dictionary_term *t)
{
    if (t->weight == 1 && str_find(t->term, ',') == t->term.n)
        return t->term;
    return arena_printf(&s->arena, "%.*s,%" PRIu64, STR(t->term), t->weight);
}

static size_t where(const struct conf_dictionary *d, struct str term)
{
    for (size_t i = 0; i < d->terms.n; i++) {
        struct str there = term_of(d->terms.items[i]).term;

        if (d->match_case ? str_eq(there, term) : str_eqi(there, term))
            return i;
    }
    return SIZE_MAX;
}

/* --- terms ----------------------------------------------------------------------------------------------------------- */

static bool term_fits(struct session *s, void *ctx, struct str answer)
{
    struct err e = ERR_NONE;

    if (dictionary_term_read(answer, ctx, &e) == RC_OK)
        return true;
    session_fail(s, &e);
    return false;
}

static enum rc term_new(struct session *s, void *ctx)
{
    const struct str *name = ctx;
    struct dictionary_term t;

    ask_value(s, "Enter the term, or the term, a comma and its weight:", NULL, term_fits, &t);
    return put(s, *name, ops_with(s, dictionary(s, *name)->terms, where(dictionary(s, *name), t.term), line_for(s, &t)))
               ? RC_OK
               : RC_INVALID;
}

static bool term_known(struct session *s, void *ctx, struct str answer)
{
    const struct conf_dictionary *d = dictionary(s, *(const struct str *)ctx);
    struct dictionary_term t = term_of(answer);

    if (where(d, answer) != SIZE_MAX || where(d, t.term) != SIZE_MAX)
        return true;
    session_missing(s, "Term", answer);
    return false;
}

static enum rc term_delete(struct session *s, void *ctx)
{
    struct str *name = ctx, term = ask_value(s, "Enter the term to delete:", NULL, term_known, name);
    const struct conf_dictionary *d = dictionary(s, *name);
    size_t at = where(d, term);

    return put(s, *name, ops_with(s, d->terms, at != SIZE_MAX ? at : where(d, term_of(term).term), STR_NONE)) ? RC_OK
                                                                                                              : RC_INVALID;
}

static enum rc print(struct session *s, void *ctx)
{
    const struct conf_dictionary *d = dictionary(s, *(const struct str *)ctx);

    say(s, "Dictionary: %.*s\n", STR(d->name));
    for (size_t i = 0; i < d->terms.n; i++) {
        struct dictionary_term t = term_of(d->terms.items[i]);

        say(s, "%.*s,%" PRIu64 "\n", STR(t.term), t.weight);
    }
    return RC_OK;
}

static enum rc settings(struct session *s, void *ctx)
{
    fields_ask(s, ops_section(section), *(const struct str *)ctx, "-terms");
    return RC_OK;
}

/* --- files ----------------------------------------------------------------------------------------------------------- */

/* Lines "term[,weight]"; empty ones are passed over. The error names the line. */
static bool read_lines(struct session *s, struct str text, struct strs *out)
{
    struct str line, *items;
    size_t n = 0, number = 0, most = 1;
    struct err e = ERR_NONE;

    for (size_t i = 0; i < text.n; i++)
        most += text.p[i] == '\n';
    items = arena_must_alloc(&s->arena, most * sizeof *items);
    while (str_split(&text, '\n', &line)) {
        struct dictionary_term t;

        number++;
        if (!(line = str_trim(line)).n)
            continue;
        if (n == TERMS_MAX || dictionary_term_read(line, &t, &e) != RC_OK) {
            if (n == TERMS_MAX)
                say(s, "A dictionary has %d terms at most.\n", TERMS_MAX);
            else
                say(s, "line %zu: %s.\n", number, err_text(&e));
            return false;
        }
        items[n++] = line_for(s, &t);
    }
    *out = (struct strs){items, n};
    return true;
}

static enum rc take_text(struct session *s, struct str name, struct str text)
{
    struct strs lines;

    if (!read_lines(s, text, &lines) || !put(s, name, lines))
        return RC_INVALID;
    say(s, "%zu terms.\n", lines.n);
    return RC_OK;
}

/* --- operations ------------------------------------------------------------------------------------------------------ */

static enum rc op_new(struct session *s, void *ctx)
{
    struct str name = menu_new(s, &menu), text;

    (void)ctx;
    if (ask_batch(s)) {
        while (ask_left(s))
            if (!field_set(s, ops_section(section), name, ask_next(s)))
                return RC_INVALID;
        return RC_OK;
    }
    settings(s, &name);
    if (!ask_lines(s, "Enter the terms, one on a line, each with a comma and its weight if it is not 1.", &text))
        return RC_INVALID;
    return take_text(s, name, text);
}

static enum rc op_edit(struct session *s, void *ctx)
{
    static const struct op rows[] = {{"NEW", "Add a term, or change its weight", false, term_new},
                                     {"DELETE", "Remove a term", false, term_delete},
                                     {"PRINT", "Display the terms", false, print},
                                     {"SETTINGS", "Change how terms match", false, settings}};
    static const struct ops ops = {rows, sizeof rows / sizeof *rows, NULL, NULL};
    struct str name = menu_pick(s, &menu, "edit");

    (void)ctx;
    if (!ask_left(s) || str_find(s->args.items[s->taken], '=') == s->args.items[s->taken].n)
        return ops_talk(s, &ops, &name);
    while (ask_left(s))
        if (!field_set(s, ops_section(section), name, ask_next(s)))
            return RC_INVALID;
    return RC_OK;
}

static enum rc op_delete(struct session *s, void *ctx)
{
    struct str name = menu_pick(s, &menu, "delete");

    (void)ctx;
    if (!ask_batch(s) && !ask_yes(s, arena_printf(&s->arena, "Are you sure you want to delete %.*s?", STR(name)).p, true))
        return RC_OK;
    return menu_delete(s, &menu, name) ? RC_OK : RC_INVALID;
}

static enum rc op_rename(struct session *s, void *ctx)
{
    struct str name = menu_pick(s, &menu, "rename");

    (void)ctx;
    return ops_rename(s, section, "dictionary", name).n ? RC_OK : RC_INVALID;
}

static enum rc op_print(struct session *s, void *ctx)
{
    struct str name = menu_pick(s, &menu, "print");

    (void)ctx;
    return print(s, &name);
}

/* A dictionary of the name is made when there is none. */
static enum rc op_import(struct session *s, void *ctx)
{
    struct str name = ask_value(s, "Enter the name of the dictionary:", NULL, NULL, NULL), text;
    struct err e = ERR_NONE;
    void *item;

    (void)ctx;
    if (ops_import(s, "the terms", &text) != RC_OK)
        return RC_INVALID;
    if (conf_draft_item(session_draft(s), ops_section(section), name, &item, &e) != RC_OK)
        return session_fail(s, &e);
    return take_text(s, name, text);
}

static enum rc op_export(struct session *s, void *ctx)
{
    struct str name = menu_pick(s, &menu, "export");
    struct buf *b = session_buf(s, 64 << 20);
    struct strs terms = dictionary(s, name)->terms;

    (void)ctx;
    for (size_t i = 0; i < terms.n; i++) {
        struct dictionary_term t = term_of(terms.items[i]);

        buf_addf(b, "%.*s,%" PRIu64 "\n", STR(t.term), t.weight);
    }
    return ops_export(s, "the terms", buf_str(b));
}

static void show(struct session *s, void *ctx)
{
    (void)ctx;
    menu_list(s, &menu);
}

static size_t count(const struct session *s, void *ctx)
{
    (void)ctx;
    return session_conf(s)->dictionary.n;
}

enum rc cmd_dictionaryconfig(struct session *s)
{
    static const struct op rows[] = {
        {"NEW", "Create a new dictionary", false, op_new},
        {"EDIT", "Modify a dictionary", true, op_edit},
        {"DELETE", "Remove a dictionary", true, op_delete},
        {"RENAME", "Rename a dictionary", true, op_rename},
        {"PRINT", "Display the terms of a dictionary", true, op_print},
        {"IMPORT", "Take terms from a file", false, op_import},
        {"EXPORT", "Write the terms to a file", true, op_export},
    };
    static const struct ops ops = {rows, sizeof rows / sizeof *rows, show, count};

    return ops_talk(s, &ops, NULL);
}
