/*
 * Reads filters, blocks, branches and actions. See filter.h; conditions are read by filter_rule.c.
 *
 * Called by policy, console and the checks of a configuration. All memory is the arena's. Sizes and depth are bounded before
 * anything is made from them.
 */
#include "policy/filter_inside.h"

#include <stdio.h>

void *filter_grow(struct arena *a, struct filter_grow *g, size_t size)
{
    if (g->n == g->cap) {
        size_t more = g->cap ? g->cap * 2 : 4;
        char *items = arena_alloc(a, more * size);

        if (!items)
            return NULL;
        if (g->n)
            memcpy(items, g->items, g->n * size);
        g->items = items;
        g->cap = more;
    }
    return g->items + g->n++ * size;
}

enum rc filter_parser_begin(struct filter_parser *p, struct arena *a, struct str text, struct err *e)
{
    *p = (struct filter_parser){.arena = a, .e = e};
    if (text.n > FILTER_TEXT)
        return err_set(e, RC_TOO_LARGE, "filters are longer than %d octets", FILTER_TEXT);
    filter_lex_begin(&p->lexer, a, text);
    return filter_parser_next(p);
}

enum rc filter_parser_next(struct filter_parser *p)
{
    return filter_lex_next(&p->lexer, &p->now, p->e);
}

enum rc filter_parser_pass(struct filter_parser *p, const char *text, const char *what)
{
    if (!filter_token_is(&p->now, text))
        return filter_expected(p->arena, &p->now, p->e, "%s", what);
    return filter_parser_next(p);
}

enum rc filter_parser_deeper(struct filter_parser *p)
{
    if (++p->depth > FILTER_DEPTH)
        return filter_wrong(p->now.at, p->e, "nested deeper than %d levels", FILTER_DEPTH);
    return RC_OK;
}

/* --- actions ------------------------------------------------------------------------------------------------------- */

static enum rc unknown_action(struct filter_parser *p)
{
    const char *near = filter_action_nearest(p->now.text);

    if (filter_rule_named(p->now.text))
        return filter_wrong(p->now.at, p->e, "expected an action, found the rule '%.*s'", STR(p->now.text));
    return filter_wrong(p->now.at, p->e, "expected an action, found '%.*s'%s%s%s", STR(str_first(p->now.text, 60)),
                        near ? "; did you mean '" : "", near ? near : "", near ? "'?" : "");
}

static enum rc read_action(struct filter_parser *p, struct filter_action *out)
{
    out->at = p->now.at;
    out->row = filter_action_named(p->now.text);
    if (!out->row)
        return unknown_action(p);
    TRY(filter_parser_next(p));
    return filter_read_args(p, out->row->name, out->row->arguments, &out->args, &out->n_args);
}

/* --- statements ---------------------------------------------------------------------------------------------------- */

static enum rc read_block(struct filter_parser *p, struct filter_block *out);

static enum rc read_condition(struct filter_parser *p, struct filter_rule **out)
{
    TRY(filter_parser_pass(p, "(", "'('"));
    TRY(filter_read_rule(p, out));
    TRY(filter_order(p->arena, *out, p->e));
    return filter_parser_pass(p, ")", "'and', 'or' or ')'");
}

/* if (...) {...} elif (...) {...} else {...}, from behind the `if` on. */
static enum rc read_if(struct filter_parser *p, struct filter_statement *out)
{
    struct filter_grow branches = {0};
    bool more = true, last = false;

    while (more) {
        struct filter_branch *b;
        struct filter_rule *rule = NULL;

        TRY(filter_parser_next(p));
        if (!last)
            TRY(read_condition(p, &rule));
        b = filter_grow(p->arena, &branches, sizeof *b);
        if (!b)
            return err_set(p->e, RC_NO_MEMORY, "filter text too large");
        b->rule = rule;
        TRY(read_block(p, &b->body));
        more = !last && (filter_token_is(&p->now, "elif") || filter_token_is(&p->now, "else"));
        last = filter_token_is(&p->now, "else");
    }
    out->branches = (struct filter_branch *)(void *)branches.items;
    out->n_branches = branches.n;
    return RC_OK;
}

static enum rc read_statement(struct filter_parser *p, struct filter_statement *out)
{
    enum rc rc;

    if (filter_token_is(&p->now, "if")) {
        TRY(filter_parser_deeper(p));
        rc = read_if(p, out);
        p->depth--;
        if (rc == RC_OK && filter_token_is(&p->now, ";"))
            rc = filter_parser_next(p);
        return rc;
    }
    if (p->now.kind != TOKEN_WORD)
        return filter_expected(p->arena, &p->now, p->e, "an action or '}'");
    TRY(read_action(p, &out->action));
    return filter_parser_pass(p, ";", "';'");
}

