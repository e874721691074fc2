/*
 * The rows of the filter language as data, and names that are nearly right. See filter.h.
 *
 * Called by the parser, by completion and help of the console, and by the evaluator (which finds a row's function by its
 * index). Pure tables.
 */
#include "policy/filter.h"

static const struct filter_rule_row rules[] = {
#define RULE(name, arguments, operators, operand, cost, function) {name, arguments, operators, operand, cost},
#include "spec/filter_rules.def"
#undef RULE
};

static const struct filter_action_row actions[] = {
#define FACTION(name, arguments, when, function) {name, arguments, FILTER_##when},
#include "spec/filter_actions.def"
#undef FACTION
};

static const struct filter_type_row types[] = {
#define TYPE(letter, section, choices, words) {letter, section, choices, words},
#include "spec/filter_types.def"
#undef TYPE
};

enum { RULES = sizeof rules / sizeof *rules, ACTIONS = sizeof actions / sizeof *actions };
enum { NEAR = 3, NAME_MOST = 48 };

const struct filter_rule_row *filter_rule_row(size_t i)
{
    return i < RULES ? &rules[i] : NULL;
}

const struct filter_rule_row *filter_rule_named(struct str name)
{
    for (size_t i = 0; i < RULES; i++)
        if (str_eq(name, str_c(rules[i].name)))
            return &rules[i];
    return NULL;
}

size_t filter_rule_index(const struct filter_rule_row *row)
{
    return (size_t)(row - rules);
}

const struct filter_action_row *filter_action_row(size_t i)
{
    return i < ACTIONS ? &actions[i] : NULL;
}

const struct filter_action_row *filter_action_named(struct str name)
{
    for (size_t i = 0; i < ACTIONS; i++)
        if (str_eq(name, str_c(actions[i].name)))
            return &actions[i];
    return NULL;
}

size_t filter_action_index(const struct filter_action_row *row)
{
    return (size_t)(row - actions);
}

const struct filter_type_row *filter_type(char letter)
{
    for (size_t i = 0; i < sizeof types / sizeof *types; i++)
        if (types[i].letter == letter)
            return &types[i];
    return NULL;
}

/* Letters as compared: case and the two kinds of joints do not count. */
static char plain(char c)
{
    return c == '_' ? '-' : ascii_lower(c);
}

/* How many octets differ (added, left out, changed); NAME_MOST when one is too long to be compared. */
static size_t distance(struct str a, struct str b)
{
    size_t row[NAME_MOST + 1];

    if (a.n > NAME_MOST || b.n > NAME_MOST)
        return NAME_MOST;
    for (size_t j = 0; j <= b.n; j++)
        row[j] = j;
    for (size_t i = 1; i <= a.n; i++) {
        size_t corner = row[0];

        row[0] = i;
        for (size_t j = 1; j <= b.n; j++) {
            size_t best = corner + (plain(a.p[i - 1]) != plain(b.p[j - 1]));

            best = row[j] + 1 < best ? row[j] + 1 : best;
            best = row[j - 1] + 1 < best ? row[j - 1] + 1 : best;
            corner = row[j];
            row[j] = best;
        }
    }
    return row[b.n];
}

/* `names` step by `size` octets; each begins with its name. */
static const char *nearest(struct str wanted, const void *names, size_t n, size_t size)
{
    size_t best = NEAR + 1;
    const char *found = NULL;

    for (size_t i = 0; i < n; i++) {
        const char *name;
        size_t d;

        memcpy(&name, (const char *)names + i * size, sizeof name);
        d = distance(wanted, str_c(name));
        if (d < best && d < strlen(name)) {
            best = d;
            found = name;
        }
    }
    return found;
}

const char *filter_rule_nearest(struct str name)
{
    return nearest(name, rules, RULES, sizeof *rules);
}

const char *filter_action_nearest(struct str name)
{
    return nearest(name, actions, ACTIONS, sizeof *actions);
}
