/*
 * Reads conditions: tests with arguments and comparisons, joined by and, or, not. See filter.h.
 *
 * Called by filter_parse.c. `not` binds closer than `and`, `and` closer than `or`. Parentheses and nots go FILTER_DEPTH
 * deep.
 */
#include "policy/filter_inside.h"

#include <stdio.h>

/* --- arguments ----------------------------------------------------------------------------------------------------- */

static enum rc read_list(struct filter_parser *p, struct filter_raw *out)
{
    struct filter_grow items = {0};

    out->bracket = true;
    do {
        struct str *place;

        TRY(filter_parser_next(p));
        if (filter_token_is(&p->now, "]") && !items.n)
            break;
        if (p->now.kind != TOKEN_STRING)
            return filter_expected(p->arena, &p->now, p->e, "a string in quotes");
        place = items.n < FILTER_LIST ? filter_grow(p->arena, &items, sizeof *place) : NULL;
        if (!place)
            return filter_wrong(p->now.at, p->e, "a list has %d members at most", FILTER_LIST);
        *place = p->now.text;
        TRY(filter_parser_next(p));
    } while (filter_token_is(&p->now, ","));
    out->list = (struct strs){(struct str *)(void *)items.items, items.n};
    return filter_parser_pass(p, "]", "',' or ']'");
}

static enum rc read_value(struct filter_parser *p, struct filter_raw *out)
{
    *out = (struct filter_raw){.token = p->now};
    if (filter_token_is(&p->now, "["))
        return read_list(p, out);
    return filter_parser_next(p); /* whether it is a value at all, the letter decides */
}

enum rc filter_read_args(struct filter_parser *p, const char *name, const char *signature, const struct filter_value **out,
                         size_t *n_out)
{
    struct filter_grow raw = {0};
    struct filter_token end = p->now;
    bool open = filter_token_is(&p->now, "(");

    if (open) {
        TRY(filter_parser_next(p));
        end = p->now;
        while (!filter_token_is(&p->now, ")")) {
            struct filter_raw *place = raw.n < FILTER_ARGS ? filter_grow(p->arena, &raw, sizeof *place) : NULL;

            if (!place)
                return filter_wrong(p->now.at, p->e, "%s has %d arguments at most", name, FILTER_ARGS);
            TRY(read_value(p, place));
            end = p->now;
            if (!filter_token_is(&p->now, ","))
                break;
            TRY(filter_parser_next(p));
            end = p->now;
            if (filter_token_is(&p->now, ")"))
                return filter_expected(p->arena, &p->now, p->e, "an argument of %s", name);
        }
    }
    if (!open && signature[0] && signature[0] != '|')
        return filter_expected(p->arena, &p->now, p->e, "'(' and %s", filter_type(signature[0])->words);
    TRY(filter_args_check(p->arena, name, signature, (struct filter_raw *)(void *)raw.items, raw.n, &end, out, p->e));
    *n_out = raw.n;
    return open ? filter_parser_pass(p, ")", raw.n ? "',' or ')'" : "')'") : RC_OK;
}

/* --- tests --------------------------------------------------------------------------------------------------------- */

static enum filter_operator operator_of(const struct filter_token *t)
{
    static const char *const marks[] = {"", "==", "!=", "<", ">", "<=", ">="};

    for (size_t i = 1; i < sizeof marks / sizeof *marks; i++)
        if (filter_token_is(t, marks[i]))
            return (enum filter_operator)i;
    return FILTER_ALONE;
}

static enum rc read_comparison(struct filter_parser *p, struct filter_rule *r)
{
    const char *operators = r->row->operators;
    bool maybe = operators[0] == '?', order = strchr(operators, 'o');
    const char *which = order ? "a comparison (== != < > <= >=)" : "== or !=";
    struct filter_raw raw;

    r->op = operator_of(&p->now);
    if (r->op == FILTER_ALONE) {
        if (operators[0] && !maybe)
            return filter_expected(p->arena, &p->now, p->e, "%s behind %s", which, r->row->name);
        return RC_OK;
    }
    if (!operators[0])
        return filter_expected(p->arena, &p->now, p->e, "no comparison: %s stands alone", r->row->name);
    if (!order && r->op > FILTER_NE)
        return filter_expected(p->arena, &p->now, p->e, "%s behind %s", which, r->row->name);
    TRY(filter_parser_next(p));
    TRY(read_value(p, &raw));
    return filter_value_check(p->arena, r->row->operand, &raw, &r->operand, p->e);
}