static enum rc read_block(struct filter_parser *p, struct filter_block *out)
{
    struct filter_grow statements = {0};

    TRY(filter_parser_pass(p, "{", "'{'"));
    while (!filter_token_is(&p->now, "}")) {
        struct filter_statement s = {0}, *place;

        TRY(read_statement(p, &s));
        place = filter_grow(p->arena, &statements, sizeof *place);
        if (!place)
            return err_set(p->e, RC_NO_MEMORY, "filter text too large");
        *place = s;
    }
    out->items = (struct filter_statement *)(void *)statements.items;
    out->n = statements.n;
    return filter_parser_next(p);
}

/* --- filters ------------------------------------------------------------------------------------------------------- */

static bool reserved(struct str word)
{
    static const char *const words[] = {"if", "elif", "else", "and", "or", "not"};

    for (size_t i = 0; i < sizeof words / sizeof *words; i++)
        if (str_eqi(word, str_c(words[i])))
            return true;
    return false;
}

bool filter_name_fits(struct str name)
{
    if (!name.n || name.n > 127 || reserved(name) || !(ascii_alpha(name.p[0]) || name.p[0] == '_'))
        return false;
    for (size_t i = 0; i < name.n; i++)
        if (!ascii_alpha(name.p[i]) && !ascii_digit(name.p[i]) && name.p[i] != '_' && name.p[i] != '-')
            return false;
    return true;
}

static enum rc read_filter(struct filter_parser *p, struct filter *out)
{
    struct filter_statement *all = arena_new(p->arena, struct filter_statement);
    const char *begin = p->now.raw.p;

    if (!all)
        return err_set(p->e, RC_NO_MEMORY, "filter text too large");
    if (p->now.kind != TOKEN_WORD || !filter_name_fits(p->now.text))
        return filter_expected(p->arena, &p->now, p->e, "the name of a filter");
    out->name = p->now.text;
    out->at = p->now.at;
    TRY(filter_parser_next(p));
    TRY(filter_parser_pass(p, ":", "':' behind the name of the filter"));
    if (!filter_token_is(&p->now, "if"))
        return filter_expected(p->arena, &p->now, p->e, "'if'");
    TRY(read_if(p, all));
    out->body = (struct filter_block){all, 1};
    /* up to the brace that was passed last */
    out->text = str_of(begin, (size_t)(p->lexer.source.p + p->lexer.at - begin) - p->now.raw.n);
    out->text = str_first(out->text, str_find_last(out->text, '}') + 1);
    return RC_OK;
}

static enum rc is_new(const struct filter *items, size_t n, const struct filter *f, struct err *e)
{
    for (size_t i = 0; i < n; i++)
        if (str_eqi(items[i].name, f->name))
            return filter_wrong(f->at, e, "the name '%.*s' is taken by the filter of line %u", STR(f->name),
                                items[i].at.line);
    return RC_OK;
}

enum rc filter_parse(struct arena *a, struct str text, struct filters *out, struct err *e)
{
    struct filter_parser p;
    struct filter_grow filters = {0};

    TRY(filter_parser_begin(&p, a, text, e));
    while (p.now.kind != TOKEN_END) {
        struct filter f = {0}, *place;

        TRY(read_filter(&p, &f));
        TRY(is_new((struct filter *)(void *)filters.items, filters.n, &f, e));
        place = filter_grow(a, &filters, sizeof *place);
        if (!place)
            return err_set(e, RC_NO_MEMORY, "filter text too large");
        *place = f;
    }
    *out = (struct filters){(struct filter *)(void *)filters.items, filters.n};
    return RC_OK;
}

static enum rc at_end(struct filter_parser *p, const char *what)
{
    return p->now.kind == TOKEN_END ? RC_OK : filter_expected(p->arena, &p->now, p->e, "%s", what);
}

enum rc filter_parse_rule(struct arena *a, struct str text, struct filter_rule **out, struct err *e)
{
    struct filter_parser p;
    struct filter_rule *r = NULL;

    TRY(filter_parser_begin(&p, a, text, e));
    TRY(filter_read_rule(&p, &r));
    TRY(at_end(&p, "'and', 'or' or the end of the condition"));
    TRY(filter_order(a, r, e));
    *out = r;
    return RC_OK;
}

enum rc filter_parse_action(struct arena *a, struct str text, struct filter_action *out, struct err *e)
{
    struct filter_parser p;
    struct filter_action action = {0};

    TRY(filter_parser_begin(&p, a, text, e));
    if (p.now.kind != TOKEN_WORD)
        return filter_expected(a, &p.now, e, "an action");
    TRY(read_action(&p, &action));
    if (filter_token_is(&p.now, ";"))
        TRY(filter_parser_next(&p));
    TRY(at_end(&p, "the end of the action"));
    *out = action;
    return RC_OK;
}
