/*
 * The two tables of policyconfig: items of a section whose names begin with out/, and the others. See policy_dialog.h.
 *
 * Called by cmd_policy.c and policy_filters.c. Owns nothing.
 */
#include "console/policy_dialog.h"

static struct str name_at(const struct session *s, const char *section, size_t i)
{
    const struct conf_section *of = ops_section(section);

    return conf_item_name(of, conf_item(session_conf(s), of, i));
}

struct str policy_full_name(struct session *s, const struct policy_table *t, struct str shown)
{
    if (t->outgoing && !policy_name_outgoing(shown))
        return arena_printf(&s->arena, POLICY_OUT "%.*s", STR(shown));
    return arena_str(&s->arena, shown);
}

size_t policy_item(const struct session *s, const struct policy_table *t, const char *section, size_t n)
{
    size_t items = conf_items(session_conf(s), ops_section(section));

    for (size_t i = 0; i < items; i++)
        if (policy_name_outgoing(name_at(s, section, i)) == t->outgoing && n-- == 0)
            return i;
    return SIZE_MAX;
}

size_t policy_items(const struct session *s, const struct policy_table *t, const char *section)
{
    size_t n = 0;

    while (policy_item(s, t, section, n) != SIZE_MAX)
        n++;
    return n;
}

struct asking {
    const struct policy_table *t;
    const char *section, *noun;
    struct str name;
};

static bool pick(struct session *s, void *ctx, struct str answer)
{
    struct asking *a = ctx;
    size_t at = conf_item_index(session_conf(s), ops_section(a->section), policy_full_name(s, a->t, answer));
    uint64_t number;

    if (at == SIZE_MAX && str_u64(answer, &number) && number)
        at = policy_item(s, a->t, a->section, (size_t)number - 1);
    if (at == SIZE_MAX) {
        session_missing(s, a->noun, answer);
        return false;
    }
    a->name = arena_str(&s->arena, name_at(s, a->section, at));
    return true;
}

struct str policy_pick(struct session *s, const struct policy_table *t, const char *section, const char *noun,
                       const char *what)
{
    struct asking a = {t, section, noun, STR_NONE};

    ask_value(s, arena_printf(&s->arena, "Enter the name or number of the %s you want to %s:", noun, what).p, NULL, pick,
              &a);
    return a.name;
}

static bool make(struct session *s, void *ctx, struct str answer)
{
    struct asking *a = ctx;
    const struct conf_section *of = ops_section(a->section);
    struct err e = ERR_NONE;
    void *item;

    if (str_find(answer, '/') < answer.n) {
        say(s, "The name of a %s has no /.\n", a->noun);
        return false;
    }
    a->name = policy_full_name(s, a->t, answer);
    if (conf_item_index(session_conf(s), of, a->name) != SIZE_MAX) {
        say(s, "A %s named %.*s exists already.\n", a->noun, STR(str_first(answer, 100)));
        return false;
    }
    if (conf_draft_item(session_draft(s), of, a->name, &item, &e) == RC_OK)
        return true;
    session_fail(s, &e);
    return false;
}

struct str policy_new(struct session *s, const struct policy_table *t, const char *section, const char *noun)
{
    struct asking a = {t, section, noun, STR_NONE};

    ask_value(s, arena_printf(&s->arena, "Enter a name for the %s:", noun).p, NULL, make, &a);
    return a.name;
}

bool policy_move(struct session *s, const struct policy_table *t, const char *section, struct str name, uint64_t to)
{
    struct menu m = {"policyconfig", section, "item", "", ""};
    size_t at = to ? policy_item(s, t, section, (size_t)to - 1) : SIZE_MAX;

    return at != SIZE_MAX && menu_move(s, &m, name, at + 1);
}