static enum rc unknown_rule(struct filter_parser *p)
{
    const char *near = filter_rule_nearest(p->now.text);

    if (filter_action_named(p->now.text))
        return filter_wrong(p->now.at, p->e, "expected a rule, found the action '%.*s'", STR(p->now.text));
    return filter_wrong(p->now.at, p->e, "expected a rule, found '%.*s'%s%s%s", STR(str_first(p->now.text, 60)),
                        near ? "; did you mean '" : "", near ? near : "", near ? "'?" : "");
}

static bool is_joint(const struct filter_token *t)
{
    return filter_token_is(t, "and") || filter_token_is(t, "or");
}

static enum rc read_test(struct filter_parser *p, struct filter_rule *r)
{
    if (p->now.kind != TOKEN_WORD || is_joint(&p->now))
        return filter_expected(p->arena, &p->now, p->e, "a rule");
    r->node = FILTER_TEST;
    r->row = filter_rule_named(p->now.text);
    if (!r->row)
        return unknown_rule(p);
    TRY(filter_parser_next(p));
    TRY(filter_read_args(p, r->row->name, r->row->arguments, &r->args, &r->n_args));
    return read_comparison(p, r);
}

/* --- and, or, not -------------------------------------------------------------------------------------------------- */

static struct filter_rule *new_rule(struct filter_parser *p)
{
    struct filter_rule *r = arena_new(p->arena, struct filter_rule);

    if (r)
        r->at = p->now.at;
    return r;
}

static enum rc read_unit(struct filter_parser *p, struct filter_rule **out)
{
    struct filter_rule *r = new_rule(p);

    if (!r)
        return err_set(p->e, RC_NO_MEMORY, "filter text too large");
    TRY(filter_parser_deeper(p));
    if (filter_token_is(&p->now, "not")) {
        TRY(filter_parser_next(p));
        r->node = FILTER_NOT;
        r->n_parts = 1;
        r->parts = arena_array(p->arena, struct filter_rule *, 1);
        if (!r->parts)
            return err_set(p->e, RC_NO_MEMORY, "filter text too large");
        TRY(read_unit(p, &r->parts[0]));
        *out = r;
    } else if (filter_token_is(&p->now, "(")) {
        TRY(filter_parser_next(p));
        TRY(filter_read_rule(p, out));
        TRY(filter_parser_pass(p, ")", "'and', 'or' or ')'"));
    } else {
        TRY(read_test(p, r));
        *out = r;
    }
    p->depth--;
    return RC_OK;
}

typedef enum rc reader(struct filter_parser *p, struct filter_rule **out);

/* One or more of what `each` reads, with `word` between them. */
static enum rc read_joined(struct filter_parser *p, const char *word, enum filter_node node, reader *each,
                           struct filter_rule **out)
{
    struct filter_rule *r = new_rule(p);
    struct filter_grow parts = {0};
    bool more;

    if (!r)
        return err_set(p->e, RC_NO_MEMORY, "filter text too large");
    do {
        struct filter_rule *part = NULL, **place;

        TRY(each(p, &part));
        place = filter_grow(p->arena, &parts, sizeof *place);
        if (!place)
            return err_set(p->e, RC_NO_MEMORY, "filter text too large");
        *place = part;
        more = filter_token_is(&p->now, word);
        if (more)
            TRY(filter_parser_next(p));
    } while (more);
    r->node = node;
    r->parts = (struct filter_rule **)(void *)parts.items;
    r->n_parts = parts.n;
    *out = parts.n == 1 ? r->parts[0] : r;
    return RC_OK;
}

static enum rc read_and(struct filter_parser *p, struct filter_rule **out)
{
    return read_joined(p, "and", FILTER_AND, read_unit, out);
}

enum rc filter_read_rule(struct filter_parser *p, struct filter_rule **out)
{
    return read_joined(p, "or", FILTER_OR, read_and, out);
}
