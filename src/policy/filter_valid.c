/*
 * Whether what a filter names exists. See filters.h.
 *
 * Called by filters.c and the console. Which section a name belongs to is a column of spec/filter_types.def. Pure.
 */
#include "policy/filters.h"

#include "conf/table.h"

static bool name_exists(const struct conf *conf, char letter, struct str name)
{
    const struct conf_section *s = conf_section_find(str_c(filter_type(letter)->section));

    if (s && conf->pvo.central && str_eq(str_c(s->name), str_lit("quarantine")))
        return true; /* the manager knows what it has */
    return !name.n || !s || conf_item_index(conf, s, name) != SIZE_MAX;
}

static bool args_valid(const struct conf *conf, struct arena *a, const struct filter_value *args, size_t n,
                       struct str *missing)
{
    for (size_t i = 0; i < n; i++) {
        const struct filter_type_row *type = filter_type(args[i].type);

        if (!type->section[0] || name_exists(conf, type->letter, args[i].text))
            continue;
        if (missing) {
            char kind[64];
            struct str s = str_first(str_c(type->section), sizeof kind);

            for (size_t k = 0; k < s.n; k++)
                kind[k] = s.p[k] == '_' ? ' ' : s.p[k];
            *missing = arena_printf(a, "%.*s \"%.*s\"", (int)s.n, kind, STR(args[i].text));
        }
        return false;
    }
    return true;
}

bool filter_rule_valid(const struct conf *conf, struct arena *a, const struct filter_rule *r, struct str *missing_out)
{
    if (r->node == FILTER_TEST)
        return args_valid(conf, a, r->args, r->n_args, missing_out);
    for (size_t i = 0; i < r->n_parts; i++)
        if (!filter_rule_valid(conf, a, r->parts[i], missing_out))
            return false;
    return true;
}

bool filter_action_valid(const struct conf *conf, struct arena *a, const struct filter_action *act, struct str *missing_out)
{
    return args_valid(conf, a, act->args, act->n_args, missing_out);
}

static bool block_valid(const struct conf *conf, struct arena *a, const struct filter_block *b, struct str *missing)
{
    for (size_t i = 0; i < b->n; i++) {
        const struct filter_statement *s = &b->items[i];

        if (s->action.row && !filter_action_valid(conf, a, &s->action, missing))
            return false;
        for (size_t j = 0; j < s->n_branches; j++)
            if ((s->branches[j].rule && !filter_rule_valid(conf, a, s->branches[j].rule, missing)) ||
                !block_valid(conf, a, &s->branches[j].body, missing))
                return false;
    }
    return true;
}

bool filter_valid(const struct conf *conf, struct arena *a, const struct filter *f, struct str *missing_out)
{
    return block_valid(conf, a, &f->body, missing_out);
}
